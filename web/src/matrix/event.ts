// Events as a client gets them.

import { number, object, objects, text, type JsonObject } from "./json";

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

/** Those of a list that are events. */
export function roomEvents(value: unknown): RoomEvent[] {
  return objects(value).flatMap((event) => roomEvent(event) ?? []);
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
  const [event_id, type, sender] = ["event_id", "type", "sender"].map((key) => text(event[key]));
  const content = object(event["content"]);
  if (!event_id || type === undefined || !sender || !content) return undefined;
  const state_key = text(event["state_key"]);
  const redacts = text(event["redacts"]) ?? text(content["redacts"]);
  const unsigned = object(event["unsigned"]);
  return {
    event_id,
    type,
    sender,
    content,
    origin_server_ts: number(event["origin_server_ts"]) ?? 0,
    ...(state_key !== undefined && { state_key }),
    ...(redacts !== undefined && { redacts }),
    ...(unsigned && { unsigned }),
  };
}

function strippedEvent(event: JsonObject): StrippedEvent | undefined {
  const [type, sender, state_key] = ["type", "sender", "state_key"].map((key) => text(event[key]));
  const content = object(event["content"]);
  if (!type || !sender || state_key === undefined || !content) return undefined;
  return { type, sender, state_key, content };
}
