// Messages that a room holds up: named in its state, which servers can read; what they say is where they are.

import { sendState } from "../api/rooms";
import type { Client } from "../client";
import { strings } from "../json";
import { mayState } from "./power";
import type { Room } from "./room";

const TYPE = "m.room.pinned_events";
const MOST = 100;

/** The oldest first. */
export function pinned(room: Room): string[] {
  return [...new Set(strings(room.state(TYPE)?.content["pinned"]))].slice(-MOST);
}

export function mayPin(room: Room, userId: string): boolean {
  return mayState(room, userId, TYPE);
}

/** What is to be written next, all in one: two changes at once would undo each other. */
interface Turn {
  wanted: Map<string, boolean>;
  done: Promise<void>;
}

/** What was written last, until the sync shows it. */
interface Written {
  ids: string[];
  eventId: string;
  /** States that are older than it. */
  older: Set<string | undefined>;
}

const turns = new WeakMap<Room, Turn>();
const writing = new WeakMap<Room, Promise<void>>();
const written = new WeakMap<Room, Written>();

/** `keepalive`: also if the page is closed meanwhile; then it waits for nothing that is under way. */
export function setPinned(
  client: Client,
  room: Room,
  eventId: string,
  isPinned: boolean,
  keepalive = false,
): Promise<void> {
  let turn = turns.get(room);
  if (!turn || keepalive) {
    const before = keepalive ? undefined : writing.get(room);
    const wanted = turn?.wanted ?? new Map<string, boolean>();
    const done = Promise.resolve(before).catch(() => {}).then(() => write(client, room, wanted, keepalive));
    turn = { wanted, done };
    turns.set(room, turn);
    writing.set(room, done);
  }
  turn.wanted.set(eventId, isPinned);
  return turn.done;
}

async function write(client: Client, room: Room, wanted: Map<string, boolean>, keepalive: boolean): Promise<void> {
  if (turns.get(room)?.wanted === wanted) turns.delete(room);
  // It went with another one already.
  if (wanted.size === 0) return;
  const changes = [...wanted];
  wanted.clear();
  const before = written.get(room);
  const ids = latest(room).filter((id) => !changes.some(([changed]) => changed === id));
  ids.push(...changes.flatMap(([id, isPinned]) => (isPinned ? id : [])));
  const older = new Set([...(before?.older ?? []), before?.eventId, room.state(TYPE)?.event_id]);
  const event = await sendState(client.api.http, room.id, TYPE, { pinned: ids }, "", keepalive);
  written.set(room, { ids, eventId: event, older });
}

function latest(room: Room): string[] {
  const last = written.get(room);
  return last?.older.has(room.state(TYPE)?.event_id) ? last.ids : pinned(room);
}
