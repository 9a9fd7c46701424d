import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { ahead, fileSize, speak, t } from "./words.svelte";

beforeEach(() => void vi.stubGlobal("document", { documentElement: {} }));

afterEach(async () => {
  await speak("en");
  vi.unstubAllGlobals();
});

test("the page is marked with the language that is spoken", async () => {
  await speak("de");
  expect(document.documentElement.lang).toBe("de");
  await speak("en");
  expect(document.documentElement.lang).toBe("en");
});

test("numbers are written as the language does, with its forms for one and for more", async () => {
  expect([t.people(1), t.people(12_345), fileSize(1_500_000)]).toEqual(["1 person", "12,345 people", "1.5 MB"]);
  expect(t.placeWithin(1500)).toBe("within 1.5 km");
  await speak("de");
  expect([t.people(1), t.people(0), t.people(12_345)]).toEqual(["1 Person", "0 Personen", "12.345 Personen"]);
  expect(fileSize(1_500_000)).toBe("1,5 MB");
  expect(t.placeWithin(1500)).toBe("auf 1,5 km genau");
  expect(ahead(1500)).toBe("in 2 Sekunden");
});
