// The timeline as people read it: edits, reactions and redactions applied to what they are about.

import { relationOf, replyTo, type RoomEvent } from "../event";
import { object, type JsonObject } from "../json";
import { isByAuthor, isMeant } from "./about";
import { isFile } from "./caption";
import { lostBefore } from "./chains";
import type { Opened } from "./opened";
import { isPollEnd, isPollResponse, isPollStart, pollOf, POLL_START, type About, type Poll } from "./poll";
import type { Room } from "./room";
import type { Gap } from "./timeline";

export interface Reaction {
  key: string;
  senders: string[];
  /** The event by which this user reacted so. */
  own: string | undefined;
}

/** How far a message may be trusted, and why it can't be read. */
export type Seal = "none" | "sealed" | "clear" | Exclude<Opened["status"], "read">;

/** Whether the words are there to be read. */
export function isReadable(seal: Seal): boolean {
  return seal === "none" || seal === "clear" || seal === "sealed";
}

export interface Message {
  kind: "message";
  id: string;
  event: RoomEvent;
  sender: string;
  ts: number;
  type: string;
  content: JsonObject;
  seal: Seal;
  opened: Opened | undefined;
  /** What it said before, the oldest first; without what it says now. */
  before: Version[];
  editedAt: number | undefined;
  isRedacted: boolean;
  replyTo: string | undefined;
  /** The message that began the thread in which this was said. */
  threadRoot: string | undefined;
  /** What was said in the thread that it began. */
  thread: Thread | undefined;
  poll: Poll | undefined;
  /** How many messages of its sender did not arrive before it. */
  lost: number;
  reactions: Reaction[];
}

/** What a message said at a time. */
export interface Version {
  ts: number;
  content: JsonObject;
}

export interface Thread {
  count: number;
  last: Message;
}

/** Something that happened in the room's state, or a call. */
export interface Happening {
  kind: "happening";
  id: string;
  event: RoomEvent;
  ts: number;
}

export type Item = Message | Happening | (Gap & { id: string });

const SPOKEN = new Set(["m.room.message", "m.sticker", POLL_START, "org.matrix.msc3381.poll.start"]);

/** Whether something is a message of its own: not a reaction, a vote, an edit. */
export function isSpoken({ type, content }: { type: string; content: JsonObject }): boolean {
  return SPOKEN.has(type) && relationOf(content)?.type !== "m.replace";
}

/** An edit is of the kind of what it changes. */
function isSameKind(type: string, other: string): boolean {
  return type === other || (isPollStart(type) && isPollStart(other));
}

/** Words, also of a file, which their author may change. */
export function isChangeable({ content }: Message): boolean {
  const isVoice = content["org.matrix.msc3245.voice"] !== undefined;
  return content["msgtype"] === "m.text" || content["msgtype"] === "m.emote" || (isFile(content) && !isVoice);
}

const HAPPENINGS = new Set([
  "m.room.member",
  "m.room.name",
  "m.room.topic",
  "m.room.avatar",
  "m.room.create",
  "m.room.encryption",
  "m.room.tombstone",
  "m.room.power_levels",
  "m.room.join_rules",
  "m.room.history_visibility",
  "m.room.guest_access",
  "m.room.pinned_events",
  "m.room.canonical_alias",
  "m.room.server_acl",
  "m.room.third_party_invite",
  "m.space.parent",
]);

/** What is no message, and is told all the same: that somebody called, or has it ring. */
const CALLS = new Set(["m.call.invite", "org.matrix.msc4075.rtc.notification", "org.matrix.msc4075.call.notify"]);

/** What an event holds, opened if it was sealed. */
export function inside(room: Room, event: RoomEvent): { type: string; content: JsonObject; seal: Seal } {
  const isRoomSealed = room.sealing === "ours";
  if (event.type !== "m.room.encrypted") {
    const seal = isRoomSealed && event.state_key === undefined ? "clear" : "none";
    return { type: event.type, content: event.content, seal };
  }
  const opened = room.opened.get(event.event_id);
  if (opened?.status === "read") return { type: opened.type, content: opened.content, seal: "sealed" };
  const untold = room.sealing === "foreign" ? "foreign" : "missing_key";
  return { type: event.type, content: {}, seal: opened?.status ?? untold };
}

/** What an event is on its own. */
type Part =
  | { kind: "shown"; item: Message | Happening }
  | { kind: keyof Parts; to: string; about: About }
  | { kind: "nothing" };

/** Parts stay the same objects as long as nothing changes about them: most of a long room is made once. */
interface Known {
  opened: Opened | undefined;
  isRoomSealed: boolean;
  part: Part;
}
const known = new WeakMap<RoomEvent, Known>();

