import { expect, test } from "vitest";

import type { Branch } from "../api/rooms";
import { rowsOf } from "./tree";

const branch = (roomId: string, children: string[], isSpace = children.length > 0): Branch => ({
  ...{ roomId, isSpace, name: roomId, topic: undefined, alias: undefined, avatarUrl: undefined },
  ...{ members: 1, joinRule: "public" },
  children: children.map((child) => ({ roomId: child, via: ["a"], isSuggested: false })),
});

test("rooms stand below their spaces, and spaces that hold each other come to an end", () => {
  const rooms = [
    branch("!root", ["!inner", "!plain", "!hidden"]),
    branch("!inner", ["!deep", "!root"]),
    branch("!deep", []),
    branch("!plain", []),
  ];
  const rows = rowsOf(rooms, "!root").map(({ room, depth, parent }) => [room.roomId, depth, parent]);
  expect(rows).toEqual([["!inner", 0, "!root"], ["!deep", 1, "!inner"], ["!plain", 0, "!root"]]);
});
