// Answering a message with a picture, and taking that back.

import type { Client } from "../client";
import { relationOf } from "../event";
import type { JsonObject } from "../json";
import type { Message } from "./messages";

/** Answers with a picture; the event by which that was done already is to be taken back by the caller. */
export async function react(client: Client, roomId: string, message: Message, key: string): Promise<void> {
  const isIt = (content: JsonObject) => {
    const relation = relationOf(content);
    return relation?.eventId === message.id && relation.key === key;
  };
  // It is on its way already.
  if (client.queue.of(roomId).some(({ type, content }) => type === "m.reaction" && isIt(content))) return;
  const relation = { rel_type: "m.annotation", event_id: message.id, key };
  await client.queue.add(roomId, "m.reaction", { "m.relates_to": relation });
}
