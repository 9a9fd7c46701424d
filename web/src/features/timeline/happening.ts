// What happened in a room, in words.

import type { RoomEvent } from "../../matrix/event";
import { object, text } from "../../matrix/json";
import type { Happening } from "../../matrix/room/messages";
import { isOurs } from "../../matrix/room/room";
import { listed, t } from "../../ui/words.svelte";
import { isRoomChange, roomChange } from "./room_change";

/** Comings and goings, which are told together where many follow each other. */
const COMMON = ["joined", "left", "invited", "declined", "removed", "banned", "renamed"] as const;
export type Common = (typeof COMMON)[number];
/** More people than these are counted instead. */
const MOST_NAMED = 3;
/** So much of a reason is told. */
const WHY_MAX = 300;

type Change = Common | "room" | "called" | "asked" | "refused" | "unbanned" | "created" | "sealed" | "upgraded";

/** `undefined`: nothing that is worth a line. */
export function changeOf(event: RoomEvent): Change | undefined {
  switch (event.type) {
    case "m.room.create":
      return "created";
    case "m.room.encryption":
      return "sealed";
    case "m.room.tombstone":
      return "upgraded";
    case "m.room.member":
      return membership(event);
    default:
      // All that is no state and is told is a call.
      return event.state_key === undefined ? "called" : isRoomChange(event) ? "room" : undefined;
  }
}

function membership(event: RoomEvent): Change | undefined {
  const before = text(object(event.unsigned?.["prev_content"])?.["membership"]);
  switch (event.content["membership"]) {
    case "join":
      return before === "join" ? "renamed" : "joined";
    case "invite":
      return "invited";
    case "ban":
      return "banned";
    case "knock":
      return "asked";
    case "leave":
      if (before === "ban") return "unbanned";
      // Who asks and thinks better of it was never there.
      if (before === "knock") return event.state_key === event.sender ? undefined : "refused";
      if (event.state_key !== event.sender) return "removed";
      return before === "invite" ? "declined" : "left";
    default:
      return undefined;
  }
}

/** Whether it may be told together with others: not what changes the room itself. */
export function isCommon(event: RoomEvent): boolean {
  const change = changeOf(event);
  return COMMON.some((one) => one === change);
}

/** One line, with the reason that was given. */
export function happening(event: RoomEvent, nameOf: (userId: string) => string): string {
  const line = what(event, nameOf);
  const why = event.type === "m.room.member" && line !== "" ? text(event.content["reason"])?.trim() : undefined;
  return why ? t.saidWhy(line, why.slice(0, WHY_MAX)) : line;
}

function what(event: RoomEvent, nameOf: (userId: string) => string): string {
  const [who, named] = [nameOf(event.sender), nameOf(event.state_key ?? "")];
  const whom = named === t.you ? t.youWhom : named;
  switch (changeOf(event)) {
    case "created":
      return t.created(who);
    case "sealed":
      return isOurs(event.content["algorithm"]) ? t.sealedFromHere : t.foreignFromHere(who);
    case "upgraded":
      return t.upgraded;
    case "joined":
      return t.joined(named);
    case "renamed":
      return renamed(event, named);
    case "called":
      return t.called(who);
    case "invited":
      return t.invitedSomebody(who, whom);
    case "asked":
      return t.asksToComeIn(named);
    case "banned":
      return t.bannedSomebody(who, whom);
    case "removed":
      return t.removedSomebody(who, whom);
    case "refused":
      return t.refusedSomebody(who, whom);
    case "unbanned":
      return t.letBack(who, whom);
    case "declined":
      return t.declinedInvite(named);
    case "left":
      return t.left(named);
    case "room":
      return roomChange(event, who, nameOf);
    case undefined:
      return "";
  }
}

/** Whoever is called otherwise now was called something before, which is known where the server tells it. */
function renamed(event: RoomEvent, named: string): string {
  const before = object(event.unsigned?.["prev_content"]);
  const [from, to] = [before, event.content].map((content) => text(content?.["displayname"]) ?? event.state_key ?? "");
  if (!from || !to || from === to) return before ? t.pictureSet(named) : t.renamed(named);
  return t.renamedTo(named === t.you ? named : from, to);
}

/** Whether it is what everybody does who makes a room. */
export function isSetup(event: RoomEvent, creator: string): boolean {
  const change = changeOf(event);
  return event.sender === creator && (change === "room" || (change === "joined" && event.state_key === creator));
}

/** Many in one line: "5 people came in · Lena left". */
export function together(items: readonly Happening[], nameOf: (userId: string) => string): string {
  const found = new Map<Common, Set<string>>();
  for (const { event } of items) {
    const change = COMMON.find((one) => one === changeOf(event));
    if (!change) continue;
    found.set(change, (found.get(change) ?? new Set()).add(event.state_key ?? ""));
  }
  const parts = [...found].map(([change, people]) => {
    const who = people.size > MOST_NAMED ? t.people(people.size) : listed([...people].map(nameOf));
    return t.together[change](who, people.size);
  });
  return parts.join(" · ");
}
