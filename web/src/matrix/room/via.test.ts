import { expect, test } from "vitest";

import type { StateEvent } from "../event";
import type { JsonObject } from "../json";
import { Room } from "./room";
import { viaOf } from "./via";

test("a room is reached by the server of who may do most, then by those of most people", () => {
  const room = new Room("!a");
  expect(viaOf(room)).toEqual([]);
  const state = (type: string, state_key: string, content: JsonObject): StateEvent => ({
    event_id: `$${type}${state_key}`, type, state_key, sender: "@x:a", origin_server_ts: 1, content,
  });
  const people = ["b", "b", "c", "a", "d", "c", "c"].map((server, at) => `@x${at}:${server}`);
  room.learnMembers([
    ...people.map((userId) => state("m.room.member", userId, { membership: "join" })),
    ...["@y1:d", "@y2:d", "@y3:d"].map((userId) => state("m.room.member", userId, { membership: "leave" })),
    state("m.room.power_levels", "", { users: { "@x3:a": 100 } }),
  ]);
  expect(viaOf(room)).toEqual(["a", "c", "b"]);
});
