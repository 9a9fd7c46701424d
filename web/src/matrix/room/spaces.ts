// Spaces: rooms that hold rooms.

import { childrenOf } from "../api/rooms";
import type { Room } from "./room";

/** Ids of the rooms that a space holds, in its order. */
export function childIds(space: Room): string[] {
  return childrenOf(space.states("m.space.child")).map(({ roomId }) => roomId);
}

/** The spaces of this user that hold a room. */
export function spacesOf(rooms: Room[], roomId: string): Room[] {
  return joinedSpaces(rooms).filter((space) => childIds(space).includes(roomId));
}

/** Of spaces by which people come in, the first known one that anybody can enter: by it anybody comes in. */
export function openSpace(rooms: Room[], ids: readonly string[]): Room | undefined {
  return rooms.find((room) => ids.includes(room.id) && room.isSpace && room.state("m.room.join_rules")?.content["join_rule"] === "public");
}

function joinedSpaces(rooms: Room[]): Room[] {
  return rooms.filter((room) => room.isSpace && room.membership === "join");
}

/** Spaces that are not in another of this user's: those that stand in the rail. */
export function rootSpaces(rooms: Room[]): Room[] {
  const spaces = joinedSpaces(rooms);
  const inner = new Set(spaces.flatMap((space) => childIds(space).filter((id) => id !== space.id)));
  const roots = spaces.filter(({ id }) => !inner.has(id));
  // Spaces that hold each other have no root.
  return roots.length > 0 ? roots : spaces;
}

/** All rooms below a space, also in spaces that it holds; the space itself is not one. */
export function below(rooms: ReadonlyMap<string, Room>, space: Room): Set<string> {
  const found = new Set<string>();
  const waiting = [space];
  const seen = new Set([space.id]);
  for (let one = waiting.pop(); one; one = waiting.pop()) {
    for (const id of childIds(one)) {
      const child = rooms.get(id);
      if (!child?.isSpace) found.add(id);
      else if (!seen.has(id)) {
        seen.add(id);
        waiting.push(child);
      }
    }
  }
  return found;
}
