import "fake-indexeddb/auto";

import { openDB } from "idb";
import { afterEach, expect, test, vi } from "vitest";

import { DataStore } from "./data";
import { MOST_BYTES, TooMuch, type Outgoing } from "./files";
import { unlock } from "./lock";
import { SessionStore } from "./sessions";

afterEach(() => vi.restoreAllMocks());

const { signal } = new AbortController();
const PIECE = 1024 * 1024;
/** Longer than two pieces, and told from others wherever a part of it stands. */
const inside = new Uint8Array(2 * PIECE + 5).map((_, at) => (at * 7) % 251);
const blob = new Blob([inside]);

function file(upload: string, at: number, roomId = "!a"): Outgoing {
  return { upload, at, roomId, name: "plan-of-the-garden.pdf", type: "application/pdf", size: blob.size, said: { body: "words" }, circumstances: {} };
}

async function store(user: string): Promise<DataStore> {
  const { data } = await unlock(await new SessionStore().lock(user));
  return DataStore.open(user, data);
}

async function raw(user: string): Promise<Buffer> {
  const database = await openDB(`sealpost data ${user}`);
  const all = (await Promise.all(["files", "pieces"].map((name) => database.getAll(name)))).flat() as Uint8Array[];
  database.close();
  return Buffer.concat(all);
}

test("a file is there as it was after the page was opened anew, and stands nowhere in clear", async () => {
  const first = await store("@keeps:a");
  for (const one of [file("u", 10), file("u", 2), file("v", 0)]) await first.files.keep(one, blob, signal);
  first.close();
  const { files } = await store("@keeps:a");
  expect(await files.uploads()).toEqual(["u", "v"]);
  const [two, ten] = await files.of("u");
  expect([two, ten]).toMatchObject([file("u", 2), file("u", 10)]);
  if (ten) expect(Buffer.from(await (await files.open(ten)).arrayBuffer()).equals(inside)).toBe(true);
  const kept = await raw("@keeps:a");
  expect(kept.length).toBeGreaterThan(3 * blob.size);
  for (const part of ["plan-of-the-garden", "words", Buffer.from(inside.subarray(0, 40))]) expect(kept.includes(part)).toBe(false);
  await files.dropUpload("u", true);
  await files.drop(file("v", 0));
  expect((await raw("@keeps:a")).length).toBe(0);
});

test("in the moment in which its message is queued a file is kept no longer", async () => {
  const data = await store("@queues:a");
  for (const at of [0, 1]) await data.files.keep(file("u", at), blob, signal);
  await data.enqueue("t", { body: "words" }, "u 0");
  expect([await data.isQueued("t"), (await data.files.of("u")).map(({ at }) => at)]).toEqual([true, [1]]);
  // Both, or neither.
  const { delete: deleted } = IDBObjectStore.prototype;
  vi.spyOn(IDBObjectStore.prototype, "delete").mockImplementationOnce(function (this: IDBObjectStore, key) {
    const request = deleted.call(this, key);
    queueMicrotask(() => this.transaction.abort());
    return request;
  });
  await expect(data.enqueue("s", {}, "u 1")).rejects.toThrow();
  expect([await data.isQueued("s"), (await data.files.of("u")).length]).toEqual([false, 1]);
});

test("of what is too much, given up, or finds a disk that is full, nothing is kept", async () => {
  const { files } = await store("@full:a");
  await files.keep(file("u", 0), blob, signal);
  const large = { size: MOST_BYTES - blob.size + 1 } as Blob;
  await expect(files.keep(file("v", 0), large, signal)).rejects.toThrow(TooMuch);
  await expect(files.keep(file("v", 1), blob, AbortSignal.abort())).rejects.toThrow();
  let count = 0;
  const { put } = IDBObjectStore.prototype;
  vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(function (this: IDBObjectStore, ...args) {
    if ((count += 1) === 3) throw new DOMException("full", "QuotaExceededError");
    return put.apply(this, args);
  });
  await expect(files.keep(file("v", 2), blob, signal)).rejects.toThrow("full");
  expect(await files.uploads()).toEqual(["u"]);
});

test("pieces that a crash left are taken away, and of a forgotten room nothing stays", async () => {
  const data = await store("@rest:a");
  await data.files.keep(file("u", 0), blob, signal);
  await data.files.keep(file("w", 0, "!b"), blob, signal);
  const database = await openDB("sealpost data @rest:a");
  await database.put("pieces", inside, ["u 1", 0]);
  await database.put("pieces", inside, ["v 0", 0]);
  expect(await data.files.uploads()).toEqual(["u", "w", "v"]);
  for (const upload of ["u", "v"]) await data.files.dropUpload(upload, false);
  await data.files.forget("!b");
  expect(await database.getAllKeys("pieces")).toEqual([0, 1, 2].map((at) => ["u 0", at]));
  database.close();
});

test("a store of an earlier version is given a place for files, and loses nothing", async () => {
  const user = "@earlier:a";
  const database = await openDB(`sealpost data ${user}`, 1, {
    upgrade: (made) => ["rooms", "accountData", "meta", "queue"].forEach((name) => made.createObjectStore(name)),
  });
  await database.put("meta", "s1", "since");
  database.close();
  const data = await store(user);
  expect(await data.meta("since")).toBe("s1");
  await data.files.keep(file("u", 0), blob, signal);
  data.close();
  expect(await (await store(user)).files.uploads()).toEqual(["u"]);
});
