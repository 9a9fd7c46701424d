// What happened on another device while this one was closed.

import type { Room } from "./room";

/**
 * Rooms that were left, and invitations that were declined: of `all` that there are, the server did not tell of them. If
 * it only hides one, that is back when it is told of.
 */
export function leftElsewhere(rooms: Iterable<Room>, all: ReadonlySet<string>, me: string): Room[] {
  const gone = [...rooms].filter((room) => {
    if (all.has(room.id) || room.membership === "leave" || room.membership === "ban") return false;
    // Of one that was made here just now no sync told yet.
    return room.known("m.room.create") !== undefined || room.known("m.room.member", me) !== undefined;
  });
  for (const room of gone) {
    room.membership = "leave";
    room.changed();
  }
  return gone;
}
