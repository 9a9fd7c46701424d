// Messages that a room holds up: named in its state, which servers can read; what they say is where they are.

import { setState } from "../api/rooms";
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

export async function setPinned(
  client: Client,
  room: Room,
  eventId: string,
  isPinned: boolean,
  keepalive = false,
): Promise<void> {
  const others = pinned(room).filter((id) => id !== eventId);
  const content = { pinned: isPinned ? [...others, eventId] : others };
  await setState(client.api.http, room.id, TYPE, content, "", keepalive);
}
