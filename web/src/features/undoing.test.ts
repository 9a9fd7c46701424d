import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Item, Message } from "../matrix/room/messages";
import { Troubles } from "./troubles.svelte";
import { Undoing } from "./undoing.svelte";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function made() {
  const troubles = new Troubles();
  const undoing = new Undoing(troubles);
  const done: string[] = [];
  const remove = (id: string, act = async (isClosing: boolean) => void done.push(isClosing ? `${id} closing` : id)) =>
    undoing.do({ words: () => id, hides: [id], act, failed: (why) => `not done: ${why}` });
  return { troubles, undoing, done, remove };
}

test("what was done is done when some seconds are over, and not if it was taken back", async () => {
  const { undoing, done, remove } = made();
  remove("$1");
  remove("$2");
  const message = { kind: "message", id: "$1", isRedacted: false, content: { body: "x" } } as unknown as Item;
  expect(undoing.shown([message])).toMatchObject([{ isRedacted: true, content: {} }]);
  await vi.advanceTimersByTimeAsync(6000);
  expect([done, undoing.undo()]).toEqual([[], true]);
  expect(["$1", "$2"].map((id) => undoing.isHidden(id))).toEqual([true, false]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(done).toEqual(["$1"]);
  expect(undoing.all).toEqual([]);
  // Until the server's news has come.
  expect(undoing.isHidden("$1")).toBe(true);
  await vi.advanceTimersByTimeAsync(5000);
  expect([undoing.isHidden("$1"), undoing.undo()]).toEqual([false, false]);
});

test("time stands still while somebody looks, and is over when the page goes", async () => {
  const { undoing, done, remove } = made();
  remove("$1");
  undoing.hold(undoing.all[0]?.id ?? "");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(done).toEqual([]);
  undoing.flush();
  expect(done).toEqual(["$1 closing"]);
});

test("who logs out waits until it is done, whether that worked or not", async () => {
  const { troubles, undoing, done, remove } = made();
  vi.spyOn(console, "error").mockImplementation(() => {});
  let answer = () => {};
  remove("$1", async () => {
    await new Promise<void>((resolve) => (answer = resolve));
    done.push("$1");
  });
  remove("$2", () => Promise.reject(new Error("refused")));
  const flushed = undoing.flush().then(() => done.push("flushed"));
  await vi.advanceTimersByTimeAsync(0);
  expect(done).toEqual([]);
  answer();
  await flushed;
  expect([done, troubles.all.length]).toEqual([["$1", "flushed"], 1]);
});

test("the last words of a thread are hidden where they are told beside its beginning", () => {
  const { undoing, remove } = made();
  remove("$2");
  const last = { kind: "message", id: "$2", isRedacted: false, content: { body: "x" } } as unknown as Message;
  const root = { ...last, id: "$1", thread: { count: 1, last } };
  expect(undoing.shown([root])).toMatchObject([{ content: { body: "x" }, thread: { last: { content: {}, isRedacted: true } } }]);
});

test("what could not be done is as it was, and that is said", async () => {
  const { troubles, undoing, done, remove } = made();
  vi.spyOn(console, "error").mockImplementation(() => {});
  let isRefused = true;
  remove("$1", async () => {
    if (isRefused) throw new Error("refused");
    done.push("$1");
  });
  await vi.advanceTimersByTimeAsync(7000);
  expect(undoing.isHidden("$1")).toBe(false);
  expect(troubles.all).toHaveLength(1);
  isRefused = false;
  troubles.all[0]?.again();
  await vi.advanceTimersByTimeAsync(0);
  expect([done, troubles.all]).toEqual([["$1"], []]);
});
