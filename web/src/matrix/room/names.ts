// What people and rooms are called.

import { object, text, type JsonObject } from "../json";
import { localpartOf } from "../session";
import { isIn } from "./membership";
import type { Room } from "./room";

export interface Profile {
  userId: string;
  name: string;
  avatarUrl: string | undefined;
}

/** `name`: with the id, where somebody else in the room is called so too ("Calculating the display name for a user"). */
export function profile(room: Room, userId: string): Profile {
  const own = displayName(room, userId);
  const name = room.isNameShared(own) ? `${own} (${userId})` : own;
  const avatarUrl = text(memberOf(room, userId)?.["avatar_url"]);
  return { userId, name, avatarUrl: avatarUrl ?? heroOf(room, userId)?.avatarUrl };
}

/** What somebody is called, though others may be called so too. */
export function displayName(room: Room, userId: string): string {
  const name = text(memberOf(room, userId)?.["displayname"]);
  return name || heroOf(room, userId)?.displayName || localpartOf(userId) || userId;
}

/** Who was removed said nothing of their name with that: they are called as they were before. */
function memberOf(room: Room, userId: string): JsonObject | undefined {
  const member = room.known("m.room.member", userId)?.content;
  const isRemoved = member?.["membership"] === "leave" || member?.["membership"] === "ban";
  if (!isRemoved) return member;
  const before = { ...object(room.state("m.room.member", userId)?.unsigned?.["prev_content"]), ...member };
  // Who may come back after a ban was called nothing before that either.
  return "displayname" in before ? before : { ...lastNamed(room, userId), ...before };
}

/** What the newest event says that has a name of somebody. */
function lastNamed(room: Room, userId: string): JsonObject | undefined {
  const { events } = room.timeline;
  for (let at = events.length - 1; at >= 0; at -= 1) {
    const event = events[at];
    if (event?.type !== "m.room.member" || event.state_key !== userId) continue;
    const named = [event.content, object(event.unsigned?.["prev_content"])].find((one) => one && "displayname" in one);
    if (named) return named;
  }
  return undefined;
}

function heroOf(room: Room, userId: string) {
  return room.heroes.find((one) => one.userId === userId);
}

/** Who of the others a room without a name is called after. */
function others(room: Room, me: string): string[] {
  const heroes = room.heroes.map((hero) => hero.userId).filter((id) => id && id !== me);
  if (heroes.length > 0) return heroes;
  const members = room.states("m.room.member");
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
