import { expect, test } from "vitest";

import type { RoomEvent } from "../event";
import { Room } from "../room/room";
import type { Client } from "../client";
import { searchHere, searchRoom, searchServer, together } from "./search";

function roomOf(id: string, events: [body: string, more?: Partial<RoomEvent>][]): Room {
  const room = new Room(id);
  const timeline = events.map(([body, more], at): RoomEvent => ({
    ...{ event_id: `${id}${at}`, type: "m.room.message", sender: "@lena:a", origin_server_ts: at },
    content: { msgtype: "m.text", body },
    ...more,
  }));
  room.update({ timeline, isInitial: true });
  return room;
}

const edit = (of: string, body: string): Partial<RoomEvent> => ({
  content: { body: `* ${body}`, "m.new_content": { body }, "m.relates_to": { rel_type: "m.replace", event_id: of } },
});

test("all words have to be there, whatever their case and accents; the newest comes first", () => {
  const room = roomOf("!a", [["Crème brûlée"], ["a brulee without"], ["BRULEE and creme again"]]);
  expect(searchRoom(room, "creme brulee").map(({ eventId }) => eventId)).toEqual(["!a2", "!a0"]);
  expect(searchRoom(room, "  ")).toEqual([]);
});

test("a message is found by what it says after its edit, and by nobody else's", () => {
  const room = roomOf("!a", [["apples"], ["", edit("!a0", "pears")], ["", { ...edit("!a0", "plums"), sender: "@other:a" }]]);
  expect(searchRoom(room, "pears").map(({ eventId }) => eventId)).toEqual(["!a0"]);
  expect(searchRoom(room, "apples")).toEqual([]);
  expect(searchRoom(room, "plums")).toEqual([]);
});

test("sealed words are found when they were read, and removed ones are not", () => {
  const sealed: Partial<RoomEvent> = { type: "m.room.encrypted", content: {} };
  const room = roomOf("!a", [["", sealed], ["", sealed], ["gone", { unsigned: { redacted_because: {} } }]]);
  room.opened.set("!a0", {
    ...{ status: "read", type: "m.room.message", content: { body: "under the stairs" }, isVerified: true, sharedBy: undefined },
    ...{ isProven: true, warnings: [], isRelationWrong: false },
  });
  expect(searchHere([room], "stairs", 10)).toMatchObject([{ eventId: "!a0", body: "under the stairs" }]);
  expect(searchHere([room], "gone", 10)).toEqual([]);
});

test("words that a server plants by an edit in clear, or about another message, are not found in a sealed one", () => {
  const sealed: Partial<RoomEvent> = { type: "m.room.encrypted", content: {} };
  const room = roomOf("!a", [["", sealed], ["planted", edit("!a0", "planted")], ["", sealed]]);
  room.pinSealed();
  const read = { status: "read" as const, type: "m.room.message", isVerified: true, sharedBy: undefined, isProven: true, warnings: [] as { userId: string; deviceId: string }[] };
  room.opened.set("!a0", { ...read, content: { body: "true words" }, isRelationWrong: false });
  room.opened.set("!a2", { ...read, content: edit("!a0", "misled").content ?? {}, isRelationWrong: true });
  const found = (term: string) => searchHere([room], term, 10).map(({ eventId }) => eventId);
  expect([found("true words"), found("planted")]).toEqual([["!a0"], []]);
  expect(found("misled")).toEqual(["!a2"]);
});

test("nothing is found by words that are hidden, and what is found shows none", () => {
  const hidden = { msgtype: "m.text", body: "it was the butler", format: "org.matrix.custom.html", formatted_body: "it was <span data-mx-spoiler>the butler</span>" };
  const room = roomOf("!a", [["", { content: hidden }]]);
  expect(searchRoom(room, "butler")).toEqual([]);
  expect(searchRoom(room, "it was")).toMatchObject([{ body: "it was ▒▒▒" }]);
});

test("what is found in several places is shown once, as the room has it", () => {
  const hit = (eventId: string, ts: number) => ({ roomId: "!a", eventId, sender: "@x:a", ts, body: "" });
  const isHere = ({ eventId }: { eventId: string }) => ["$1", "$3", "$5"].includes(eventId);
  const found = together([hit("$1", 1), hit("$3", 3)], [hit("$4", 4), hit("$5", 5)], [hit("$3", 3), hit("$2", 2)], isHere);
  expect(found.map(({ eventId }) => eventId)).toEqual(["$4", "$3", "$2", "$1"]);
});

test("what a server says to have found in a sealed room is not shown", async () => {
  const event = (event_id: string, room_id: string) =>
    ({ result: { event_id, room_id, sender: "@x:a", origin_server_ts: 1, content: { body: "words" } } });
  const results = [event("$1", "!open"), event("$2", "!sealed")];
  const http = { call: async () => ({ search_categories: { room_events: { results, next_batch: "n" } } }) };
  const client = { api: { http } } as unknown as Client;
  const { hits, next } = await searchServer(client, "words", ["!open"]);
  expect([hits.map(({ eventId }) => eventId), next]).toEqual([["$1"], "n"]);
});
