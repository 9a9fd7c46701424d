import { expect, test } from "vitest";

import type { Client } from "../matrix/client";
import type { RoomEvent } from "../matrix/event";
import { Room } from "../matrix/room/room";
import { Topic } from "../matrix/topic";
import { Live } from "./live.svelte";
import { Found } from "./timeline/media/found.svelte";

const event = (event_id: string, origin_server_ts: number, content: RoomEvent["content"]): RoomEvent => {
  return { event_id, type: "m.room.message", sender: "@lena:a", origin_server_ts, content };
};
const words = (id: string, ts: number) => event(id, ts, { msgtype: "m.text", body: id });
const file = (id: string, ts: number) => event(id, ts, { msgtype: "m.file", body: id, url: "mxc://a/b" });

function made() {
  const room = new Room("!a");
  room.update({ timeline: [words("$1", 1), file("$2", 2), words("$3", 3)] });
  const topic = new Topic();
  const api = { messages: async () => ({ events: [file("$0", 0)], end: undefined }) };
  const client = {
    me: "@me:a", accountData: new Map(), rooms: new Map([["!a", room]]), changed: topic, syncChanged: topic, api,
    queue: { changed: topic }, crypto: { changed: topic }, here: { isOffChanged: topic },
  };
  const live = new Live(client as unknown as Client);
  const hide = (...hides: string[]) => live.undoing.do({ words: () => "", hides, act: async () => {}, failed: String });
  return { room, live, hide };
}

test("the list of rooms does not tell what was removed a moment ago", () => {
  const { room, live, hide } = made();
  expect(live.summary(room).preview?.content["body"]).toBe("$3");
  hide("$3", "$2");
  const found = live.summary(room);
  expect([found.preview?.content["body"], found.ts]).toEqual(["$1", 1]);
  expect(live.summary(room)).toBe(found);
  live.undoing.undo();
  expect(live.summary(room).preview?.content["body"]).toBe("$3");
});

test("files that were removed a moment ago are not among the files of the room, whoever told of them", async () => {
  const { room, live, hide } = made();
  const found = new Found(live, room);
  await found.further("files");
  const ids = () => found.of("files").map(({ id }) => id);
  expect(ids()).toEqual(["$2", "$0"]);
  hide("$2", "$0");
  expect(ids()).toEqual([]);
});
