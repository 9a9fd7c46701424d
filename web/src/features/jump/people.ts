// Who can be met in the rooms of somebody.

import { displayName } from "../../matrix/room/names";
import type { Room } from "../../matrix/room/room";

export interface Met {
  userId: string;
  name: string;
  /** Where they are called so. */
  room: Room;
}

/** Everybody who is known to be in one of these rooms, each once, as the first of the rooms calls them. */
export function peopleIn(rooms: Room[], me: string): Met[] {
  const met = new Map<string, Met>();
  for (const room of rooms) {
    if (room.membership !== "join") continue;
    for (const { state_key: userId, content } of room.states("m.room.member")) {
      if (userId === me || content["membership"] !== "join" || met.has(userId)) continue;
      met.set(userId, { userId, name: displayName(room, userId), room });
    }
  }
  return [...met.values()];
}
