import { expect, test } from "vitest";

import { Api } from "../api/api";
import { Http } from "../api/http";
import { Reading } from "./reading";
import { Room } from "./room";

const ME = "@me:a";

function readIn(answers: () => Response) {
  const told: [string, unknown][] = [];
  const http = new Http("https://a", async (url, init) => {
    const answer = answers();
    if (answer.ok) told.push([new URL(url).pathname, JSON.parse(init?.body as string)]);
    return answer;
  });
  let isPrivate = false;
  const reading = new Reading(new Api(http, ME), ME, () => isPrivate);
  return { told, reading, hide: () => (isPrivate = true) };
}

function said(room: Room, event_id: string): void {
  room.update({ timeline: [{ event_id, type: "m.room.message", sender: "@lena:a", origin_server_ts: 1, content: { body: "" } }] });
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

test("how far somebody has read is told once, and to nobody else where they do not want that", async () => {
  const { told, reading, hide } = readIn(() => new Response("{}"));
  const room = new Room("!a");
  said(room, "$1");
  expect([reading.markRead(room), reading.markRead(room)]).toEqual([true, false]);
  await settled();
  hide();
  said(room, "$2");
  reading.markRead(room);
  await settled();
  const at = "/_matrix/client/v3/rooms/!a/read_markers";
  expect(told).toEqual([
    [at, { "m.fully_read": "$1", "m.read": "$1" }],
    [at, { "m.fully_read": "$2", "m.read.private": "$2" }],
  ]);
});

test("what the server did not hear is told again, the newest only; what it refuses is not", async () => {
  let status = 503;
  const { told, reading } = readIn(() => new Response("{}", { status }));
  const room = new Room("!a");
  for (const id of ["$1", "$2"]) {
    said(room, id);
    reading.markRead(room);
    await settled();
  }
  expect(told).toEqual([]);
  status = 200;
  await reading.tell();
  await reading.tell();
  expect(told.map(([, body]) => body)).toEqual([{ "m.fully_read": "$2", "m.read": "$2" }]);
  status = 403;
  said(room, "$3");
  reading.markRead(room);
  await settled();
  status = 200;
  await reading.tell();
  expect(told).toHaveLength(1);
});

test("what a server did not hear because the session ended is told after the next login", async () => {
  let answer = () => new Response(JSON.stringify({ errcode: "M_UNKNOWN_TOKEN", soft_logout: true }), { status: 401 });
  const { told, reading } = readIn(() => answer());
  const room = new Room("!a");
  said(room, "$1");
  reading.markRead(room);
  await settled();
  answer = () => new Response("{}");
  await reading.tell();
  expect(told.map(([, body]) => body)).toEqual([{ "m.fully_read": "$1", "m.read": "$1" }]);
});
