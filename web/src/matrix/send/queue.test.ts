import { expect, test } from "vitest";

import { MatrixError, Unreachable } from "../api/error";
import { Held, SendQueue, type Pending, type QueueStore } from "./queue";

class MemoryStore implements QueueStore {
  readonly kept = new Map<string, Pending>();

  async queued<T>(): Promise<T[]> {
    return [...this.kept.values()] as T[];
  }
  async enqueue(id: string, value: Pending): Promise<void> {
    this.kept.set(id, value);
  }
  async isQueued(id: string): Promise<boolean> {
    return this.kept.has(id);
  }
  async dequeue(id: string): Promise<void> {
    this.kept.delete(id);
  }
}

const text = (body: string) => ({ msgtype: "m.text", body });

/** Waits until every message of the room is in one of these states. */
async function until(queue: SendQueue, ...states: string[]): Promise<void> {
  const is = () => queue.of("!a").every(({ progress }) => states.includes(progress.state));
  while (!is()) await new Promise<void>((resolve) => queue.changed.subscribe(() => resolve()));
}

test("messages of a room go out in their order, also when the connection fails between", async () => {
  const store = new MemoryStore();
  const sent: string[] = [];
  let failures = 2;
  const queue = new SendQueue(store, async ({ content }) => {
    if (sent.length === 1 && failures-- > 0) throw new Unreachable(undefined);
    sent.push(content["body"] as string);
    return `$${sent.length}`;
  }, async () => {});
  await Promise.all(["one", "two", "three"].map((body) => queue.add("!a", "m.room.message", text(body))));
  await until(queue, "sent");
  expect(sent).toEqual(["one", "two", "three"]);
  expect(store.kept.size).toBe(0);
  queue.arrived(undefined, "$2");
  expect(queue.of("!a").map(({ content }) => content["body"])).toEqual(["one", "three"]);
});

test("a message that must wait holds back those after it, until it may go", async () => {
  let isLooked = false;
  const sent: string[] = [];
  const queue = new SendQueue(new MemoryStore(), async ({ content }) => {
    if (!isLooked) throw new Held("identity");
    sent.push(content["body"] as string);
    return "$e";
  });
  await queue.add("!a", "m.room.message", text("one"));
  await until(queue, "held");
  await queue.add("!a", "m.room.message", text("two"));
  expect(queue.of("!a").map(({ progress }) => progress.state)).toEqual(["held", "queued"]);
  expect(sent).toEqual([]);
  isLooked = true;
  queue.resume();
  await until(queue, "sent");
  expect(sent).toEqual(["one", "two"]);
});

test("what can't be kept is not shown as on its way, and whoever wrote it hears of it", async () => {
  const store = new MemoryStore();
  const queue = new SendQueue(store, async () => "$e");
  store.enqueue = () => Promise.reject(new Error("the disk is full"));
  await expect(queue.add("!a", "m.room.message", text("one"))).rejects.toThrow("the disk is full");
  expect(queue.all).toEqual([]);
});

test("what the server refuses can be sent again or given up", async () => {
  const store = new MemoryStore();
  let refuses = true;
  const queue = new SendQueue(store, async () => {
    if (refuses) throw new MatrixError(403, { errcode: "M_FORBIDDEN", error: "not here" });
    return "$e";
  });
  const one = await queue.add("!a", "m.room.message", text("one"));
  await until(queue, "failed");
  expect(queue.of("!a")[0]?.progress).toMatchObject({ state: "failed", error: { errcode: "M_FORBIDDEN", message: "not here" } });
  refuses = false;
  queue.retry(one);
  await until(queue, "sent");
  refuses = true;
  const two = await queue.add("!a", "m.room.message", text("two"));
  await until(queue, "sent", "failed");
  await queue.cancel(two);
  expect(store.kept.size).toBe(0);
});

