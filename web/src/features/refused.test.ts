import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { MatrixError, Unreachable } from "../matrix/api/error";
import { speak } from "../ui/words.svelte";
import { saidBy, Told } from "./refused";

beforeEach(async () => {
  vi.stubGlobal("document", { documentElement: {} });
  await speak("de");
});

afterEach(async () => {
  await speak("en");
  vi.unstubAllGlobals();
});

const refused = (errcode: string, error?: string, more: object = {}, status = 403) =>
  new MatrixError(status, { errcode, ...(error !== undefined && { error }), ...more });

test("a code is told in the person's language, without the server's English", () => {
  expect(saidBy(refused("M_USER_IN_USE", "User ID already taken."))).toBe("Dieser Name ist vergeben.");
  expect(saidBy(refused("M_INCOMPATIBLE_ROOM_VERSION", "Your homeserver does not support this room"))).toBe("Dein Server ist zu alt für diesen Raum.");
  expect(saidBy(refused("M_NOT_FOUND", "Room alias not found"))).toBe("Das gibt es nicht, oder nicht mehr.");
});

test("what is forbidden has the server's reason, if it says more than that", () => {
  const words = "Das darfst du hier nicht.";
  const plain = [
    "You don't have permission to post that to the room. user_level (0) < send_level (50)", "You are not in this room",
    "User @lena:garden.example not in room !a:garden.example", "Forbidden", "You may not delete this alias", "The room does not allow this event any more",
  ];
  for (const sentence of plain) expect(saidBy(refused("M_FORBIDDEN", sentence))).toBe(words);
  expect(saidBy(refused("M_FORBIDDEN"))).toBe(words);
  expect(saidBy(refused("M_FORBIDDEN", "This looks like spam"))).toBe(`${words} Der Server sagt: „This looks like spam“`);
});

test("where a place knows better what a code means, its words are taken", async () => {
  const here = { M_FORBIDDEN: "Nur auf Einladung." };
  expect(saidBy(refused("M_FORBIDDEN", "You are not invited"), here)).toBe("Nur auf Einladung.");
  expect(saidBy(refused("M_USER_IN_USE"), here)).toBe("Dieser Name ist vergeben.");
});

test("how long to wait is told, rounded up, unless it is out of all reason", () => {
  const after = (ms: number) => saidBy(refused("M_LIMIT_EXCEEDED", "Too Many Requests", { retry_after_ms: ms }, 429));
  expect(after(39_001)).toBe("Zu viele Versuche. Versuch es in 40 Sekunden noch einmal.");
  expect(after(1000)).toContain("in 1 Sekunde noch");
  expect(after(91_000)).toContain("in 2 Minuten");
  expect(after(3 * 3_600_000)).toContain("in 3 Stunden");
  for (const ms of [0, -5, 1e12, 1e300]) expect(after(ms)).toBe("Zu viele Versuche. Warte ein wenig und versuch es dann noch einmal.");
});

test("of a code that is not known the server's own sentence is told, and of one whose sentence helps", () => {
  expect(saidBy(refused("ORG.EXAMPLE_MOON", "The moon is full"))).toBe("Der Server hat das nicht angenommen. Der Server sagt: „The moon is full“");
  expect(saidBy(refused("M_WEAK_PASSWORD", "Needs a digit", {}, 400))).toContain("Der Server sagt: „Needs a digit“");
  expect(saidBy(new MatrixError(502, {}))).toBe("Der Server hat ein Problem. Versuch es gleich noch einmal.");
  expect(saidBy(new MatrixError(413, {}))).toBe("Das ist größer, als dieser Server annimmt.");
  // Names that every object has are no codes.
  expect(saidBy(refused("constructor", "x"))).toContain("Der Server sagt: „x“");
});

test("a server's sentence neither turns the line nor fills the screen", () => {
  const said = saidBy(refused("M_UNKNOWN", `a\u202eb\n\n\u0000c ${"😀".repeat(5000)}`));
  expect(said).toContain("„a b c 😀");
  expect([...said].length).toBeLessThan(300);
  expect(said).toMatch(/😀…“$/u);
});

test("what is no server's refusal is told as what it is", () => {
  const logged = vi.spyOn(console, "error").mockReturnValue();
  expect(saidBy(new Unreachable("gone"))).toMatch(/^Der Server hat nicht geantwortet/);
  expect(saidBy(new Told("Schon gesagt."))).toBe("Schon gesagt.");
  expect(logged).not.toHaveBeenCalled();
  expect(saidBy(new TypeError("x is undefined"))).toBe("Das hat nicht geklappt");
  expect(logged).toHaveBeenCalled();
});
