// A poll is ended for all and for ever, but a moment later: until then it can be undone.

import type { Message } from "../../matrix/room/messages";
import { pollEnd } from "../../matrix/room/poll";
import type { Room } from "../../matrix/room/room";
import { t } from "../../ui/words.svelte";
import type { Live } from "../live.svelte";

/** What a poll that is ended is called meanwhile. */
const endOf = (eventId: string) => `end ${eventId}`;

export function isEnding({ undoing }: Live, eventId: string): boolean {
  return undoing.isHidden(endOf(eventId));
}

export function end(live: Live, room: Room, { id }: Message): void {
  live.undoing.do({
    words: () => t.undoPollEnded,
    hides: [endOf(id)],
    failed: (why) => t.pollNotEnded(why),
    act: async () => {
      // With the votes that came meanwhile.
      const message = live.items(room).find((item) => item.id === id);
      if (message?.kind !== "message" || !message.poll || message.poll.hasEnded) return;
      await live.client.queue.add(room.id, "m.poll.end", pollEnd(id, message.poll));
    },
  });
}
