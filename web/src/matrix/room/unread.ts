// What was not read yet: in a room, and in the threads that one does not see there.

import type { RoomEvent } from "../event";
import { object, text, type JsonObject } from "../json";
import { isMeant } from "./about";
import { inside, isSpoken, threadOf, type Unheard } from "./messages";
import { mayNotify } from "./power";
import type { Room } from "./room";

export interface Unread {
  count: number;
  highlights: number;
  /** The first event that was not read, where it is known. */
  first: string | undefined;
}

/** What is unread: counted here after the last read event; where that is too long ago, as the server counts. */
export function unread(room: Room, me: string, myName: string, unheard?: Unheard): Unread {
  const events = room.timeline.events;
  const from = readUntil(room, me);
  const isHeard = ({ event }: Spoken) => unheard?.has(event.sender) !== true;
  const passed = passedOver(room, me, from).filter(isHeard);
  const isMention = ({ event, content }: Spoken) => mentions(room, event.sender, content, me, myName);
  if (from === -1 && room.sealing !== "ours") {
    return { count: room.notifications, highlights: room.highlights, first: undefined };
  }
  const unseen = events.slice(from + 1).flatMap((event) => spokenBy(room, event, me) ?? []).filter(isHeard);
  return {
    count: passed.length + unseen.length,
    highlights: passed.filter(isMention).length + unseen.filter(isMention).length,
    first: unseen[0]?.event.event_id,
  };
}

/** The room was read as far as it is known: of its threads, those in which something was said since are unread. */
export function passOver(room: Room, me: string): void {
  for (const event of room.timeline.events.slice(readUntil(room, me) + 1)) {
    const root = spokenBy(room, event, me) && threadIn(room, event);
    if (root !== undefined && !room.unreadThreads.has(root)) room.unreadThreads.set(root, event.event_id);
  }
}

/** The thread in which an event is found, if it is not shown in the room itself: where its beginning is known. */
function threadIn(room: Room, event: RoomEvent): string | undefined {
  const root = threadOf(inside(room, event).content);
  return root !== undefined && room.timeline.find(root) && isMeant(room, event, root) ? root : undefined;
}

/** What was said in unread threads up to a place of the timeline. */
function passedOver(room: Room, me: string, until: number): Spoken[] {
  if (room.unreadThreads.size === 0) return [];
  const begun = new Set<string>();
  return room.timeline.events.slice(0, until + 1).flatMap((event) => {
    const root = threadIn(room, event);
    if (root === undefined) return [];
    if (room.unreadThreads.get(root) === event.event_id) begun.add(root);
    return begun.has(root) ? (spokenBy(room, event, me) ?? []) : [];
  });
}

/** The place of the last event that was read, or said by oneself: what one says in a thread tells nothing of the room. */
export function readUntil(room: Room, me: string): number {
  const receipt = room.receipts.get(me);
  return room.timeline.events.findLastIndex((event) => {
    return event.event_id === receipt?.eventId || (event.sender === me && threadIn(room, event) === undefined);
  });
}

type Spoken = { event: RoomEvent } & ReturnType<typeof inside>;

/** What somebody else said; also if it can't be read yet. */
function spokenBy(room: Room, event: RoomEvent, me: string): Spoken | undefined {
  if (event.sender === me || event.state_key !== undefined) return undefined;
  const found = inside(room, event);
  const isUnreadable = found.type === "m.room.encrypted" && found.seal !== "duplicate";
  return isSpoken(found) || isUnreadable ? { event, ...found } : undefined;
}

function mentions(room: Room, sender: string, content: JsonObject, me: string, myName: string): boolean {
  const mentioned = object(content["m.mentions"]);
  const ids = mentioned?.["user_ids"];
  const isToAll = mentioned?.["room"] === true && mayNotify(room, sender, "room");
  if (mentioned) return isToAll || (Array.isArray(ids) && ids.includes(me));
  const body = text(content["body"])?.toLowerCase() ?? "";
  return myName.length > 1 && body.includes(myName.toLowerCase());
}
