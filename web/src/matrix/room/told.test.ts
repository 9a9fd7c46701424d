import { expect, test } from "vitest";

import { durationOf, sizeOf } from "./told";

test("of a file that is told which no file can be, as that it is less than nothing, is not told", () => {
  const told = (info: object) => [sizeOf({ info: { ...info } }), durationOf({ info: { ...info } })];
  expect(told({ size: 0, duration: 0 })).toEqual([0, 0]);
  expect(told({ size: 120_000_000, duration: 3_600_000 })).toEqual([120_000_000, 3_600_000]);
  for (const value of [-1, 1e300, "7", null, {}]) expect(told({ size: value, duration: value })).toEqual([undefined, undefined]);
  expect(sizeOf({})).toBeUndefined();
});
