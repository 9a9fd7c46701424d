// What is new in many rooms at once, as one mark.

import type { Room } from "../../matrix/room/room";
import type { Unread } from "../../matrix/room/unread";

export interface Mark {
  count: number;
  highlights: number;
  /** Somebody is meant: in a room by name, or as the one whom it is with. */
  isPressing: boolean;
}

type SummaryOf = (room: Room) => { unread: Unread; partner: string | undefined };

/** Whether a room can have a mark: of muted ones nothing is told, and nothing of those that one is not in. */
const canBeMarked = (room: Room, isMuted: (roomId: string) => boolean) =>
  room.membership === "join" && !room.isSpace && !isMuted(room.id);

/** In how many rooms there is something new; who is asked into one has that, too. */
export function roomsWithNews(rooms: readonly Room[], summary: SummaryOf, isMuted: (roomId: string) => boolean): number {
  const hasNews = (room: Room) => canBeMarked(room, isMuted) && summary(room).unread.count > 0;
  return rooms.filter((room) => room.membership === "invite" || hasNews(room)).length;
}

/** Of these rooms, as the list marks each. */
export function newIn(
  rooms: Room[],
  only: ReadonlySet<string>,
  summary: SummaryOf,
  isMuted: (roomId: string) => boolean,
): Mark {
  const mark: Mark = { count: 0, highlights: 0, isPressing: false };
  for (const room of rooms) {
    if (!only.has(room.id) || !canBeMarked(room, isMuted)) continue;
    const { unread, partner } = summary(room);
    mark.count += unread.count;
    mark.highlights += unread.highlights;
    mark.isPressing ||= unread.highlights > 0 || (partner !== undefined && unread.count > 0);
  }
  return mark;
}
