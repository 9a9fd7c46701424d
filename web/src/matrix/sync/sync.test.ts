import { expect, test } from "vitest";

import { Unreachable } from "../api/error";
import { Http } from "../api/http";
import { SyncEngine } from "./engine";
import { SlidingSync } from "./sliding";
import type { SyncUpdate } from "./update";
import { V3Sync } from "./v3";

const me = "@me:a";
const signal = new AbortController().signal;

function answering(...answers: (object | Error)[]) {
  const asked: { url: URL; body: Record<string, never> }[] = [];
  const fetch = async (url: string, init?: RequestInit) => {
    asked.push({ url: new URL(url), body: init?.body ? JSON.parse(init.body as string) : {} });
    const answer = answers.shift();
    if (!answer || answer instanceof Error) throw answer ?? new Error("no more answers");
    const status = "errcode" in answer ? 400 : 200;
    return new Response(JSON.stringify(answer), { status });
  };
  return { asked, http: new Http("https://a", fetch) };
}

const message = (id: string) => ({
  event_id: id, type: "m.room.message", sender: "@lena:a", origin_server_ts: 5, content: { body: id },
});

test("what sliding sync brought is acknowledged only when it is kept", async () => {
  const answer = {
    pos: "p1",
    lists: { all: { count: 500 } },
    rooms: {
      "!a": { initial: true, timeline: [message("$1")], prev_batch: "t", notification_count: 2 },
      "!b": { initial: true, invite_state: [
        { type: "m.room.member", sender: "@lena:a", state_key: me, content: { membership: "invite" } },
      ] },
    },
    extensions: {
      to_device: { next_batch: "7", events: [{ type: "x" }] },
      typing: { rooms: { "!a": { type: "m.typing", content: { user_ids: ["@lena:a"] } } } },
    },
  };
  const { asked, http } = answering(answer, answer, { pos: "p2", rooms: {} });
  const kept: string[] = [];
  const sync = new SlidingSync(http, me, "3", (since) => void kept.push(since));
  const update = await sync.next(signal);
  expect(update.rooms.get("!a")).toMatchObject({
    membership: "join", isInitial: true, before: "t", notifications: 2, typing: ["@lena:a"],
  });
  expect(update.rooms.get("!b")?.membership).toBe("invite");
  await sync.next(signal);
  expect(asked[1]?.url.searchParams.get("pos")).toBeNull();
  expect(kept).toEqual([]);
  sync.done(true);
  await sync.next(signal);
  expect(asked[2]?.url.searchParams.get("pos")).toBe("p1");
  expect(asked[2]?.body).toMatchObject({
    lists: { all: { ranges: [[0, 219]] } },
    extensions: { to_device: { since: "7" } },
  });
  expect(kept).toEqual(["7"]);
});

test("when the last room was told, that is said once", async () => {
  const room = (id: string) => ({ [id]: { initial: true, timeline: [message(`$${id}`)] } });
  const lists = { all: { count: 2 } };
  const { http } = answering(
    { pos: "p1", lists, rooms: room("!a") }, { pos: "p2", lists, rooms: room("!b") }, { pos: "p3", lists, rooms: room("!a") },
    { errcode: "M_UNKNOWN_POS" }, { pos: "q1", lists: { all: { count: 1 } }, rooms: room("!b") },
  );
  const sync = new SlidingSync(http, me);
  const told = [];
  for (let at = 0; at < 4; at += 1) {
    const { all, isFirst } = await sync.next(signal);
    told.push([all && [...all], isFirst]);
    sync.done(true);
  }
  expect(told).toEqual([[undefined, true], [["!a", "!b"], false], [undefined, false], [["!b"], true]]);
});

test("a connection that the server forgot begins anew", async () => {
  const { asked, http } = answering({ pos: "p1" }, { errcode: "M_UNKNOWN_POS" }, { pos: "q1" });
  const sync = new SlidingSync(http, me);
  await sync.next(signal);
  sync.done(true);
  await sync.next(signal);
  expect(asked.map(({ url }) => url.searchParams.get("pos"))).toEqual([null, "p1", null]);
});

test("v3 sync brings the same kinds of news", async () => {
  const { asked, http } = answering(
    {
      next_batch: "s1",
      rooms: {
        join: {
          "!a": {
            timeline: { events: [message("$1")], limited: true, prev_batch: "t" },
            summary: { "m.heroes": ["@lena:a"], "m.joined_member_count": 2 },
            ephemeral: { events: [{ type: "m.receipt", content: { $1: {} } }] },
          },
        },
        invite: { "!b": { invite_state: { events: [] } } },
      },
      device_one_time_keys_count: { x: 3 },
    },
    { next_batch: "s2" },
  );
  const sync = new V3Sync(http);
  const update = await sync.next(signal);
  expect(update.rooms.get("!a")).toMatchObject({
    membership: "join", isLimited: true, before: "t", joined: 2, receipts: { $1: {} },
  });
  expect(update.rooms.get("!b")?.membership).toBe("invite");
  expect(update.e2ee).toEqual({ device_one_time_keys_count: { x: 3 } });
  sync.done(true);
  await sync.next(signal);
  expect(asked[1]?.url.searchParams.get("since")).toBe("s1");
});

test("after failures the engine waits longer each time, and is live again by itself", async () => {
  const slept: number[] = [];
  const states: string[] = [];
  let asked = 0;
  const source = {
    async next(): Promise<SyncUpdate> {
      asked += 1;
      if (asked <= 3) throw new Unreachable("down");
      return { isFirst: false, rooms: new Map(), accountData: [], toDevice: [], e2ee: {} };
    },
    done: () => true,
    look: () => {},
    be: () => {},
  };
  const engine = new SyncEngine(source, async () => true, async (ms) => void slept.push(ms));
  engine.changed.subscribe(() => {
    states.push(engine.state);
    if (engine.state === "live") engine.stop();
  });
  await engine.run();
  expect(slept).toEqual([1000, 2000, 4000]);
  expect(states).toEqual(["offline", "live", "stopped"]);
});
