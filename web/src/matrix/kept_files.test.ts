import { expect, test } from "vitest";

import { KeptFiles } from "./kept_files";

const MIB = 1024 * 1024;

test("the files that were wanted last are kept, and no more than fit", () => {
  const kept = new KeptFiles();
  const blob = new Blob([new Uint8Array(8 * MIB)]);
  for (let at = 0; at < 8; at += 1) kept.keep(`${at}`, blob);
  expect(kept.get("0")).toBe(blob);
  kept.keep("8", blob);
  expect(["0", "1", "2", "8"].map((name) => kept.get(name) !== undefined)).toEqual([true, false, true, true]);
  const large = new Blob([new Uint8Array(8 * MIB + 1)]);
  expect(kept.keep("large", large)).toBe(large);
  expect(kept.get("large")).toBeUndefined();
});
