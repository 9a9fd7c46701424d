// What happened in a room, in words.

import type { RoomEvent } from "../../matrix/event";
import { object, text } from "../../matrix/json";
import { t } from "../../ui/words.svelte";

/** `undefined`: nothing that is worth a line. */
export function happening(event: RoomEvent, nameOf: (userId: string) => string): string | undefined {
  const who = nameOf(event.sender);
  switch (event.type) {
    case "m.room.create":
      return t.created(who);
    case "m.room.name":
      return text(event.content["name"]) ? t.named(who, text(event.content["name"]) ?? "") : undefined;
    case "m.room.topic":
      return t.topicSet(who);
    case "m.room.avatar":
      return t.avatarSet(who);
    case "m.room.encryption":
      return t.sealedFromHere;
    case "m.room.tombstone":
      return t.upgraded;
    case "m.room.member":
      return membership(event, nameOf);
    default:
      return undefined;
  }
}

function membership(event: RoomEvent, nameOf: (userId: string) => string): string | undefined {
  const userId = event.state_key ?? "";
  const isSelf = userId === event.sender;
  const [who, whom] = [nameOf(event.sender), nameOf(userId)];
  const before = text(object(event.unsigned?.["prev_content"])?.["membership"]);
  switch (event.content["membership"]) {
    case "join":
      return before === "join" ? t.renamed(whom) : t.joined(whom);
    case "invite":
      return t.invitedSomebody(who, whom);
    case "ban":
      return t.bannedSomebody(who, whom);
    case "leave":
      if (!isSelf) return t.removedSomebody(who, whom);
      return before === "invite" ? t.declinedInvite(who) : t.left(who);
    default:
      return undefined;
  }
}
