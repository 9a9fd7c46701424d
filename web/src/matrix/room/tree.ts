// What is in a space, as rows with a depth.

import type { Branch } from "../api/rooms";

export interface Row {
  room: Branch;
  depth: number;
  /** The space that holds it. */
  parent: string;
  via: string[];
  isSuggested: boolean;
}

/** The rooms below `root` in their order; each space once on each way, and none that the server did not show. */
export function rowsOf(rooms: Branch[], root: string): Row[] {
  const byId = new Map(rooms.map((room) => [room.roomId, room]));
  const rows: Row[] = [];
  const walk = (parent: string, above: ReadonlySet<string>) => {
    for (const { roomId, via, isSuggested } of byId.get(parent)?.children ?? []) {
      const room = byId.get(roomId);
      if (!room || above.has(roomId)) continue;
      rows.push({ room, depth: above.size - 1, parent, via, isSuggested });
      if (room.isSpace) walk(roomId, new Set([...above, roomId]));
    }
  };
  walk(root, new Set([root]));
  return rows;
}
