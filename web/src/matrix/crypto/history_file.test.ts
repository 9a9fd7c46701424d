import { expect, test } from "vitest";

import { inFiles, packHistory, unpackHistory, type RoomKeys } from "./history_file";

const rooms: RoomKeys[] = ["!ä:a.test", "!b:a.test", "!c:a.test"].map((id, at) => [id, new Uint8Array(100 * at).fill(at)]);

test("keys of rooms come out of a file as they went in, and a file that is cut off is refused", () => {
  const packed = packHistory(rooms);
  expect(unpackHistory(packed)).toEqual(rooms);
  expect(unpackHistory(new Uint8Array())).toEqual([]);
  for (const end of [1, 5, packed.length - 1]) expect(() => unpackHistory(packed.subarray(0, end))).toThrow(RangeError);
});

test("many rooms go into several files, and a large one alone", () => {
  const files = inFiles(rooms, 200);
  expect(files.map((file) => file.map(([id]) => id))).toEqual([["!ä:a.test", "!b:a.test"], ["!c:a.test"]]);
  expect(inFiles([], 200)).toEqual([]);
});
