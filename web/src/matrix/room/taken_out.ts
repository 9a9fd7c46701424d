// Rooms out of which somebody else took this person.

import { object, text } from "../json";
import type { Room } from "./room";

export interface TakenOut {
  by: string;
  isBan: boolean;
  reason: string | undefined;
}

/** `undefined`: one is in the room, or left it by oneself, or was only ever invited. */
export function takenOut(room: Room, me: string): TakenOut | undefined {
  if (room.membership !== "leave" && room.membership !== "ban") return undefined;
  const member = room.state("m.room.member", me);
  const membership = member?.content["membership"];
  if (!member || member.sender === me || (membership !== "leave" && membership !== "ban")) return undefined;
  const before = object(member.unsigned?.["prev_content"])?.["membership"];
  if (membership === "leave" && before === "invite") return undefined;
  return { by: member.sender, isBan: membership === "ban", reason: text(member.content["reason"]) };
}
