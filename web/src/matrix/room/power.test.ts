import { expect, test } from "vitest";

import type { StateEvent } from "../event";
import type { JsonObject } from "../json";
import { losesBy, mayNotify, mayState, permission, presentLevels, rolesToGive, withPermissions, withRole } from "./power";
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
  expect(withRole(presentLevels(room), "@mod:a", "member")).toEqual({ users: { "@x:a": 7 }, ban: 60 });
  expect(withRole(presentLevels(room), "@x:a", "admin")).toEqual({ users: { "@mod:a": 50, "@x:a": 100 }, ban: 60 });
});

test("permissions have the defaults of the specification, and change alone", () => {
  const room = roomOf({ users: {}, events: { "m.room.name": 10 } });
  expect(permission(room, { kind: "action", name: "kick" })).toBe(50);
  expect(permission(room, { kind: "event", name: "m.room.name" })).toBe(10);
  expect(permission(room, { kind: "event", name: "m.room.topic" })).toBe(50);
  const changed = withPermissions(presentLevels(room), [[{ kind: "event", name: "m.room.topic" }, 0], [{ kind: "action", name: "invite" }, 50]]);
  expect(changed).toEqual({ users: {}, events: { "m.room.name": 10, "m.room.topic": 0 }, invite: 50 });
  expect(mayState(roomOf(undefined), "@anybody:a", "m.room.topic")).toBe(true);
});

test("who calls all, and what others are at first, change alone too", () => {
  const room = roomOf({ users: { "@admin:a": 100 }, notifications: { room: 20, other: 3 } });
  expect(permission(room, { kind: "notification", name: "room" })).toBe(20);
  expect(permission(roomOf({}), { kind: "notification", name: "room" })).toBe(50);
  expect(permission(room, { kind: "action", name: "users_default" })).toBe(0);
  const changed = withPermissions(presentLevels(room), [[{ kind: "notification", name: "room" }, 0], [{ kind: "action", name: "users_default" }, -1]]);
  expect(changed).toEqual({ users: { "@admin:a": 100 }, notifications: { room: 0, other: 3 }, users_default: -1, events: {} });
});

test("in a room without levels, whoever made it keeps theirs, and state stays open to all", () => {
  const room = roomOf(undefined);
  expect(permission(room, { kind: "action", name: "state_default" })).toBe(0);
  const users = { "@founder:a.test": 100 };
  expect(withPermissions(presentLevels(room), [[{ kind: "action", name: "invite" }, 50]])).toEqual({ users, state_default: 0, invite: 50, events: {} });
  expect(withRole(presentLevels(room), "@mod:a", "moderator")).toEqual({ users: { ...users, "@mod:a": 50 }, state_default: 0 });
  expect(withPermissions(presentLevels(roomOf(undefined, "12")), [])).toEqual({ state_default: 0, events: {} });
});

test("whoever would stand lower, or could not take it back, loses by it", () => {
  const room = roomOf({ users_default: 100, users: { "@admin:a": 100 }, events: { "m.room.power_levels": 100 } });
  const lowered = withPermissions(presentLevels(room), [[{ kind: "action", name: "users_default" }, 0]]);
  expect([losesBy(room, "@admin:a", lowered), losesBy(room, "@anybody:a", lowered)]).toEqual([false, true]);
  const raised = withPermissions(presentLevels(roomOf({ users: { "@low:a": 20 }, state_default: 20 })), [[{ kind: "action", name: "state_default" }, 50]]);
  expect(losesBy(roomOf({ users: { "@low:a": 20 }, state_default: 20 }), "@low:a", raised)).toBe(true);
  expect(losesBy(roomOf({ users: {} }, "12"), "@founder:a.test", { users_default: 0 })).toBe(false);
});
