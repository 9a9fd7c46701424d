// Whether what is said about a message counts: an edit, a reaction, a vote, an answer.
//
// Relations are inside what is sealed, and name the event and the message that their author meant ("Message id" in
// docs/protocol.md). A server chooses which events it shows, and may write others in clear: neither puts words into a
// message that was sealed.

import type { RoomEvent } from "../event";
import type { Opened } from "./opened";
import type { Room } from "./room";

type Read = Extract<Opened, { status: "read" }>;

/** Whether what an event says about another is what its author meant. */
export function isMeant(room: Room, event: RoomEvent, targetId: string): boolean {
  const target = room.timeline.find(targetId);
  const isTargetSealed = target?.type === "m.room.encrypted";
  // In clear, anybody could have written it.
  if (event.type !== "m.room.encrypted") return !isTargetSealed;
  const opened = readOf(room, event);
  if (!opened || opened.isRelationWrong) return false;
  // It was checked when it was opened, or there is nothing yet to check it by.
  if (opened.means === undefined || !target) return true;
  if (!isTargetSealed) return opened.means === null;
  const messageId = readOf(room, target)?.messageId;
  return messageId === undefined || messageId === opened.means;
}

/** Whether an event is by the author of another: what was shared by somebody else proves no author. */
export function isByAuthor(room: Room, event: RoomEvent, target: RoomEvent): boolean {
  if (event.sender !== target.sender) return false;
  const [said, about] = [readOf(room, event), readOf(room, target)];
  if (!said || said.isProven) return true;
  return about !== undefined && !about.isProven && about.sharedBy === said.sharedBy;
}

function readOf(room: Room, event: RoomEvent): Read | undefined {
  const opened = room.opened.get(event.event_id);
  return opened?.status === "read" ? opened : undefined;
}
