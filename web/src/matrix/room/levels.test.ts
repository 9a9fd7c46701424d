import { expect, test } from "vitest";

import { Http } from "../api/http";
import type { JsonObject } from "../json";
import { changeLevels } from "./levels";
import { withPermissions, withRole } from "./power";
import { Room } from "./room";

test("of changes at once none undoes another, nor what somebody else changed meanwhile", async () => {
  const room = new Room("!room:a.test");
  let kept: unknown = { users: { "@lena:a.test": 100 }, ban: 60 };
  let isRefused = false;
  const fetch = async (_: unknown, init?: RequestInit) => {
    if (init?.method !== "PUT") return Response.json(kept);
    if (isRefused) return Response.json({ errcode: "M_FORBIDDEN" }, { status: 403 });
    kept = JSON.parse(String(init.body));
    return Response.json({ event_id: "$1" });
  };
  const http = new Http("https://a.test", fetch as typeof globalThis.fetch);
  const topic = (levels: JsonObject) => withPermissions(levels, [[{ kind: "event", name: "m.room.topic" }, 0]]);
  const invite = (levels: JsonObject) => withPermissions(levels, [[{ kind: "action", name: "invite" }, 50]]);
  await Promise.all([
    changeLevels(http, room, topic),
    changeLevels(http, room, invite),
    changeLevels(http, room, (levels) => withRole(levels, "@mia:a.test", "moderator")),
  ]);
  const users = { "@lena:a.test": 100, "@mia:a.test": 50 };
  expect(kept).toEqual({ users, ban: 60, events: { "m.room.topic": 0 }, invite: 50 });
  isRefused = true;
  await expect(changeLevels(http, room, topic)).rejects.toThrow();
  isRefused = false;
  await changeLevels(http, room, (levels) => ({ ...levels, kick: 0 }));
  expect(kept).toEqual({ users, ban: 60, events: { "m.room.topic": 0 }, invite: 50, kick: 0 });
});

test("a room without levels begins with those that count there", async () => {
  const room = new Room("!room:a.test");
  const create = { event_id: "$c", type: "m.room.create", state_key: "", sender: "@lena:a.test", origin_server_ts: 1 };
  room.learnMembers([{ ...create, content: { room_version: "11" } }]);
  let sent: unknown;
  const fetch = async (_: unknown, init?: RequestInit) => {
    if (init?.method !== "PUT") return Response.json({ errcode: "M_NOT_FOUND" }, { status: 404 });
    sent = JSON.parse(String(init.body));
    return Response.json({ event_id: "$1" });
  };
  await changeLevels(new Http("https://a.test", fetch as typeof globalThis.fetch), room, (levels) => ({ ...levels, ban: 0 }));
  expect(sent).toEqual({ users: { "@lena:a.test": 100 }, state_default: 0, ban: 0 });
});
