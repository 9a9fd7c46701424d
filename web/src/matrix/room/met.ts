// Who is in a room with this person.

import type { Room } from "./room";

/** As far as it is known: a server may tell of silent members later. */
export function isMet(rooms: Iterable<Room>, userId: string): boolean {
  let isKnown = false;
  for (const room of rooms) {
    const member = room.membership === "join" ? room.state("m.room.member", userId) : undefined;
    if (member?.content["membership"] === "join") return true;
    isKnown ||= member !== undefined;
  }
  return !isKnown;
}
