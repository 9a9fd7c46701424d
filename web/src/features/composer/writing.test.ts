import { expect, test, vi } from "vitest";

import { Room } from "../../matrix/room/room";
import type { Message } from "../../matrix/room/messages";
import { editOf, keptEdit, type Edit } from "../../matrix/store/drafts";
import { t } from "../../ui/words.svelte";
import type { Live } from "../live.svelte";
import type { About } from "./compose";
import { Tray, type ToSend } from "./tray.svelte";
import { Writing } from "./writing.svelte";

/** Somebody writes; what they say can't be kept as long as `fails`. */
function made(begun?: Edit) {
  vi.spyOn(console, "error").mockImplementation(() => {});
  const state = { fails: true, about: undefined as About | undefined, draft: "", edit: begun, sent: [] as unknown[], files: [] as ToSend[] };
  const tray = new Tray();
  const add = async (_room: string, _type: string, content: { body: string }) => {
    if (state.fails) throw new Error("the disk is full");
    state.sent.push(content.body);
  };
  const client = { me: "@me:a", queue: { add }, api: { typing: async () => {} } };
  const writing = new Writing({ client } as unknown as Live, new Room("!a"), "", begun, {
    about: () => state.about,
    thread: () => undefined,
    tray,
    onfiles: (files) => (state.files = files),
    ondraft: (draft) => (state.draft = draft),
    onedit: (edit) => (state.edit = edit),
    onabout: (about) => (state.about = about),
    onopen: () => {},
    onleave: () => {},
  });
  return { state, writing, tray };
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

const file = (name: string) => new File(["inside"], name, { type: "application/pdf" });
const reply: About = { kind: "reply", message: { id: "$1", sender: "@lena:a", content: {} } as unknown as Message };

test("of a single file the words are what is said of it, and the answer that it is", async () => {
  const { state, writing, tray } = made();
  expect(writing.isReady).toBe(false);
  tray.add([file("roof.pdf")]);
  expect(writing.isReady).toBe(true);
  state.about = reply;
  writing.words = "the **new** roof";
  await writing.send();
  expect([state.sent, state.about, tray.files, writing.words]).toEqual([[], undefined, [], ""]);
  const said = { body: "the **new** roof", formatted_body: "<p>the <strong>new</strong> roof</p>", "m.mentions": { user_ids: ["@lena:a"] } };
  expect(state.files).toMatchObject([{ file: { name: "roof.pdf" }, said: { ...said, "m.relates_to": { "m.in_reply_to": { event_id: "$1" } } } }]);
  expect(state.files[0]?.said).not.toHaveProperty("msgtype");
  tray.add([file("wall.pdf")]);
  await writing.send();
  expect(state.files.map(({ said }) => said)).toEqual([{ "m.mentions": {} }]);
});

test("of several files each has words of its own, and what is written goes before them", async () => {
  const { state, writing, tray } = made();
  tray.add([file("roof.pdf"), file("wall.pdf")]);
  const [, wall] = tray.files;
  if (wall) wall.caption = " the wall ";
  state.about = reply;
  await writing.send();
  const relation = { "m.in_reply_to": { event_id: "$1" } };
  expect(state.files.map(({ said }) => [said["body"], said["m.relates_to"]])).toEqual([[undefined, relation], ["the wall", undefined]]);
  tray.add([file("roof.pdf"), file("wall.pdf")]);
  writing.words = "both of them";
  await writing.send();
  expect(writing.complaint).toBe(t.notComposed);
  expect([writing.words, tray.files.length]).toEqual(["both of them", 2]);
  state.fails = false;
  await writing.send();
  expect([state.sent, tray.files, state.files.map(({ said }) => said["body"])]).toEqual([["both of them"], [], [undefined, undefined]]);
});

test("files stay where they are while a message is edited, or a command is done", async () => {
  const { state, writing, tray } = made();
  tray.add([file("roof.pdf")]);
  state.fails = false;
  state.about = { kind: "edit", message: { id: "$1", sender: "@me:a", content: { msgtype: "m.text", body: "Tuesday" } } as unknown as Message };
  expect(writing.isReady).toBe(false);
  writing.words = "Thursday";
  await writing.send();
  writing.words = "/nothing";
  await writing.send();
  expect([state.sent, state.files, tray.files.length]).toEqual([["* Thursday"], [], 1]);
});
