import { expect, test } from "vitest";

import type { StateEvent } from "../event";
import type { JsonObject } from "../json";
import { mayNotify, mayState, permission, rolesToGive, withPermissions, withRole } from "./power";
import { Room } from "./room";

function roomOf(levels: JsonObject | undefined, version = "11"): Room {
  const room = new Room("!room:a.test");
  const state = (type: string, content: JsonObject): StateEvent => ({
    event_id: `$${type}`, type, state_key: "", sender: "@founder:a.test", origin_server_ts: 1, content,
  });
  room.learnMembers([
    state("m.room.create", { room_version: version }),
    ...(levels ? [state("m.room.power_levels", levels)] : []),
  ]);
  return room;
}

test("a role can be given up to one's own, to people below, and to oneself", () => {
  const room = roomOf({ users: { "@mod:a": 50, "@other:a": 50, "@admin:a": 100 }, events: { "m.room.power_levels": 50 } });
  expect(rolesToGive(room, "@mod:a", "@somebody:a")).toEqual(["moderator", "member", "reader"]);
  expect(rolesToGive(room, "@mod:a", "@mod:a")).toEqual(["moderator", "member", "reader"]);
  expect(rolesToGive(room, "@mod:a", "@other:a")).toEqual([]);
  expect(rolesToGive(room, "@mod:a", "@admin:a")).toEqual([]);
  expect(rolesToGive(room, "@somebody:a", "@else:a")).toEqual([]);
});

test("whoever the room lets may notify all", () => {
  const room = roomOf({ users: { "@mod:a": 50, "@low:a": 20 }, notifications: { room: 20 } });
  expect(mayNotify(room, "@low:a", "room")).toBe(true);
  expect(mayNotify(room, "@anybody:a", "room")).toBe(false);
  const [usual, low] = [roomOf({ users: { "@mod:a": 50 } }), "@low:a"];
  expect([mayNotify(usual, "@mod:a", "room"), mayNotify(usual, low, "room")]).toEqual([true, false]);
});

test("the founder of a room of version 12 is above all and stays", () => {
  const room = roomOf({ users: { "@admin:a": 100 } }, "12");
  expect(rolesToGive(room, "@founder:a.test", "@admin:a")).toEqual(["admin", "moderator", "member", "reader"]);
  expect(rolesToGive(room, "@admin:a", "@founder:a.test")).toEqual([]);
});

test("the usual role needs no entry, and other levels stay as they were", () => {
  const room = roomOf({ users: { "@mod:a": 50, "@x:a": 7 }, ban: 60 });
  expect(withRole(room, "@mod:a", "member")).toEqual({ users: { "@x:a": 7 }, ban: 60 });
  expect(withRole(room, "@x:a", "admin")).toEqual({ users: { "@mod:a": 50, "@x:a": 100 }, ban: 60 });
});

test("permissions have the defaults of the specification, and change alone", () => {
  const room = roomOf({ users: {}, events: { "m.room.name": 10 } });
  expect(permission(room, { kind: "action", name: "kick" })).toBe(50);
  expect(permission(room, { kind: "event", name: "m.room.name" })).toBe(10);
  expect(permission(room, { kind: "event", name: "m.room.topic" })).toBe(50);
  const changed = withPermissions(room, [[{ kind: "event", name: "m.room.topic" }, 0], [{ kind: "action", name: "invite" }, 50]]);
  expect(changed).toEqual({ users: {}, events: { "m.room.name": 10, "m.room.topic": 0 }, invite: 50 });
  expect(mayState(roomOf(undefined), "@anybody:a", "m.room.topic")).toBe(true);
});
