// Rooms out of which somebody else took this person.

import { text } from "../json";
import type { Room } from "./room";

export interface TakenOut {
  by: string;
  isBan: boolean;
  reason: string | undefined;
}

/** `undefined`: one is in the room, or left it by oneself. */
export function takenOut(room: Room, me: string): TakenOut | undefined {
  if (room.membership !== "leave" && room.membership !== "ban") return undefined;
  const member = room.state("m.room.member", me);
  const membership = member?.content["membership"];
  if (!member || member.sender === me || (membership !== "leave" && membership !== "ban")) return undefined;
  return { by: member.sender, isBan: membership === "ban", reason: text(member.content["reason"]) };
}
