// Answers to a message with a picture, or takes that back.

import type { Message } from "../../matrix/room/messages";
import { react } from "../../matrix/room/reactions";
import type { Room } from "../../matrix/room/room";
import { t } from "../../ui/words.svelte";
import type { Live } from "../live.svelte";

export function toggleReaction(live: Live, room: Room, message: Message, key: string): void {
  const { client, troubles } = live;
  const own = message.reactions.find((reaction) => reaction.key === key)?.own;
  if (own) void troubles.try(() => client.api.redact(room.id, own), (why) => t.notTakenBack(why));
  else void troubles.try(() => react(client, room.id, message, key), (why) => t.notKept(why));
}
