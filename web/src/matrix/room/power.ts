// Who may do what in a room: levels, and the roles that people know them by.

import { object, text, type JsonObject } from "../json";
import { level as levelIn, levelOf, type Room } from "./room";

export type Role = "founder" | "admin" | "moderator" | "member" | "reader";

/** Levels that roles stand for. A founder's has no end, and is given to nobody. */
export const LEVELS: Record<Exclude<Role, "founder">, number> = { admin: 100, moderator: 50, member: 0, reader: -1 };

export function roleOf(level: number): Role {
  if (level === Infinity) return "founder";
  if (level >= 100) return "admin";
  if (level >= 50) return "moderator";
  return level >= 0 ? "member" : "reader";
}

function levels(room: Room): JsonObject | undefined {
  return room.state("m.room.power_levels")?.content;
}

/** Levels that are to be changed: where a room has none, those that count as long as it has none. */
export function presentLevels(room: Room): JsonObject {
  const create = room.state("m.room.create");
  const creator = create && (text(create.content["creator"]) ?? create.sender);
  const none = creator !== undefined && room.level(creator) !== Infinity ? { users: { [creator]: 100 } } : {};
  return levels(room) ?? { ...none, state_default: 0 };
}

/** The level that state of a type wants. */
function levelForState(room: Room, type: string): number {
  const content = levels(room);
  if (!content) return 0;
  return levelIn(object(content["events"])?.[type]) ?? levelIn(content["state_default"]) ?? 50;
}

export function mayState(room: Room, userId: string, type: string): boolean {
  return room.membership === "join" && room.level(userId) >= levelForState(room, type);
}

/** Whether somebody may say something in a room, sealed where that is. */
export function mayWrite(room: Room, userId: string): boolean {
  const { sealing } = room;
  return sealing !== "foreign" && room.maySend(userId, sealing === "ours" ? "m.room.encrypted" : "m.room.message");
}

/** Whether somebody may notify everybody there: `what` is `room`, as in `@room`. */
export function mayNotify(room: Room, userId: string, what: string): boolean {
  return room.level(userId) >= levelToNotify(room, what);
}

function levelToNotify(room: Room, what: string): number {
  return levelIn(object(levels(room)?.["notifications"])?.[what]) ?? 50;
}

/** Roles that `me` may give to somebody; none, where nothing may be changed. */
export function rolesToGive(room: Room, me: string, userId: string): Exclude<Role, "founder">[] {
  const [mine, theirs] = [room.level(me), room.level(userId)];
  if (!mayState(room, me, "m.room.power_levels") || theirs === Infinity) return [];
  if (userId !== me && theirs >= mine) return [];
  const all = Object.keys(LEVELS) as Exclude<Role, "founder">[];
  return all.filter((role) => LEVELS[role] <= mine);
}

/** Power levels in which somebody has a role. */
export function withRole(levels: JsonObject, userId: string, role: Exclude<Role, "founder">): JsonObject {
  const level = LEVELS[role];
  const others = Object.entries(object(levels["users"]) ?? {}).filter(([id]) => id !== userId);
  const isUsual = level === (levelIn(levels["users_default"]) ?? 0);
  return { ...levels, users: Object.fromEntries(isUsual ? others : [...others, [userId, level]]) };
}

/** What can be allowed to some roles only: an action of its own, or an event. */
export type Permission =
  | { kind: "action"; name: "invite" | "kick" | "ban" | "redact" | "events_default" | "state_default" | "users_default" }
  | { kind: "event"; name: string }
  | { kind: "notification"; name: "room" };

const DEFAULTS: Record<string, number> = { kick: 50, ban: 50, redact: 50 };

export function permission(room: Room, { kind, name }: Permission): number {
  if (kind === "event") return levelForState(room, name);
  if (kind === "notification") return levelToNotify(room, name);
  const content = levels(room);
  const otherwise = name === "state_default" && content ? 50 : (DEFAULTS[name] ?? 0);
  return levelIn(content?.[name]) ?? otherwise;
}

/** Power levels with some permissions changed. */
export function withPermissions(levels: JsonObject, changes: [Permission, number][]): JsonObject {
  const content = { ...levels };
  const events = { ...object(content["events"]) };
  const notifications = { ...object(content["notifications"]) };
  for (const [{ kind, name }, level] of changes) {
    if (kind === "event") events[name] = level;
    else if (kind === "notification") notifications[name] = level;
    else content[name] = level;
  }
  return { ...content, events, ...(Object.keys(notifications).length > 0 && { notifications }) };
}

/** Whether somebody could do less under other power levels, or not give back to themselves what they take. */
export function losesBy(room: Room, userId: string, content: JsonObject): boolean {
  const now = room.level(userId);
  if (now === Infinity) return false;
  const after = levelOf(userId, content);
  const wanted = levelIn(object(content["events"])?.["m.room.power_levels"]) ?? levelIn(content["state_default"]) ?? 50;
  return after < now || after < wanted;
}
