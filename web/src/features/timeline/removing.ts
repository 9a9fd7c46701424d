// What is taken away for everybody, but a moment later: until then it can be undone.

import type { Message } from "../../matrix/room/messages";
import { setPinned } from "../../matrix/room/pins";
import type { Room } from "../../matrix/room/room";
import { t } from "../../ui/words.svelte";
import type { Live } from "../live.svelte";

export function remove({ client, undoing }: Live, room: Room, messages: readonly Message[]): void {
  const ids = messages.map(({ id }) => id);
  undoing.do({
    words: () => t.undoRemoved(ids.length),
    more: () => t.removeMore,
    hides: ids,
    failed: (why) => t.notRemoved(why),
    act: async (isClosing) => void (await Promise.all(ids.map((id) => client.api.redact(room.id, id, isClosing)))),
  });
}

/** What a pin that is taken away is called meanwhile. */
const pinOf = (eventId: string) => `pin ${eventId}`;

export function isUnpinned({ undoing }: Live, eventId: string): boolean {
  return undoing.isHidden(pinOf(eventId));
}

export function unpin({ client, undoing }: Live, room: Room, eventId: string): void {
  undoing.do({
    words: () => t.undoUnpinned,
    hides: [pinOf(eventId)],
    failed: (why) => t.notUnpinned(why),
    act: (isClosing) => setPinned(client, room, eventId, false, isClosing),
  });
}
