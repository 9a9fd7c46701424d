import { readFileSync } from "node:fs";

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { speak, t } from "../../ui/words.svelte";
import { Step } from "./step.svelte";

beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));
afterEach(() => vi.restoreAllMocks());

test("a step that fails says so, and goes on where it stopped", async () => {
  const log: string[] = [];
  let [isTaken, isThere] = [false, false];
  const step = new Step(async () => {
    log.push("flush");
    if (!isThere) throw new Error("no connection");
  });
  const confirm = async () => {
    log.push("confirm");
    if (!isTaken) throw new Error("refused");
  };
  const run = step.run(confirm);
  expect(step.isBusy).toBe(true);
  await run;
  expect([step.isBusy, step.error]).toEqual([false, t.stepFailed]);
  isTaken = true;
  await step.retry();
  expect(step.error).toBeDefined();
  isThere = true;
  await step.retry();
  expect(step.error).toBeUndefined();
  expect(log).toEqual(["confirm", "confirm", "flush", "flush"]);
});

test("another step takes the place of one that failed, after what is under way", async () => {
  const log: string[] = [];
  const step = new Step(async () => {});
  const first = step.run(async () => {
    await Promise.resolve();
    log.push("first");
    throw new Error("refused");
  });
  await Promise.all([first, step.run(async () => void log.push("second"))]);
  expect([log, step.error, step.isBusy]).toEqual([["first", "second"], undefined, false]);
});

test("each emoji has a German name of its own, by the specification", async () => {
  const table = /EMOJI[^=]*= \[(.*?)\n\];/s.exec(readFileSync("../e2e/src/sas.rs", "utf8"))?.[1] ?? "";
  const names = [...table.matchAll(/"([A-Z][A-Za-z ]*)"/g)].map((found) => found[1] ?? "");
  expect(names).toHaveLength(64);
  vi.stubGlobal("document", { documentElement: {} });
  await speak("de");
  expect(new Set(names.map((name) => t.emojiNames[name])).size).toBe(64);
  expect([t.emojiNames["Dog"], t.emojiNames["Pin"], t.emojiNames["Hourglass"]]).toEqual(["Hund", "Stecknadel", "Sanduhr"]);
  await speak("en");
});
