import { expect, test } from "vitest";

import type { KeptMessage, KeptPage } from "../crypto/kept";
import { KeptSearch, type KeptSource } from "./kept";
import { hasWords } from "./words";

const message = (eventId: string, ts: number, body: string, more: Partial<KeptMessage> = {}): KeptMessage => ({
  ...{ roomId: "!a", eventId, sender: "@lena:a", ts, body, matches: false, isProven: true, sharedBy: undefined },
  ...{ messageId: `id of ${eventId}`, target: undefined, means: undefined, ...more },
});
const edit = (eventId: string, ts: number, target: string, body: string, more: Partial<KeptMessage> = {}) =>
  message(eventId, ts, body, { target, ...more });

/** A device that keeps these, two on a page. */
function source(all: KeptMessage[]): KeptSource {
  const looked = (one: KeptMessage, words: string[]) => ({ ...one, matches: hasWords(one.body, words) });
  return {
    searchKept: async (_, words, after): Promise<KeptPage> => {
      const from = Number(after ?? 0);
      const page = all.slice(from, from + 2).map((one) => looked(one, words));
      const messages = page.filter((one) => one.matches || one.target !== undefined);
      return { messages, looked: page.length, total: all.length, next: from + 2 < all.length ? `${from + 2}` : undefined };
    },
    keptMessage: async (_, eventId, words) => all.filter((one) => one.eventId === eventId).map((one) => looked(one, words))[0],
  };
}

async function found(all: KeptMessage[], words: string[]): Promise<string[]> {
  const search = new KeptSearch(source(all), ["!a"], words);
  await search.run(new AbortController().signal, () => {});
  expect([search.looked, search.total]).toEqual([all.length, all.length]);
  return search.hits.map(({ eventId, body }) => `${eventId} ${body}`);
}

test("a message is found by what it says after its last edit, in whatever order they lie, the newest first", async () => {
  const all = [
    edit("$4", 4, "$1", "pears"), message("$1", 1, "apples"), message("$2", 2, "pears too"), edit("$3", 3, "$1", "plums"),
    message("$5", 5, "pears at last"), edit("$6", 6, "$5", "plums at last"),
  ];
  expect(await found(all, ["pears"])).toEqual(["$2 pears too", "$1 pears"]);
  expect(await found(all, ["plums"])).toEqual(["$5 plums at last"]);
  expect(await found(all, ["apples"])).toEqual([]);
});

test("nobody else's edits count, nor such under a shared key, nor about another message", async () => {
  const all = [
    message("$1", 1, "apples"), edit("$2", 2, "$1", "plums", { sender: "@eve:a" }),
    edit("$3", 3, "$1", "plums", { isProven: false, sharedBy: "@eve:a" }), edit("$4", 4, "$1", "plums", { means: "id of another" }),
  ];
  expect(await found(all, ["plums"])).toEqual([]);
  expect(await found(all, ["apples"])).toEqual(["$1 apples"]);
});

test("what is found is told page by page, until somebody stops it", async () => {
  const all = Array.from({ length: 9 }, (_, at) => message(`$${at}`, at, "pears"));
  const stop = new AbortController();
  const search = new KeptSearch(source(all), ["!a"], ["pears"]);
  const counts: number[] = [];
  await search.run(stop.signal, () => {
    counts.push(search.hits.length);
    if (counts.length === 2) stop.abort();
  });
  expect(counts).toEqual([2, 4]);
});
