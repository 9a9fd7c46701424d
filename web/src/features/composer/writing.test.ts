import { expect, test, vi } from "vitest";

import { Room } from "../../matrix/room/room";
import type { Message } from "../../matrix/room/messages";
import { editOf, keptEdit, type Edit } from "../../matrix/store/drafts";
import { t } from "../../ui/words.svelte";
import type { Live } from "../live.svelte";
import type { About } from "./compose";
import { Writing } from "./writing.svelte";

/** Somebody writes; what they say can't be kept as long as `fails`. */
function made(begun?: Edit) {
  vi.spyOn(console, "error").mockImplementation(() => {});
  const state = { fails: true, about: undefined as About | undefined, draft: "", edit: begun, sent: [] as unknown[] };
  const add = async (_room: string, _type: string, content: { body: string }) => {
    if (state.fails) throw new Error("the disk is full");
    state.sent.push(content.body);
  };
  const client = { me: "@me:a", queue: { add }, api: { typing: async () => {} } };
  const writing = new Writing({ client } as unknown as Live, new Room("!a"), "", begun, {
    about: () => state.about,
    thread: () => undefined,
    ondraft: (draft) => (state.draft = draft),
    onedit: (edit) => (state.edit = edit),
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
  writing.edit(message);
  writing.words = "Thursday";
  const sending = writing.send();
  expect(state.edit).toBeUndefined();
  writing.edit(undefined);
  await sending;
  expect(state.about).toMatchObject({ kind: "edit" });
  expect(state.edit).toEqual({ id: "$1", words: "Thursday" });
  writing.edit(message);
  expect(writing.words).toBe("Thursday");
});

test("an edit that could not be put on its way comes before an answer that was begun since", async () => {
  const { state, writing } = made();
  const message = { id: "$1", sender: "@me:a", content: { body: "Tuesday" } } as unknown as Message;
  state.about = { kind: "edit", message };
  writing.edit(message);
  writing.words = "Thursday";
  const sending = writing.send();
  state.about = { kind: "reply", message: { id: "$2", sender: "@lena:a", threadRoot: undefined } };
  writing.edit(undefined);
  writing.words = "I do";
  await sending;
  expect(state).toMatchObject({ about: { kind: "edit" }, edit: { id: "$1", words: "Thursday" } });
  writing.edit(message);
  expect(writing.words).toBe("Thursday");
  writing.edit(undefined);
  expect(writing.words).toBe("I do");
});

test("an edit is kept as it is written, goes on where it was, and leaves the draft alone", () => {
  const message = (id: string, body: string) => ({ id, sender: "@me:a", content: { body } }) as unknown as Message;
  const first = made();
  first.writing.words = "something new";
  first.writing.keep();
  first.state.about = { kind: "edit", message: message("$1", "Tuesday") };
  first.writing.edit(message("$1", "Tuesday"));
  first.writing.words = "Thursday\nat four";
  first.writing.keep();
  expect(first.state).toMatchObject({ draft: "something new", edit: { id: "$1", words: "Thursday\nat four" } });

  const next = made(first.state.edit && editOf(keptEdit(first.state.edit)));
  next.writing.edit(message("$1", "Tuesday"));
  expect(next.writing.words).toBe("Thursday\nat four");
  next.writing.edit(undefined);
  expect(next.state.edit).toBeUndefined();

  const other = made({ id: "$1", words: "Thursday" });
  other.writing.edit(message("$2", "Wednesday"));
  expect(other.writing.words).toBe("Wednesday");
});
