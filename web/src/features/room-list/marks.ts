// What is new in many rooms at once, as one mark.

import type { Room } from "../../matrix/room/room";
import type { Unread } from "../../matrix/room/unread";

export interface Mark {
  count: number;
  highlights: number;
  /** Somebody is meant: in a room by name, or as the one whom it is with. */
  isPressing: boolean;
}

/** Of these rooms, as the list marks each: of muted ones nothing, and nothing of those that one is not in. */
export function newIn(
  rooms: Room[],
  only: ReadonlySet<string>,
  summary: (room: Room) => { unread: Unread; partner: string | undefined },
  isMuted: (roomId: string) => boolean,
): Mark {
  const mark: Mark = { count: 0, highlights: 0, isPressing: false };
  for (const room of rooms) {
    if (room.membership !== "join" || room.isSpace || !only.has(room.id) || isMuted(room.id)) continue;
    const { unread, partner } = summary(room);
    mark.count += unread.count;
    mark.highlights += unread.highlights;
    mark.isPressing ||= unread.highlights > 0 || (partner !== undefined && unread.count > 0);
  }
  return mark;
}
