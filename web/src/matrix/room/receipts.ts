// Who has read how far.

import type { Item } from "./messages";
import type { Room } from "./room";

/** By shown message: those of the others for whom it is the last that they read. */
export function seenBy(room: Room, items: readonly Item[], me: string): Map<string, string[]> {
  const seen = new Map<string, string[]>();
  const others = [...room.receipts].filter(([userId]) => userId !== me);
  if (others.length === 0) return seen;
  const shown = new Map(items.flatMap((item, at) => (item.kind === "message" ? [[item.id, at] as const] : [])));
  // What is not shown (a reaction, an edit) counts for the message before it.
  const places = new Map<string, number>();
  const spoken = new Map<string, number>();
  let last = -1;
  for (const entry of room.timeline.entries) {
    if (entry.kind === "gap") continue;
    const { event_id: id, sender } = entry.event;
    last = shown.get(id) ?? last;
    places.set(id, last);
    spoken.set(sender, last);
  }
  for (const [userId, { eventId }] of others) {
    const place = places.get(eventId) ?? -1;
    const item = items[place];
    // Who said something later has read that far.
    if (!item || place <= (spoken.get(userId) ?? -1)) continue;
    seen.set(item.id, [...(seen.get(item.id) ?? []), userId]);
  }
  return seen;
}
