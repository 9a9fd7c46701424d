// Rooms and spaces out of which somebody else took this person, or would not let them in.

import { object, text } from "../json";
import type { Room } from "./room";

export interface TakenOut {
  by: string;
  how: "removed" | "banned" | "refused";
  reason: string | undefined;
}

/** `undefined`: one is in the room, or left it by oneself, or was only ever invited. Who asked to come in was refused. */
export function takenOut(room: Room, me: string): TakenOut | undefined {
  if (room.membership !== "leave" && room.membership !== "ban") return undefined;
  const member = room.state("m.room.member", me);
  const membership = member?.content["membership"];
  if (!member || member.sender === me || (membership !== "leave" && membership !== "ban")) return undefined;
  const before = object(member.unsigned?.["prev_content"])?.["membership"];
  if (membership === "leave" && before === "invite") return undefined;
  const how = membership === "ban" ? "banned" : before === "knock" ? "refused" : "removed";
  return { by: member.sender, how, reason: text(member.content["reason"]) };
}
