// Messages of groups have a number within their sender's chain, which their sender signed: a number that is missing is a
// message that did not arrive. See "Groups" in docs/protocol.md for the bytes.

import { fromBase64 } from "../base64";
import type { RoomEvent } from "../event";
import { text } from "../json";
import type { Room } from "./room";

export interface PlaceInChain {
  chain: string;
  iteration: number;
}

const ALGORITHM = "org.sealpost.sender_key.v1";
/** Base64 of more than all that comes before the end of the header. */
const HEAD = 80;
const ID = 16;
/** A chain is spent after so many. */
const LONGEST = 100;
const read = new WeakMap<RoomEvent, PlaceInChain | null>();

/** `undefined`: it has none, or can't be read. */
export function placeInChain(event: RoomEvent): PlaceInChain | undefined {
  let place = read.get(event);
  if (place === undefined) read.set(event, (place = parsed(event)));
  return place ?? undefined;
}

function parsed({ type, content }: RoomEvent): PlaceInChain | null {
  const ciphertext = text(content["ciphertext"]);
  if (type !== "m.room.encrypted" || content["algorithm"] !== ALGORITHM || !ciphertext) return null;
  try {
    const bytes = fromBase64(ciphertext.slice(0, HEAD));
    // 0x01 ‖ [header: bytes …, with a length of one byte; in it [chain id: bytes 16, iteration, …
    const isMessage = bytes[0] === 1 && bytes[1] === 0x83 && bytes[2] === 0x58 && bytes[4] === 0x83 && bytes[5] === 0x50;
    if (!isMessage) return null;
    const chain = String.fromCharCode(...bytes.subarray(6, 6 + ID));
    const iteration = unsigned(bytes, 6 + ID);
    return iteration === undefined ? null : { chain, iteration };
  } catch {
    return null;
  }
}

function unsigned(bytes: Uint8Array, at: number): number | undefined {
  const first = bytes[at] ?? 0xff;
  if (first < 24) return first;
  const length = [1, 2, 4][first - 24];
  if (length === undefined || at + 1 + length > bytes.length) return undefined;
  return bytes.subarray(at + 1, at + 1 + length).reduce((number, byte) => number * 256 + byte, 0);
}

/** By event: how many messages of its sender are missing before it, where nothing else of the timeline is. */
export function lostBefore(room: Room): Map<string, number> {
  const lost = new Map<string, number>();
  const { entries } = room.timeline;
  const arrived = new Map<string, Set<number>>();
  for (const entry of entries) {
    const place = entry.kind === "event" ? placeInChain(entry.event) : undefined;
    if (!place) continue;
    const numbers = arrived.get(place.chain) ?? new Set();
    arrived.set(place.chain, numbers.add(place.iteration));
  }
  if (arrived.size === 0) return lost;
  const last = new Map<string, number>();
  // Of what was removed the number is gone with the rest.
  const removed = new Map<string, number>();
  for (const entry of entries) {
    if (entry.kind === "gap") {
      last.clear();
      removed.clear();
      continue;
    }
    const { event } = entry;
    const place = placeInChain(event);
    if (!place) {
      const isRemoved = event.unsigned?.["redacted_because"] !== undefined;
      if (isRemoved) removed.set(event.sender, (removed.get(event.sender) ?? 0) + 1);
      continue;
    }
    // What was not opened is not proven to be of this chain.
    if (room.opened.get(event.event_id)?.status !== "read") continue;
    const { chain, iteration } = place;
    const before = last.get(chain);
    last.set(chain, Math.max(before ?? 0, iteration));
    if (before === undefined || iteration <= before) continue;
    let missing = -(removed.get(event.sender) ?? 0);
    removed.delete(event.sender);
    const from = Math.max(before + 1, iteration - LONGEST);
    for (let number = from; number < iteration; number += 1) {
      if (!arrived.get(chain)?.has(number)) missing += 1;
    }
    if (missing > 0) lost.set(event.event_id, missing);
  }
  return lost;
}
