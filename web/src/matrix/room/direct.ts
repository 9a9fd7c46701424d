// Chats of two. Account data only names rooms, and says whatever its server wants: who is in them decides.

import { list, text, type JsonObject } from "../json";
import { isIn } from "./membership";
import type { Room } from "./room";

/** A chat with somebody that can be gone on with: of those that are there, a sealed one first. */
export function directWith(
  rooms: ReadonlyMap<string, Room>,
  content: JsonObject | undefined,
  userId: string,
  me: string,
): Room | undefined {
  const named = list(content?.[userId]).flatMap((id) => (typeof id === "string" && rooms.get(id)) || []);
  const found = named.filter((room) => isBetween(room, me, userId));
  return found.find((room) => room.sealing === "ours") ?? found[0];
}

/** Whether they are in a room with each other, and nobody else is. */
function isBetween(room: Room, me: string, userId: string): boolean {
  if (room.membership !== "join" || room.isSpace || room.sealing === "foreign") return false;
  if (room.state("m.room.tombstone")) return false;
  const people = room.states("m.room.member").filter(({ content }) => isIn(content["membership"]));
  if (people.some(({ state_key }) => state_key !== me && state_key !== userId)) return false;
  if (room.joined + room.invited > 2) return false;
  const membership = text(room.state("m.room.member", userId)?.content["membership"]);
  // Of who was silent, a server may tell by name only.
  if (membership === undefined) return room.joined + room.invited === 2 && room.heroes.some((hero) => hero.userId === userId);
  return isIn(membership);
}
