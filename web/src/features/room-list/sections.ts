// Which rooms stand where in the list.

import type { Room } from "../../matrix/room/room";
import { takenOut } from "../../matrix/room/taken_out";

export type Section = "invitations" | "asking" | "favourites" | "rooms" | "lowPriority";

const ORDER: Section[] = ["invitations", "asking", "favourites", "rooms", "lowPriority"];

/** Rooms in their sections, the most active first; `only`: those that one looks at. */
export function sections<S extends { room: Room; ts: number }>(
  rooms: Room[],
  summary: (room: Room) => S,
  me: string,
  only?: ReadonlySet<string>,
): [Section, S[]][] {
  const found = new Map<Section, S[]>(ORDER.map((section) => [section, []]));
  for (const room of rooms) {
    // Invitations and what was asked for are shown wherever one is, also of spaces: else they are found by chance.
    // Out of which somebody was taken: until that was seen and it is taken from the list.
    const isTakenOut = takenOut(room, me) !== undefined;
    const isIn = room.membership === "join" || isTakenOut;
    if (!isIn && !["invite", "knock"].includes(room.membership)) continue;
    // Spaces stand in the rail as long as one is in them.
    if (isIn && ((room.isSpace && !isTakenOut) || (only && !only.has(room.id)))) continue;
    found.get(sectionOf(room))?.push(summary(room));
  }
  for (const listed of found.values()) listed.sort((a, b) => b.ts - a.ts);
  return [...found].filter(([, listed]) => listed.length > 0);
}

function sectionOf(room: Room): Section {
  if (room.membership === "invite") return "invitations";
  if (room.membership === "knock") return "asking";
  if ("m.favourite" in room.tags) return "favourites";
  return "m.lowpriority" in room.tags ? "lowPriority" : "rooms";
}
