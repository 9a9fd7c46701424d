import { expect, test, vi } from "vitest";

import { Room } from "../../matrix/room/room";
import type { Message } from "../../matrix/room/messages";
import { t } from "../../ui/words.svelte";
import type { Live } from "../live.svelte";
import type { About } from "./compose";
import { Writing } from "./writing.svelte";

/** Somebody writes; what they say can't be kept as long as `fails`. */
function made() {
  vi.spyOn(console, "error").mockImplementation(() => {});
  const state = { fails: true, about: undefined as About | undefined, draft: "", sent: [] as unknown[] };
  const add = async (_room: string, _type: string, content: { body: string }) => {
    if (state.fails) throw new Error("the disk is full");
    state.sent.push(content.body);
  };
  const client = { me: "@me:a", queue: { add }, api: { typing: async () => {} } };
  const writing = new Writing({ client } as unknown as Live, new Room("!a"), "", {
    about: () => state.about,
    thread: () => undefined,
    ondraft: (draft) => (state.draft = draft),
    onabout: (about) => (state.about = about),
    onopen: () => {},
    onleave: () => {},
  });
  return { state, writing };
}

test("words that could not be put on their way are in the field again, before what was written since", async () => {
  const { state, writing } = made();
  const message = { id: "$1", sender: "@lena:a", content: { body: "x" } } as unknown as Message;
  state.about = { kind: "reply", message };
  writing.words = "gutters come on Tuesday";
  const sending = writing.send();
  writing.words = "and";
  await sending;
  expect(writing.complaint).toBe(t.notComposed);
  expect(writing.words).toBe("gutters come on Tuesday\nand");
  expect(state).toMatchObject({ draft: writing.words, about: { kind: "reply" }, sent: [] });
  state.fails = false;
  await writing.send();
  expect([state.sent, writing.words]).toEqual([["gutters come on Tuesday\nand"], ""]);
});

test("an edit that could not be put on its way is an edit again, of the same words", async () => {
  const { state, writing } = made();
  const message = { id: "$1", sender: "@me:a", content: { body: "Tuesday" } } as unknown as Message;
  state.about = { kind: "edit", message };
  const end = writing.edit(message);
  writing.words = "Thursday";
  const sending = writing.send();
  end();
  await sending;
  expect(state.about).toMatchObject({ kind: "edit" });
  writing.edit(message);
  expect(writing.words).toBe("Thursday");
});