test("an edit that is refused holds nothing back, and is there to be tried again or given up", async () => {
  const store = new MemoryStore();
  let refuses = true;
  const deliver = async ({ type }: Pending) => {
    if (type === "m.reaction") throw new MatrixError(400, { errcode: "M_DUPLICATE_ANNOTATION", error: "twice" });
    if (type === "edit" && refuses) throw new MatrixError(403, { errcode: "M_FORBIDDEN", error: "not here" });
    return "$e";
  };
  const queue = new SendQueue(store, deliver, undefined, undefined, ({ type }) => type === "m.room.message");
  const givenUp: string[] = [];
  queue.givenUp.subscribe(({ txnId }) => givenUp.push(txnId));
  const edit = await queue.add("!a", "edit", {});
  // That it is there already is what was wanted.
  const reaction = await queue.add("!a", "m.reaction", {});
  await queue.add("!a", "m.room.message", text("one"));
  await until(queue, "sent", "failed");
  expect(givenUp).toEqual([reaction]);
  expect(queue.of("!a").map(({ progress }) => progress)).toMatchObject([{ state: "failed", error: { message: "not here" } }, { state: "sent" }]);
  expect([...store.kept.keys()]).toEqual([edit]);
  refuses = false;
  queue.retry(edit);
  await until(queue, "sent");
  expect(store.kept.size).toBe(0);
});

test("what was not sent in the last visit is sent in this one, under the same transaction id", async () => {
  const store = new MemoryStore();
  const before = new SendQueue(store, () => new Promise(() => {}));
  const txnId = await before.add("!a", "m.room.message", text("one"));
  const sent: string[] = [];
  const queue = new SendQueue(store, async (pending) => {
    sent.push(pending.txnId);
    return "$e";
  });
  await queue.restore();
  await until(queue, "sent");
  expect(sent).toEqual([txnId]);
});

/** Two tabs over one store: the second follows the first. */
function twoTabs(deliver: (pending: Pending) => Promise<string>) {
  const store = new MemoryStore();
  const owner = new SendQueue(store, deliver);
  const guest = new SendQueue(store, deliver);
  owner.changed.subscribe((roomId) => guest.hear(roomId, structuredClone(owner.of(roomId))));
  const sender = {
    take: (pending: Pending) => owner.take(structuredClone(pending)),
    retry: async (txnId: string) => owner.retry(txnId),
    cancel: (txnId: string) => owner.cancel(txnId),
    resume: async () => owner.resume(),
  };
  guest.follow(sender, owner.all);
  return { store, owner, guest, sender };
}

test("what two tabs write at once goes out once each, in the order of each tab", async () => {
  const sent: string[] = [];
  const { store, owner, guest } = twoTabs(async ({ content }) => {
    sent.push(content["body"] as string);
    return `$${sent.length}`;
  });
  const numbers = Array.from({ length: 10 }, (_, at) => at);
  await Promise.all(numbers.flatMap((at) => [
    owner.add("!a", "m.room.message", text(`o${at}`)),
    guest.add("!a", "m.room.message", text(`g${at}`)),
  ]));
  while (sent.length < 20 || store.kept.size > 0) await new Promise((resolve) => setTimeout(resolve));
  for (const tab of ["o", "g"]) {
    expect(sent.filter((body) => body.startsWith(tab))).toEqual(numbers.map((at) => `${tab}${at}`));
  }
  expect(guest.of("!a").every(({ progress }) => progress.state === "sent")).toBe(true);
});

test("a tab that takes over sends what the other one left, and nothing twice", async () => {
  let isGone = false;
  const sent: string[] = [];
  const { store, owner, guest, sender } = twoTabs(async ({ content, txnId }) => {
    const body = content["body"] as string;
    if (body === "two" && !isGone) return new Promise(() => {});
    sent.push(body);
    return txnId;
  });
  await owner.add("!a", "m.room.message", text("one"));
  await until(owner, "sent");
  await guest.add("!a", "m.room.message", text("two"));
  await until(owner, "sent", "sending");
  sender.take = () => new Promise(() => {});
  await guest.add("!a", "m.room.message", text("three"));
  isGone = true;
  owner.stop();
  await guest.restore();
  await until(guest, "sent");
  expect(sent).toEqual(["one", "two", "three"]);
  expect(store.kept.size).toBe(0);
});

test("of what the server does not take it is told that it is tried again, and it can be given up", async () => {
  let paused = () => {};
  const pauses = new Promise<void>((resolve) => (paused = resolve));
  const queue = new SendQueue(new MemoryStore(), () => Promise.reject(new MatrixError(502, {})), (_, signal) => {
    paused();
    return new Promise((_, reject) => signal?.addEventListener("abort", reject));
  });
  const txnId = await queue.add("!a", "m.room.message", text("one"));
  await pauses;
  expect(queue.of("!a")[0]?.progress).toEqual({ state: "queued", failures: 1 });
  expect(await queue.cancel(txnId)).toMatchObject({ txnId });
  expect(queue.of("!a")).toEqual([]);
  queue.stop();
});
