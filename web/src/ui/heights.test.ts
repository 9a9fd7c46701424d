import { expect, test } from "vitest";

import { Heights } from "./heights";

const rows = (count: number) => Array.from({ length: count }, (_, at) => ({ id: `r${at}` }));

test("a row is found at the height at which it stands, measured or guessed", () => {
  const heights = new Heights(() => 20);
  heights.set(rows(10_000));
  expect(heights.total).toBe(200_000);
  expect(heights.measure("r3", 120)).toBe(true);
  expect(heights.measure("r3", 120.2)).toBe(false);
  expect(heights.top(4)).toBe(180);
  expect([heights.at(-5), heights.at(59), heights.at(60), heights.at(179), heights.at(180)]).toEqual([0, 2, 3, 3, 4]);
  expect(heights.at(1e9)).toBe(9_999);
});

test("what was measured stays known when older rows come above", () => {
  const heights = new Heights(() => 20);
  heights.set(rows(3));
  heights.measure("r1", 50);
  heights.set([{ id: "older" }, ...rows(3)]);
  expect(heights.placeOf("r1")).toBe(2);
  expect([heights.top(2), heights.top(3), heights.total]).toEqual([40, 90, 110]);
  heights.set([]);
  expect([heights.total, heights.at(10)]).toEqual([0, 0]);
});

test("rows that come at the end, or change there, leave those above as they are", () => {
  const heights = new Heights(() => 20);
  heights.set(rows(4));
  heights.measure("r0", 70);
  expect(heights.total).toBe(130);
  heights.set([...rows(3), { id: "echo" }]);
  expect([heights.placeOf("r3"), heights.placeOf("echo"), heights.top(3), heights.total]).toEqual([undefined, 3, 110, 130]);
  heights.set([...rows(4), { id: "echo" }]);
  expect([heights.placeOf("r3"), heights.placeOf("echo"), heights.total]).toEqual([3, 4, 150]);
  heights.forget();
  expect([heights.placeOf("r3"), heights.total]).toEqual([3, 100]);
});
