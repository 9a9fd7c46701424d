import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { emoji, found } from "./emoji";
import { speak } from "./words.svelte";

beforeEach(async () => {
  vi.stubGlobal("document", { documentElement: {} });
  await speak("de");
});

afterEach(async () => {
  await speak("en");
  vi.unstubAllGlobals();
});

const first = async (term: string, most = 12) => found(await emoji(), term, most).map((one) => one.emoji);

test("every emoji has a German name", async () => {
  const names = new Map((await emoji()).map(({ emoji, description }) => [emoji, description]));
  await speak("en");
  const english = await emoji();
  expect(english.length).toBeGreaterThan(1800);
  for (const one of english) expect(names.get(one.emoji), one.emoji).toBeTruthy();
  expect(english.find((one) => one.emoji === "🐶")?.description).toBe("dog face");
  expect(names.get("🐶")).toBe("Hundegesicht");
  // With the sign that makes it a picture, and without.
  expect(names.get("❤️")).toBe("rotes Herz");
});

test("German words find an emoji, with umlauts, without them, and as they are spelt then", async () => {
  for (const term of ["Schlüssel", "schlussel", "schluessel", "SCHLÜSSEL", "Schlu\u0308ssel"]) expect(await first(term), term).toContain("🔑");
  expect(await first("fuß")).toContain("🦶");
  expect(await first("fuss")).toContain("🦶");
  expect(await first("Feuer", 4)).toContain("🔥");
});

test("English words and short names find it still, and are no other's", async () => {
  expect(await first("fire", 4)).toContain("🔥");
  expect((await first("rocket"))[0]).toBe("🚀");
  const all = await emoji();
  expect(all.filter(({ names }) => names.includes("rocket")).map((one) => one.emoji)).toEqual(["🚀"]);
  expect(all.some(({ names }) => names.includes("rakete"))).toBe(false);
});

test("in English no German word is asked", async () => {
  await speak("en");
  expect(await first("Schlüssel")).toEqual([]);
  expect((await emoji()).every(({ words }) => words.length === 0)).toBe(true);
});
