// By which servers others reach a room: nobody finds one by its id alone.

import { serverOf } from "../session";
import type { Room } from "./room";

const MOST = 3;

/** The server of who may do most in it, then those of most of its people. */
export function viaOf(room: Room): string[] {
  const counts = new Map<string, number>();
  let first: { userId: string; level: number } | undefined;
  for (const { content, state_key: userId } of room.states("m.room.member")) {
    if (content["membership"] !== "join") continue;
    const server = serverOf(userId);
    counts.set(server, (counts.get(server) ?? 0) + 1);
    const level = room.level(userId);
    if (!first || level > first.level) first = { userId, level };
  }
  const most = [...counts].toSorted(([, a], [, b]) => b - a).map(([server]) => server);
  return [...new Set([...(first ? [serverOf(first.userId)] : []), ...most])].slice(0, MOST);
}
