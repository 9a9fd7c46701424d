// Who has read how far.

import type { Item } from "./messages";
import type { Room } from "./room";

/** By shown message: those of the others for whom it is the last that they read. `shown`: all items, by their id. */
export function seenBy(room: Room, shown: ReadonlyMap<string, Item>, me: string): Map<string, string[]> {
  const seen = new Map<string, string[]>();
  /** Those whose place was not come to yet, from the end. */
  const open = new Set<string>();
  const readers = new Map<string, string[]>();
  for (const [userId, { eventId }] of room.receipts) {
    if (userId === me || !room.timeline.find(eventId)) continue;
    open.add(userId);
    const present = readers.get(eventId);
    if (present) present.push(userId);
    else readers.set(eventId, [userId]);
  }
  /** They read something that is not shown (a reaction, an edit): it counts for the message before it. */
  const waiting = new Set<string>();
  const { events } = room.timeline;
  for (let at = events.length - 1; at >= 0 && open.size + waiting.size > 0; at -= 1) {
    const event = events[at];
    if (!event) continue;
    for (const userId of readers.get(event.event_id) ?? []) if (open.delete(userId)) waiting.add(userId);
    // Who said something later has read that far.
    open.delete(event.sender);
    waiting.delete(event.sender);
    if (waiting.size === 0 || shown.get(event.event_id)?.kind !== "message") continue;
    seen.set(event.event_id, [...waiting]);
    waiting.clear();
  }
  return seen;
}
