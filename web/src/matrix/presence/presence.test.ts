import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Http } from "../api/http";
import { OthersPresence } from "./others";
import { OwnPresence, type Here } from "./own";

beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }));
afterEach(() => void vi.useRealTimers());

const LENA = "@lena:a";

/** A server; `answers` may change while it is asked. */
function server(answers: { status?: number; body: object }) {
  const asked: { method: string; path: string; body: unknown }[] = [];
  const http = new Http("https://a", async (url, init) => {
    const body = init?.body ? JSON.parse(init.body as string) : undefined;
    asked.push({ method: init?.method ?? "GET", path: new URL(url).pathname, body });
    return new Response(JSON.stringify(answers.body), { status: answers.status ?? 200 });
  });
  return { http, asked };
}

test("who is looked at is asked about, seldom where nothing changes, and soon when they are heard of", async () => {
  const answers = { body: { presence: "online", status_msg: "In the garden" } };
  const { http, asked } = server(answers);
  const others = new OthersPresence(http);
  const news: string[] = [];
  others.changed.subscribe((userId) => news.push(userId));
  const [one, two] = [others.watch(LENA), others.watch(LENA)];
  await vi.advanceTimersByTimeAsync(300);
  expect(asked.map(({ path }) => path)).toEqual(["/_matrix/client/v3/presence/%40lena%3Aa/status"]);
  expect(others.of(LENA)).toMatchObject({ state: "online", status: "In the garden" });
  // After one minute, then two, then four.
  await vi.advanceTimersByTimeAsync(420_000);
  expect([asked.length, news]).toEqual([4, [LENA]]);
  answers.body = { presence: "unavailable", status_msg: "" };
  others.heard(LENA);
  await vi.advanceTimersByTimeAsync(5000);
  expect(others.of(LENA)).toMatchObject({ state: "unavailable", status: undefined });
  one();
  one();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toHaveLength(6);
  two();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(asked).toHaveLength(6);
});

test("who is passed by is not asked about, and nobody while nobody looks", async () => {
  const { http, asked } = server({ body: { presence: "online" } });
  const others = new OthersPresence(http);
  others.watch(LENA)();
  others.look(false);
  others.watch("@tomasz:a");
  await vi.advanceTimersByTimeAsync(600_000);
  expect(asked).toEqual([]);
  others.look(true);
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toHaveLength(1);
});

test("who has not come into a room yet is asked about when they have", async () => {
  const { http, asked } = server({ body: { presence: "online" } });
  let isMet = false;
  const others = new OthersPresence(http, () => isMet);
  others.watch(LENA);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(asked).toEqual([]);
  isMet = true;
  others.heard(LENA);
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toHaveLength(1);
});

test("whom the sync tells of is not asked about; who is gone, and since when is not known, is not shown", async () => {
  const { http, asked } = server({ body: { presence: "offline" } });
  const others = new OthersPresence(http);
  others.take([
    { type: "m.presence", sender: LENA, content: { presence: "unavailable", last_active_ago: 60_000 } },
    { type: "m.presence", sender: "@odd:a", content: { presence: "busy" } },
    { type: "m.presence", content: { presence: "online" } },
  ]);
  for (const userId of [LENA, "@tomasz:a"]) others.watch(userId);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(asked.map(({ path }) => path)).toEqual(["/_matrix/client/v3/presence/%40tomasz%3Aa/status"]);
  expect(others.of(LENA)).toMatchObject({ state: "unavailable", lastActive: 940_000 });
  expect([others.of("@tomasz:a"), others.of("@odd:a")]).toEqual([undefined, undefined]);
});

test("a server that does not know of presence is asked once", async () => {
  const { http, asked } = server({ status: 404, body: { errcode: "M_UNRECOGNIZED", error: "?" } });
  const others = new OthersPresence(http);
  for (const userId of [LENA, "@tomasz:a"]) others.watch(userId);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(asked).toHaveLength(1);
});

/** This person, at a server; `here` may change. */
function own(answers: { status?: number; body: object } = { body: {} }) {
  const { http, asked } = server(answers);
  const here: Here = { isSent: true, status: "" };
  const told = () => asked.splice(0).map(({ body }) => body);
  return { presence: new OwnPresence(http, LENA, () => here), here, told };
}

test("a person is told to be there while the sync goes on, and away when they do nothing", async () => {
  const { presence, here, told } = own();
  // What they want is known from the first answer on.
  presence.active();
  expect([presence.state, told()]).toEqual(["offline", []]);
  await presence.beat();
  await presence.beat();
  here.status = "In the garden";
  await presence.beat();
  expect(told()).toEqual([{ presence: "online" }, { presence: "online", status_msg: "In the garden" }]);
  vi.advanceTimersByTime(25_000);
  await presence.beat();
  expect(told()).toHaveLength(1);
  vi.advanceTimersByTime(300_000);
  await presence.beat();
  expect(presence.state).toBe("unavailable");
  expect(told()).toMatchObject([{ presence: "unavailable" }]);
  presence.active();
  expect(told()).toMatchObject([{ presence: "online" }]);
});

test("who does not want it told is told to be gone, once and whenever they say something", async () => {
  const { presence, here, told } = own();
  await presence.beat();
  here.status = "In the garden";
  here.isSent = false;
  await presence.beat();
  vi.advanceTimersByTime(60_000);
  presence.active();
  await presence.beat();
  expect(told()).toEqual([{ presence: "online" }, { presence: "offline" }]);
  await presence.spoke();
  expect(told()).toEqual([{ presence: "offline" }]);
  expect(presence.state).toBe("offline");
});

test("a server that tells nobody is told nothing any more", async () => {
  const { presence, told } = own({ status: 403, body: { errcode: "M_FORBIDDEN", error: "switched off" } });
  const off = vi.fn();
  presence.isOffChanged.subscribe(off);
  await presence.beat();
  vi.advanceTimersByTime(60_000);
  await presence.beat();
  expect([told().length, off.mock.calls.length, presence.isOff]).toEqual([1, 1, true]);
});

test("what a server does not take of a person hides nobody, and is told again", async () => {
  const answers = { status: 400, body: { errcode: "M_INVALID_PARAM", error: "too long" } as object };
  const { presence, told } = own(answers);
  for (const [status, errcode] of [[400, "M_INVALID_PARAM"], [429, "M_LIMIT_EXCEEDED"], [404, "M_UNKNOWN"], [401, "M_UNKNOWN_TOKEN"]] as const) {
    Object.assign(answers, { status, body: { errcode } });
    await presence.beat();
    vi.advanceTimersByTime(60_000);
  }
  expect([told().length, presence.isOff, presence.state]).toEqual([4, false, "online"]);
  Object.assign(answers, { status: 404, body: { errcode: "M_UNRECOGNIZED" } });
  await presence.beat();
  expect(presence.isOff).toBe(true);
});
