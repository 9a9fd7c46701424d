// Events as a client gets them: any server may have made them, so this is the one gate through which they come.
//
// What leaves it is an event: ids no longer than Matrix has them, a time that a calendar knows, a content that is not
// nested deeper than it can be stored.

import { isDeeper, number, object, objects, text, type JsonObject } from "./json";

/** Ids, types and keys of state are no longer than these, in bytes; here in characters, which are no more. */
const LONGEST_ID = 255;
/** Contents that mean something are far less deep. */
const DEEPEST = 50;
/** How far a server's clock may be ahead. */
const AHEAD_MS = 24 * 60 * 60 * 1000;

export interface RoomEvent {
  event_id: string;
  type: string;
  sender: string;
  origin_server_ts: number;
  content: JsonObject;
  state_key?: string;
  redacts?: string;
  unsigned?: JsonObject;
}

export type StateEvent = RoomEvent & { state_key: string };

/** State of a room that one is invited to: without ids and times. */
export interface StrippedEvent {
  type: string;
  sender: string;
  state_key: string;
  content: JsonObject;
}

/** Those of a list that are events, each once. */
export function roomEvents(value: unknown): RoomEvent[] {
  const all = new Map<string, RoomEvent>();
  for (const one of objects(value)) {
    const event = roomEvent(one);
    if (event && !all.has(event.event_id)) all.set(event.event_id, event);
  }
  return [...all.values()];
}

/** A time that somebody else told: neither before all computers nor after tomorrow. */
export function toldTime(value: unknown, now = Date.now()): number {
  return Math.min(Math.max(Math.floor(number(value) ?? 0), 0), now + AHEAD_MS);
}

/** Those of a list that are events of state. */
export function stateEvents(value: unknown): StateEvent[] {
  return roomEvents(value).filter(isState);
}

/** Those of a list that are state without ids and times. */
export function strippedEvents(value: unknown): StrippedEvent[] {
  return objects(value).flatMap((event) => strippedEvent(event) ?? []);
}

export function isState(event: RoomEvent): event is StateEvent {
  return event.state_key !== undefined;
}

export interface Relation {
  type: string | undefined;
  eventId: string;
  key: string | undefined;
}

/** What a content relates to. */
export function relationOf(content: JsonObject): Relation | undefined {
  const relation = object(content["m.relates_to"]);
  const eventId = text(relation?.["event_id"]);
  if (!eventId) return undefined;
  return { type: text(relation?.["rel_type"]), eventId, key: text(relation?.["key"]) };
}

/** The event that a content is a reply to. */
export function replyTo(content: JsonObject): string | undefined {
  return text(object(object(content["m.relates_to"])?.["m.in_reply_to"])?.["event_id"]);
}

/** An event, if it is one. */
function roomEvent(event: JsonObject): RoomEvent | undefined {
  const [event_id, type, sender, state_key] = ["event_id", "type", "sender", "state_key"].map((key) => text(event[key]));
  const content = tame(object(event["content"]));
  if (!event_id || type === undefined || !sender || !content) return undefined;
  if ([event_id, type, sender, state_key ?? ""].some(isTooLong)) return undefined;
  const redacts = text(event["redacts"]) ?? text(content["redacts"]);
  const unsigned = tame(object(event["unsigned"]));
  return {
    event_id,
    type,
    sender,
    content,
    origin_server_ts: toldTime(event["origin_server_ts"]),
    ...(state_key !== undefined && { state_key }),
    ...(redacts !== undefined && { redacts }),
    ...(unsigned && { unsigned }),
  };
}

function strippedEvent(event: JsonObject): StrippedEvent | undefined {
  const [type, sender, state_key] = ["type", "sender", "state_key"].map((key) => text(event[key]));
  const content = tame(object(event["content"]));
  if (!type || !sender || state_key === undefined || !content) return undefined;
  if ([type, sender, state_key].some(isTooLong)) return undefined;
  return { type, sender, state_key, content };
}

function isTooLong(id: string): boolean {
  return id.length > LONGEST_ID;
}

/** Without what is nested too deep. */
function tame(content: JsonObject | undefined): JsonObject | undefined {
  return content && isDeeper(content, DEEPEST) ? {} : content;
}
