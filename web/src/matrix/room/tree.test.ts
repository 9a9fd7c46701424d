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

test("rows are told apart where a room stands in several places; spaces in spaces without end do come to one", () => {
  const shared = [branch("!root", ["!a", "!b", "!a"]), branch("!a", ["!x"]), branch("!b", ["!x"]), branch("!x", ["!deep"])];
  const rows = rowsOf([...shared, branch("!deep", ["!deeper"]), branch("!deeper", [])], "!root");
  expect(rows.map(({ room }) => room.roomId)).toEqual(["!a", "!x", "!deep", "!b", "!x", "!deep"]);
  expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
  const names = Array.from({ length: 50 }, (_, at) => `!${at}`);
  expect(rowsOf(names.map((name) => branch(name, names)), "!0").length).toBeLessThanOrEqual(1000);
});
