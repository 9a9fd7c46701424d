// What is in a space, as rows with a depth.

import type { Branch } from "../api/rooms";

export interface Row {
  /** The way to it: a room may stand in several spaces. */
  id: string;
  room: Branch;
  depth: number;
  /** The space that holds it. */
  parent: string;
  via: string[];
  isSuggested: boolean;
}

/** As deep as the server is asked; and no more than anybody reads, however spaces hold each other. */
const DEEPEST = 3;
const MOST = 1000;

/** The rooms below `root` in their order; each space once on each way, and none that the server did not show. */
export function rowsOf(rooms: Branch[], root: string): Row[] {
  const byId = new Map(rooms.map((room) => [room.roomId, room]));
  const rows: Row[] = [];
  const walk = (parent: string, above: ReadonlySet<string>) => {
    const here = new Set(above);
    for (const { roomId, via, isSuggested } of byId.get(parent)?.children ?? []) {
      const room = byId.get(roomId);
      if (!room || here.has(roomId) || rows.length >= MOST) continue;
      here.add(roomId);
      const way = [...above, roomId];
      rows.push({ id: way.join(" "), room, depth: above.size - 1, parent, via, isSuggested });
      if (room.isSpace && above.size < DEEPEST) walk(roomId, new Set(way));
    }
  };
  walk(root, new Set([root]));
  return rows;
}