function partOf(room: Room, event: RoomEvent, isRoomSealed: boolean): Part {
  const opened = room.opened.get(event.event_id);
  const found = known.get(event);
  if (found?.opened === opened && found?.isRoomSealed === isRoomSealed) return found.part;
  const part = read(room, event);
  known.set(event, { opened, isRoomSealed, part });
  return part;
}

interface Parts {
  edits: Map<string, About[]>;
  reactions: Map<string, About[]>;
  responses: Map<string, About[]>;
  ends: Map<string, About[]>;
}

/** People whose words are not shown. */
export type Unheard = ReadonlySet<string>;
const NOBODY: Unheard = new Set();

/** All that is shown of a room, oldest first. `me` marks own reactions. */
export function items(room: Room, me: string, unheard = NOBODY): Item[] {
  const parts: Parts = { edits: new Map(), reactions: new Map(), responses: new Map(), ends: new Map() };
  const shown: Item[] = [];
  const isRoomSealed = room.sealing === "ours";
  const lost = isRoomSealed ? lostBefore(room) : new Map<string, number>();
  /** By sender: what is missing before something that is not shown. */
  const untold = new Map<string, number>();
  for (const entry of room.timeline.entries) {
    if (entry.kind === "gap") {
      shown.push({ ...entry, id: `gap ${entry.token}` });
      continue;
    }
    const { event } = entry;
    if (event.state_key === undefined && unheard.has(event.sender)) continue;
    const part = partOf(room, event, isRoomSealed);
    if (part.kind !== "shown" && part.kind !== "nothing") add(parts[part.kind], part.to, part.about);
    let item = part.kind === "shown" ? part.item : undefined;
    if (lost.size > 0) {
      const missing = (untold.get(event.sender) ?? 0) + (lost.get(event.event_id) ?? 0);
      untold.set(event.sender, item?.kind === "message" ? 0 : missing);
      if (item?.kind === "message" && missing > 0) item = { ...item, lost: missing };
    }
    if (item) shown.push(item);
  }
  return withThreads(shown.map((item) => (item.kind === "message" ? finished(room, item, parts, me) : item)));
}

/** Tells those that began a thread what was said in it. */
function withThreads(shown: Item[]): Item[] {
  const threads = new Map<string, Thread>();
  for (const item of shown) {
    if (item.kind !== "message" || !item.threadRoot) continue;
    threads.set(item.threadRoot, { count: (threads.get(item.threadRoot)?.count ?? 0) + 1, last: item });
  }
  if (threads.size === 0) return shown;
  return shown.map((item) => {
    const thread = threads.get(item.id);
    return item.kind === "message" && thread ? { ...item, thread } : item;
  });
}

/** An event as a message by itself, if it is one: without what was said of it. */
export function messageOf(room: Room, event: RoomEvent): Message | undefined {
  const part = read(room, event);
  return part.kind === "shown" && part.item.kind === "message" ? part.item : undefined;
}

function read(room: Room, event: RoomEvent): Part {
  const { event_id: id, sender, origin_server_ts: ts } = event;
  if (event.state_key !== undefined) {
    return HAPPENINGS.has(event.type) ? { kind: "shown", item: { kind: "happening", id, event, ts } } : { kind: "nothing" };
  }
  const { type, content, seal } = inside(room, event);
  const isRedacted = event.unsigned?.["redacted_because"] !== undefined;
  if (CALLS.has(type) && !isRedacted) {
    return { kind: "shown", item: { kind: "happening", id, event: { ...event, type, content }, ts } };
  }
  const opened = room.opened.get(id);
  const relation = relationOf(content);
  if (!isRedacted && relation && !isWrong(opened)) {
    const kind = type === "m.reaction" && relation.type === "m.annotation" ? "reactions"
      : SPOKEN.has(type) && relation.type === "m.replace" ? "edits"
      : isPollResponse(type) ? "responses"
      : isPollEnd(type) ? "ends"
      : undefined;
    if (kind) return { kind, to: relation.eventId, about: { event, content } };
  }
  if (seal === "duplicate" || !(SPOKEN.has(type) || !isReadable(seal))) return { kind: "nothing" };
  const item: Message = {
    ...{ kind: "message", id, event, sender, ts, type, content, seal, opened, isRedacted },
    ...{ before: [], editedAt: undefined },
    ...{ replyTo: isRedacted ? undefined : replyOf(content), threadRoot: threadOf(content) },
    ...{ thread: undefined, poll: undefined, lost: 0 },
    reactions: [],
  };
  return { kind: "shown", item };
}

