// The timeline as people read it: edits, reactions and redactions applied to what they are about.

import { relationOf, replyTo, type RoomEvent } from "../event";
import { object, text, type JsonObject } from "../json";
import type { Opened } from "./opened";
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
  isEdited: boolean;
  isRedacted: boolean;
  replyTo: string | undefined;
  /** The message that began the thread in which this was said. */
  threadRoot: string | undefined;
  reactions: Reaction[];
}

/** Something that happened in the room's state. */
export interface Happening {
  kind: "happening";
  id: string;
  event: RoomEvent;
  ts: number;
}

export type Item = Message | Happening | (Gap & { id: string });

const SPOKEN = new Set(["m.room.message", "m.sticker"]);
const HAPPENINGS = new Set([
  "m.room.member",
  "m.room.name",
  "m.room.topic",
  "m.room.avatar",
  "m.room.create",
  "m.room.encryption",
  "m.room.tombstone",
]);

/** What an event holds, opened if it was sealed. */
export function inside(room: Room, event: RoomEvent): { type: string; content: JsonObject; seal: Seal } {
  const isRoomSealed = room.sealing === "ours";
  if (event.type !== "m.room.encrypted") {
    const seal = isRoomSealed && event.state_key === undefined ? "clear" : "none";
    return { type: event.type, content: event.content, seal };
  }
  const opened = room.opened.get(event.event_id);
  if (opened?.status === "read") return { type: opened.type, content: opened.content, seal: "sealed" };
  return { type: event.type, content: {}, seal: opened?.status ?? "missing_key" };
}

interface Parts {
  edits: Map<string, { event: RoomEvent; content: JsonObject }[]>;
  reactions: Map<string, Map<string, Reaction>>;
}

/** All that is shown of a room, oldest first. `me` marks own reactions. */
export function items(room: Room, me: string): Item[] {
  const parts: Parts = { edits: new Map(), reactions: new Map() };
  const shown: Item[] = [];
  for (const entry of room.timeline.entries) {
    if (entry.kind === "gap") {
      shown.push({ ...entry, id: `gap ${entry.token}` });
      continue;
    }
    const item = read(room, entry.event, me, parts);
    if (item) shown.push(item);
  }
  for (const item of shown) if (item.kind === "message") finish(item, parts);
  return shown;
}

function read(room: Room, event: RoomEvent, me: string, parts: Parts): Item | undefined {
  const { event_id: id, sender, origin_server_ts: ts } = event;
  if (event.state_key !== undefined) {
    return HAPPENINGS.has(event.type) ? { kind: "happening", id, event, ts } : undefined;
  }
  const { type, content, seal } = inside(room, event);
  const isRedacted = event.unsigned?.["redacted_because"] !== undefined;
  const opened = room.opened.get(id);
  if (!isRedacted && !isMisled(opened)) {
    const relation = relationOf(content);
    if (type === "m.reaction" && relation?.type === "m.annotation") {
      react(parts, relation.eventId, relation.key ?? "", event, me);
      return undefined;
    }
    if (relation?.type === "m.replace" && type === "m.room.message") {
      const edits = parts.edits.get(relation.eventId) ?? [];
      parts.edits.set(relation.eventId, [...edits, { event, content }]);
      return undefined;
    }
  }
  if (seal === "duplicate" || !(SPOKEN.has(type) || !isReadable(seal))) return undefined;
  return {
    ...{ kind: "message", id, event, sender, ts, type, content, seal, opened, isRedacted },
    isEdited: false,
    replyTo: isRedacted ? undefined : replyTo(content),
    threadRoot: threadOf(content),
    reactions: [],
  };
}

function threadOf(content: JsonObject): string | undefined {
  const relation = relationOf(content);
  return relation?.type === "m.thread" ? relation.eventId : undefined;
}

/** Its relation is not the one that its author meant. */
function isMisled(opened: Opened | undefined): boolean {
  return opened?.status === "read" && opened.isRelationWrong;
}

function react(parts: Parts, to: string, key: string, event: RoomEvent, me: string): void {
  const keys = parts.reactions.get(to) ?? new Map<string, Reaction>();
  parts.reactions.set(to, keys);
  const reaction = keys.get(key) ?? { key, senders: [], own: undefined };
  keys.set(key, reaction);
  if (!reaction.senders.includes(event.sender)) reaction.senders.push(event.sender);
  if (event.sender === me) reaction.own = event.event_id;
}

function finish(message: Message, { edits, reactions }: Parts): void {
  if (message.isRedacted) return;
  message.reactions = [...(reactions.get(message.id)?.values() ?? [])];
  // A server could put words into a sealed message by an edit in clear.
  const isSealed = message.seal === "sealed";
  const edit = edits.get(message.id)?.findLast(
    ({ event }) =>
      event.sender === message.sender && (!isSealed || event.type === "m.room.encrypted"),
  );
  const content = object(edit?.content["m.new_content"]);
  if (!content) return;
  const relation = message.content["m.relates_to"];
  message.content = { ...content, ...(relation !== undefined && { "m.relates_to": relation }) };
  message.isEdited = true;
}

/** The last words of a room, for the list of rooms. */
export function preview(room: Room): { event: RoomEvent; type: string; content: JsonObject; seal: Seal } | undefined {
  for (const event of room.timeline.events.toReversed()) {
    if (event.state_key !== undefined || event.unsigned?.["redacted_because"]) continue;
    const found = inside(room, event);
    const isEdit = relationOf(found.content)?.type === "m.replace";
    if (SPOKEN.has(found.type) && !isEdit) return { event, ...found };
    if (found.seal === "missing_key" || found.seal === "not_vouched_for") return { event, ...found };
  }
  return undefined;
}

export interface Unread {
  count: number;
  highlights: number;
  /** The first event that was not read, where it is known. */
  first: string | undefined;
}

/** What is unread: counted here after the last read event; where that is too long ago, as the server counts. */
export function unread(room: Room, me: string, myName: string): Unread {
  const events = room.timeline.events;
  const receipt = room.receipts.get(me);
  const own = events.findLastIndex((event) => event.sender === me);
  const read = receipt ? events.findIndex((event) => event.event_id === receipt.eventId) : -1;
  const from = Math.max(own, read);
  if (from === -1 && room.sealing !== "ours") {
    return { count: room.notifications, highlights: room.highlights, first: undefined };
  }
  const unseen = events.slice(from + 1).flatMap((event) => {
    if (event.sender === me || event.state_key !== undefined) return [];
    const found = inside(room, event);
    const isEdit = relationOf(found.content)?.type === "m.replace";
    const isUnreadable = found.type === "m.room.encrypted" && found.seal !== "duplicate";
    return (SPOKEN.has(found.type) && !isEdit) || isUnreadable ? [{ event, ...found }] : [];
  });
  const highlights = unseen.filter(({ content }) => mentions(content, me, myName)).length;
  return { count: unseen.length, highlights, first: unseen[0]?.event.event_id };
}

function mentions(content: JsonObject, me: string, myName: string): boolean {
  const mentioned = object(content["m.mentions"]);
  const ids = mentioned?.["user_ids"];
  if (mentioned) return mentioned["room"] === true || (Array.isArray(ids) && ids.includes(me));
  const body = text(content["body"])?.toLowerCase() ?? "";
  return myName.length > 1 && body.includes(myName.toLowerCase());
}
