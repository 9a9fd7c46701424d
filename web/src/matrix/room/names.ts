// What people and rooms are called.

import { object, text } from "../json";
import { localpartOf } from "../session";
import type { Room } from "./room";

export interface Profile {
  userId: string;
  name: string;
  avatarUrl: string | undefined;
}

export function profile(room: Room, userId: string): Profile {
  let member = room.known("m.room.member", userId)?.content;
  // Who was removed said nothing of their name with that: they are called as they were before.
  if (member?.["membership"] === "leave" || member?.["membership"] === "ban") {
    member = { ...object(room.state("m.room.member", userId)?.unsigned?.["prev_content"]), ...member };
  }
  const hero = room.heroes.find((one) => one.userId === userId);
  const name = text(member?.["displayname"]) || hero?.displayName || localpartOf(userId) || userId;
  return { userId, name, avatarUrl: text(member?.["avatar_url"]) ?? hero?.avatarUrl };
}

/** Who of the others a room without a name is called after. */
function others(room: Room, me: string): string[] {
  const heroes = room.heroes.map((hero) => hero.userId).filter((id) => id && id !== me);
  if (heroes.length > 0) return heroes;
  const members = room.states("m.room.member");
  const isIn = (membership: unknown) => membership === "join" || membership === "invite";
  const present = members.filter((event) => isIn(event.content["membership"]));
  const found = (present.length > 1 ? present : members).map((event) => event.state_key);
  const inviter = room.membership === "invite" && room.known("m.room.member", me)?.sender;
  return [...found, ...(inviter ? [inviter] : [])].filter((id) => id !== me).toSorted().slice(0, 5);
}

export interface RoomName {
  name: string;
  /** Named after the people in it; there is none: nobody else is or was there. */
  people: string[];
}

/** A room's name, by the rules of the specification; `people` when it has none of its own. */
export function roomName(room: Room, me: string): RoomName {
  const people = others(room, me);
  const own = text(room.known("m.room.name")?.content["name"])?.trim();
  const alias = text(room.known("m.room.canonical_alias")?.content["alias"]);
  if (own || alias) return { name: own || alias || "", people };
  return { name: people.map((userId) => profile(room, userId).name).join(", "), people };
}

/** Whom a chat of two is with: a room without a name of its own. `people` as `roomName` answers them. */
export function partner(room: Room, people: string[]): string | undefined {
  if (text(room.known("m.room.name")?.content["name"])?.trim()) return undefined;
  return room.joined + room.invited <= 2 && people.length === 1 ? people[0] : undefined;
}
