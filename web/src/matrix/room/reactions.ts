// Answering a message with a picture, and taking that back.

import type { Client } from "../client";
import { relationOf } from "../event";
import type { JsonObject } from "../json";
import type { Message } from "./messages";

export function toggleReaction(client: Client, roomId: string, message: Message, key: string): void {
  const own = message.reactions.find((reaction) => reaction.key === key)?.own;
  if (own) {
    void client.api.redact(roomId, own).catch(console.error);
    return;
  }
  const isIt = (content: JsonObject) => {
    const relation = relationOf(content);
    return relation?.eventId === message.id && relation.key === key;
  };
  // It is on its way already.
  if (client.queue.of(roomId).some(({ type, content }) => type === "m.reaction" && isIt(content))) return;
  const relation = { rel_type: "m.annotation", event_id: message.id, key };
  void client.queue.add(roomId, "m.reaction", { "m.relates_to": relation });
}