function add(to: Map<string, About[]>, id: string, about: About): void {
  const present = to.get(id);
  if (present) present.push(about);
  else to.set(id, [about]);
}

/** In a thread, what it answers for clients without threads is no answer. */
function replyOf(content: JsonObject): string | undefined {
  const isFallback = object(content["m.relates_to"])?.["is_falling_back"] === true;
  return threadOf(content) !== undefined && isFallback ? undefined : replyTo(content);
}

export function threadOf(content: JsonObject): string | undefined {
  const relation = relationOf(content);
  return relation?.type === "m.thread" ? relation.eventId : undefined;
}

/** What it is about is not what its author meant: it is shown as a message of its own. */
function isWrong(opened: Opened | undefined): boolean {
  return opened?.status === "read" && opened.isRelationWrong;
}

function meant(room: Room, event: RoomEvent, targetId: string | undefined): string | undefined {
  return targetId !== undefined && isMeant(room, event, targetId) ? targetId : undefined;
}

function reactionsOf(all: readonly About[], me: string): Reaction[] {
  const keys = new Map<string, Reaction>();
  for (const { event, content } of all) {
    const key = relationOf(content)?.key ?? "";
    const reaction = keys.get(key) ?? { key, senders: [], own: undefined };
    keys.set(key, reaction);
    if (!reaction.senders.includes(event.sender)) reaction.senders.push(event.sender);
    if (event.sender === me) reaction.own = event.event_id;
  }
  return [...keys.values()];
}

/** With what others said about it, and without what it is not about: the message itself, if that is all the same. */
function finished(room: Room, plain: Message, parts: Parts, me: string): Message {
  const { id, event, sender, type, isRedacted } = plain;
  const replyTo = meant(room, event, plain.replyTo);
  const threadRoot = meant(room, event, plain.threadRoot);
  const isAlone = isRedacted || !(parts.edits.has(id) || parts.reactions.has(id) || isPollStart(type));
  if (isAlone && replyTo === plain.replyTo && threadRoot === plain.threadRoot) return plain;
  const message: Message = { ...plain, replyTo, threadRoot, before: [] };
  if (isAlone) return message;
  const about = (kind: keyof Parts) => parts[kind].get(id)?.filter(({ event }) => isMeant(room, event, id)) ?? [];
  message.reactions = reactionsOf(about("reactions"), me);
  for (const { event, content } of about("edits")) {
    const next = object(content["m.new_content"]);
    if (!next || !isSameKind(inside(room, event).type, type) || !isByAuthor(room, event, message.event)) continue;
    message.before.push({ ts: message.editedAt ?? message.ts, content: message.content });
    const relation = message.content["m.relates_to"];
    message.content = { ...next, ...(relation !== undefined && { "m.relates_to": relation }) };
    message.editedAt = event.origin_server_ts;
  }
  if (!isPollStart(type)) return message;
  const mayEnd = (userId: string) => room.may(userId, "redact");
  message.poll = pollOf(message.content, sender, about("responses"), about("ends"), mayEnd);
  return message;
}

/** The last words of a room, as they are now, for the list of rooms; of `unheard` people none, and none that are `hidden`. */
export function preview(
  room: Room,
  unheard = NOBODY,
  hidden: readonly string[] = [],
): { event: RoomEvent; type: string; content: JsonObject; seal: Seal } | undefined {
  const { events } = room.timeline;
  for (let at = events.length - 1; at >= 0; at -= 1) {
    const event = events[at];
    if (!event || event.state_key !== undefined || event.unsigned?.["redacted_because"]) continue;
    if (unheard.has(event.sender) || hidden.includes(event.event_id)) continue;
    const found = inside(room, event);
    if (isSpoken(found)) return { event, ...found, content: lastEdit(room, event, at) ?? found.content };
    if (found.seal === "missing_key" || found.seal === "not_vouched_for" || found.seal === "foreign") return { event, ...found };
  }
  return undefined;
}

/** What an event at a place of the timeline says after its last edit. */
function lastEdit(room: Room, of: RoomEvent, place: number): JsonObject | undefined {
  const { events } = room.timeline;
  for (let at = events.length - 1; at > place; at -= 1) {
    const event = events[at];
    if (!event || event.sender !== of.sender || event.unsigned?.["redacted_because"]) continue;
    const { type, content } = inside(room, event);
    const relation = isSameKind(type, inside(room, of).type) ? relationOf(content) : undefined;
    if (relation?.type !== "m.replace" || relation.eventId !== of.event_id) continue;
    const next = object(content["m.new_content"]);
    if (next && isMeant(room, event, of.event_id) && isByAuthor(room, event, of)) return next;
  }
  return undefined;
}
