import { expect, test } from "vitest";

import { strength } from "./strength";

test("what is short, usual or repeats is weak; several words and long mixtures are good", () => {
  for (const weak of ["", "password1", "12345678", "aaaaaaaaaaaaaaaa", "qwertyui", "sommer24"]) expect([weak, strength(weak)]).toEqual([weak, "weak"]);
  for (const good of ["otter lantern quince harbour velvet", "vT7#qLz0!mWp4&kR"]) expect([good, strength(good)]).toEqual([good, "good"]);
  expect(strength("gravel oboe tundra")).toBe("fair");
});
