import { expect, test } from "vitest";

import { toBase64 } from "../base64";
import type { RoomEvent } from "../event";
import { lostBefore, placeInChain } from "./chains";
import { items } from "./messages";
import type { Opened } from "./opened";
import { Room } from "./room";

const lena = "@lena:a";
const READ = { status: "read", type: "m.room.message", content: { body: "x" } } as unknown as Opened;

function sealed(iteration: number, chain = 7, sender = lena): RoomEvent {
  const number = iteration < 24 ? [iteration] : [0x18, iteration];
  const header = [0x83, 0x50, ...Array<number>(16).fill(chain), ...number, 0x50, ...Array<number>(16).fill(9)];
  const bytes = Uint8Array.from([1, 0x83, 0x58, header.length, ...header, 0x58, 128, ...Array<number>(128).fill(0)]);
  const content = { algorithm: "org.sealpost.sender_key.v1", ciphertext: toBase64(bytes) };
  return { event_id: `$${chain}-${iteration}`, type: "m.room.encrypted", sender, origin_server_ts: iteration, content };
}

function room(...timeline: RoomEvent[]): Room {
  const room = new Room("!a");
  room.pinSealed();
  for (const event of timeline) room.opened.set(event.event_id, READ);
  room.update({ timeline });
  return room;
}

test("the number of a message in its sender's chain is read from its header", () => {
  expect(placeInChain(sealed(3))?.iteration).toBe(3);
  expect(placeInChain(sealed(99))?.iteration).toBe(99);
  const { content, ...rest } = sealed(1);
  for (const ciphertext of ["", "!!", "AYNY", toBase64(new Uint8Array(60))]) {
    expect(placeInChain({ ...rest, content: { ...content, ciphertext } })).toBeUndefined();
  }
});

test("messages that a server held back are counted; such that came late, were removed or stand in a gap are not", () => {
  const lost = (one: Room) => [...lostBefore(one)];
  expect(lost(room(sealed(1), sealed(4), sealed(5)))).toEqual([["$7-4", 2]]);
  expect(lost(room(sealed(1), sealed(3), sealed(2), sealed(4)))).toEqual([]);
  expect(lost(room(sealed(1), sealed(9, 8), sealed(2)))).toEqual([]);
  const removed = { ...sealed(2), content: {}, unsigned: { redacted_because: {} } };
  expect(lost(room(sealed(1), removed, sealed(3)))).toEqual([]);
  const apart = room(sealed(1));
  apart.opened.set("$7-4", READ);
  apart.update({ isInitial: true, isLimited: true, timeline: [sealed(4)], before: "t" });
  expect(lost(apart)).toEqual([]);
  const forged = room(sealed(1), sealed(30));
  forged.opened.set("$7-30", { status: "refused" });
  expect(lost(forged)).toEqual([]);
});

test("what is missing before something that is not shown is told at the next message of its sender", () => {
  const one = room(sealed(1), sealed(3), sealed(4));
  one.opened.set("$7-3", {
    ...READ, type: "m.reaction", content: { "m.relates_to": { rel_type: "m.annotation", event_id: "$7-1", key: "x" } },
  } as unknown as Opened);
  expect(items(one, "@me:a").map((item) => (item.kind === "message" ? item.lost : -1))).toEqual([0, 1]);
});
