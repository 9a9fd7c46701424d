import { expect, test } from "vitest";

import { Api } from "../api/api";
import { Http } from "../api/http";
import type { Client } from "../client";
import { strings } from "../json";
import { pinned, setPinned } from "./pins";
import { Room } from "./room";

/** A room with three pins, at a server that takes what is written. */
function made() {
  const bodies: string[][] = [];
  const pending: (() => void)[] = [];
  const http = new Http("https://a", async (_, init) => {
    bodies.push(strings(JSON.parse(init?.body as string).pinned));
    await new Promise<void>((resolve) => pending.push(resolve));
    return new Response(JSON.stringify({ event_id: `$w${bodies.length}` }));
  });
  const room = new Room("!a");
  const shows = (event_id: string, ids: string[]) =>
    room.learnMembers([{
      event_id, type: "m.room.pinned_events", state_key: "", sender: "@me:a", origin_server_ts: 1, content: { pinned: ids },
    }]);
  shows("$s", ["$1", "$2", "$3"]);
  const client = { api: new Api(http, "@me:a") } as unknown as Client;
  const answered = async () => {
    for (let at = 0; at < 5; at += 1) await new Promise((resolve) => setTimeout(resolve));
    pending.splice(0).forEach((resolve) => resolve());
  };
  return { bodies, room, shows, client, answered };
}

test("two pins that are taken away at once stay away", async () => {
  const { bodies, room, client, answered } = made();
  const all = Promise.all(["$1", "$3"].map((id) => setPinned(client, room, id, false)));
  await answered();
  await all;
  expect(bodies.at(-1)).toEqual(["$2"]);
});

test("a pin that is taken away while another is, and before the sync shows that, brings it not back", async () => {
  const { bodies, room, shows, client, answered } = made();
  const one = setPinned(client, room, "$1", false);
  await new Promise((resolve) => setTimeout(resolve));
  const two = setPinned(client, room, "$2", false);
  await answered();
  await one;
  await answered();
  await two;
  expect(bodies).toEqual([["$2", "$3"], ["$3"]]);
  shows("$w1", ["$2", "$3"]);
  const three = setPinned(client, room, "$4", true);
  await answered();
  await three;
  // What another person pinned afterwards is known by the sync.
  shows("$x", ["$3", "$4", "$9"]);
  expect(pinned(room)).toHaveLength(3);
  const four = setPinned(client, room, "$3", false);
  await answered();
  await four;
  expect(bodies.slice(2)).toEqual([["$3", "$4"], ["$4", "$9"]]);
});

test("when the page closes, all that is to be written goes in one", async () => {
  const { bodies, room, client, answered } = made();
  const all = Promise.all(["$1", "$2"].map((id) => setPinned(client, room, id, false, true)));
  await answered();
  await all;
  expect(bodies).toEqual([["$3"]]);
});
