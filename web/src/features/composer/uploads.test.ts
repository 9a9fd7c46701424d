import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { MatrixError, Unreachable } from "../../matrix/api/error";
import type { Client } from "../../matrix/client";
import { Room } from "../../matrix/room/room";
import type { Outgoing } from "../../matrix/store/files";
import { Topic } from "../../matrix/topic";
import { Uploads } from "./uploads.svelte";

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(console, "error").mockImplementation(() => {});
});
afterEach(() => void vi.useRealTimers());

/** One file on its way, and those that were `left` by a tab that is gone; `upload` answers for the server. */
function made(upload: () => Promise<string>, left: Outgoing[][] = []) {
  const syncChanged = new Topic();
  const add = vi.fn(async () => "t");
  const sent = vi.fn(upload);
  const api = { upload: sent, uploadLimit: async () => undefined };
  const outgoing = { keep: async () => undefined, left: async () => left, end: async () => {}, drop: async () => {}, release: () => {}, open: async () => new Blob(["words"]) };
  const queue = { add, circumstances: () => ({ isSealed: false, shown: ["@lena:a"] }) };
  const client = { syncChanged, syncState: "live", isSealed: async () => false, api, queue, outgoing, rooms: new Map() };
  const uploads = new Uploads(client as unknown as Client);
  const stop = uploads.follow();
  void uploads.add(new Room("!a"), [{ file: new File(["words"], "words.ogg", { type: "audio/ogg" }), said: {} }]);
  return { uploads, sent, add, syncChanged, stop };
}

const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1000);

test("a file that is cut off goes on by itself while the sync stays, later and later", async () => {
  let answer: () => Promise<string> = () => Promise.reject(new Unreachable(undefined));
  const { uploads, sent, add } = made(() => answer());
  await seconds(0);
  expect(uploads.of("!a")[0]).toMatchObject({ waits: true });
  await seconds(30);
  expect(sent).toHaveBeenCalledTimes(5);
  answer = () => Promise.reject(new MatrixError(502, {}));
  await seconds(60);
  expect(sent).toHaveBeenCalledTimes(6);
  answer = async () => "mxc://a/b";
  await seconds(60);
  expect([sent.mock.calls.length, add.mock.calls.length, uploads.all]).toEqual([7, 1, []]);
});

test("it goes on at once when the connection is back, and not twice", async () => {
  let answer: () => Promise<string> = () => Promise.reject(new Unreachable(undefined));
  const { sent, add, syncChanged } = made(() => answer());
  await seconds(0);
  answer = async () => "mxc://a/b";
  syncChanged.emit();
  await seconds(600);
  expect([sent.mock.calls.length, add.mock.calls.length]).toEqual([2, 1]);
});

test("what the server refuses waits for somebody, and what is given up, or left behind, is not tried again", async () => {
  const refused = made(() => Promise.reject(new MatrixError(403, { errcode: "M_FORBIDDEN" })));
  const [cancelled, left] = [0, 1].map(() => made(() => Promise.reject(new Unreachable(undefined))));
  const early = made(() => Promise.reject(new Unreachable(undefined)));
  early.stop();
  await seconds(0);
  const [upload] = cancelled?.uploads.all ?? [];
  if (upload) cancelled?.uploads.cancel(upload);
  left?.stop();
  await seconds(600);
  expect([refused, cancelled, left, early].map((one) => one?.sent.mock.calls.length)).toEqual([1, 1, 1, 0]);
});

test("what a tab left that is gone is sent, as it was written, to those who were shown then", async () => {
  const circumstances = { isSealed: false, shown: ["@tom:a"] };
  const file = { upload: "u", roomId: "!b", type: "audio/ogg", size: 5, said: { body: "look" }, circumstances };
  const left = [{ ...file, at: 1, name: "one.ogg" }, { ...file, at: 3, name: "two.ogg" }];
  const { uploads, add } = made(async () => "mxc://a/b", [left]);
  await seconds(0);
  expect(uploads.all).toEqual([]);
  const said = (filename: string) => expect.objectContaining({ filename, body: "look" });
  expect(add.mock.calls).toContainEqual(["!b", "m.room.message", said("one.ogg"), circumstances, "u 1"]);
  expect(add.mock.calls).toContainEqual(["!b", "m.room.message", said("two.ogg"), circumstances, "u 3"]);
});

test("of a file without a byte all has gone", async () => {
  const { uploads, add, sent } = made(async () => "mxc://a/b");
  await seconds(0);
  const parts: number[] = [];
  sent.mockImplementation(async (...[, options]: unknown[]) => {
    (options as { onsent: (bytes: number) => void }).onsent(0);
    parts.push(uploads.all[0]?.part ?? NaN);
    return "mxc://a/c";
  });
  await uploads.add(new Room("!a"), [{ file: new File([], "empty.ogg", { type: "audio/ogg" }), said: {} }]);
  expect([parts, add.mock.calls.length]).toEqual([[1], 2]);
});
