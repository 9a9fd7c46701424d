import { expect, test } from "vitest";

import { CHUNK, HEADER, mostWithin, padded, TAG } from "./pieces";

function sealedSize(size: number): number {
  const sealed = HEADER + size + TAG * (Math.floor(size / CHUNK) + 1);
  return sealed + 32 * Math.ceil(sealed / 1024 ** 2);
}

test("sizes fall into few classes, and grow by a ninth at the most", () => {
  const classes = new Set<number>();
  for (let size = 100_000; size < 200_000; size += 97) {
    const found = padded(size);
    classes.add(found);
    expect(found).toBeGreaterThanOrEqual(size);
    expect(found / size).toBeLessThan(1.12);
    expect(padded(found)).toBe(found);
  }
  expect(classes.size).toBeLessThan(40);
  expect([0, 1, 2, 9].map(padded)).toEqual([0, 1, 2, 10]);
});

test("what is within a limit is so when it is sealed, and one byte more is not", () => {
  for (const limit of [200, 20_000, 16_489, 1_000_000, 52_428_800]) {
    const most = mostWithin(limit);
    expect(sealedSize(most)).toBeLessThanOrEqual(limit);
    expect(sealedSize(most + 1 + TAG + 32)).toBeGreaterThan(limit);
  }
  expect(mostWithin(10)).toBe(0);
});
