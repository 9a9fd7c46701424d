import { expect, test } from "vitest";

import type { RoomEvent } from "../../matrix/event";
import type { JsonObject } from "../../matrix/json";
import type { Happening } from "../../matrix/room/messages";
import { de } from "../../ui/words/de";
import { happening, together } from "./happening";
import { pinnedBy } from "./room_change";

const nameOf = (id: string) => id.slice(1, 2).toUpperCase() + id.slice(2);

function member(key: string, membership: string, sender = key, before?: string): Happening {
  const unsigned = before === undefined ? undefined : { prev_content: { membership: before } };
  const event = {
    ...{ event_id: `$${key}${membership}`, type: "m.room.member", state_key: key, sender, origin_server_ts: 0 },
    ...{ content: { membership }, ...(unsigned && { unsigned }) },
  } as RoomEvent;
  return { kind: "happening", id: event.event_id, event, ts: 0 };
}

test("many are told by what they did: three by name, more by number, each once", () => {
  const joins = ["@a", "@b", "@c", "@d", "@d"].map((id) => member(id, "join"));
  expect(together([...joins, member("@lena", "leave")], nameOf)).toBe("4 people came in · Lena left");
  const asked = ["@b", "@c"].map((id) => member(id, "invite", "@a"));
  expect(together([...asked, member("@d", "leave", "@a")], nameOf)).toBe("B and C were invited · D was removed");
});

test("one is told by who did what", () => {
  const told = (one: Happening) => happening(one.event, nameOf);
  expect(told(member("@b", "leave", "@a"))).toBe("A removed B.");
  expect(told(member("@you", "ban", "@a"))).toBe("A banned you.");
  expect(told(member("@you", "join"))).toBe("You came in.");
  expect(told(member("@b", "leave", "@a", "ban"))).toBe("A let B come back.");
  expect(told(member("@b", "leave", "@b", "invite"))).toBe("B declined.");
  expect(told(member("@b", "leave", "@a", "knock"))).toBe("A did not let B in.");
  expect(told(member("@b", "leave", "@b", "knock"))).toBe("");
  expect(told(member("@b", "knock"))).toBe("B asks to come in.");
  expect(told(member("@b", "join", "@b", "join"))).toBe("B changed picture.");
  const removed = member("@b", "leave", "@a");
  removed.event.content["reason"] = "sang too loud";
  expect(told(removed)).toBe("A removed B. Why: “sang too loud”");
});

/** What is told of state that was set: what it says, and what it said before. */
function told(type: string, content: JsonObject, before?: JsonObject, names = nameOf): string {
  const unsigned = before && { prev_content: before };
  const event = { type, state_key: "", sender: "@a", content, event_id: "$r", origin_server_ts: 0, ...(unsigned && { unsigned }) };
  return happening(event as RoomEvent, names);
}

test("a change of the room says from what to what", () => {
  expect(told("m.room.name", { name: "Roof" })).toBe("A named the room “Roof”.");
  expect(told("m.room.name", { name: "Attic" }, { name: "Roof" })).toBe("A renamed the room from “Roof” to “Attic”.");
  expect(told("m.room.name", {}, { name: "Roof" })).toBe("A took the name of the room away.");
  expect(told("m.room.topic", { topic: " gutters " })).toBe("A changed the topic to “gutters”.");
  expect(told("m.room.topic", { topic: "x".repeat(5000) }).length).toBeLessThan(400);
  expect(told("m.room.join_rules", { join_rule: "public" })).toBe("A opened the room to anybody.");
  expect(told("m.room.join_rules", { join_rule: "constructor" })).toBe("A changed who may come in.");
  expect(told("m.room.history_visibility", { history_visibility: "world_readable" })).toBe("A lets anybody read this room without coming in.");
  expect(told("m.room.guest_access", { guest_access: "can_join" })).toBe("A lets guests without an account come in.");
  expect(told("m.room.canonical_alias", { alias: "#roof:a.test" })).toBe("A gave the room the address #roof:a.test.");
  expect(told("m.room.canonical_alias", { alias: "#a", alt_aliases: ["#b"] }, { alias: "#a" })).toBe("A changed the other addresses of the room.");
  expect(told("m.room.third_party_invite", { display_name: "b…@mail.test" })).toBe("A invited b…@mail.test by mail.");
});

test("whose role changed is told, and to what", () => {
  const before = { users: { "@a": 100, "@b": 0 } };
  expect(told("m.room.power_levels", { users: { "@a": 100, "@b": 50 } }, before)).toBe("A changed what B may do: “Looks after people”.");
  expect(told("m.room.power_levels", { users: { "@a": 100 } }, before)).toBe("A changed what people may do here.");
  expect(told("m.room.power_levels", { users: { "@b": 1, "@c": 50 } }, before)).toBe("A changed what 3 people may do.");
});

test("servers that are shut out or let in are named, or counted where they are many", () => {
  const all = { allow: ["*"], deny: [] };
  expect(told("m.room.server_acl", { ...all, deny: ["evil.test"] })).toBe("A shut out evil.test.");
  expect(told("m.room.server_acl", all, { ...all, deny: ["evil.test"] })).toBe("A let evil.test take part again.");
  expect(told("m.room.server_acl", { ...all, deny: ["b", "c", "d", "e"] }, all)).toBe("A shut out 4 servers.");
  expect(told("m.room.server_acl", { allow: ["a.test"] }, all)).toBe("A lets only a.test take part.");
  expect(told("m.room.server_acl", { allow: "*", deny: [7] })).toMatch(/^A (lets only|changed which)/);
});

test("one pinned message is named and found; more are not", () => {
  const set = (now: string[], before: string[]) => {
    const unsigned = { prev_content: { pinned: before } };
    return { type: "m.room.pinned_events", state_key: "", sender: "@a", content: { pinned: now }, event_id: "$p", origin_server_ts: 0, unsigned };
  };
  const one = set(["$1", "$2"], ["$1"]) as RoomEvent;
  expect([happening(one, nameOf), pinnedBy(one)]).toEqual(["A pinned a message.", "$2"]);
  const gone = set(["$1"], ["$1", "$2"]) as RoomEvent;
  expect([happening(gone, nameOf), pinnedBy(gone)]).toEqual(["A unpinned a message.", undefined]);
  const many = set(["$1", "$2"], []) as RoomEvent;
  expect([happening(many, nameOf), pinnedBy(many)]).toEqual(["A changed what is pinned.", undefined]);
});

test("who takes another name is told by the one before", () => {
  const renamed = member("@b", "join", "@b", "join");
  renamed.event.unsigned = { prev_content: { membership: "join", displayname: "Bea" } };
  renamed.event.content["displayname"] = "Beatrix";
  expect(happening(renamed.event, nameOf)).toBe("Bea is called Beatrix now.");
  renamed.event.content["displayname"] = "Bea";
  expect(happening(renamed.event, nameOf)).toBe("B changed picture.");
});

test("a call is told of, which can't be answered here", () => {
  const call = { type: "m.call.invite", sender: "@a", content: {}, event_id: "$c", origin_server_ts: 0 };
  expect(happening(call, nameOf)).toBe("A called. Sealpost has no calls yet.");
});

test("German speaks to the person themselves", () => {
  expect([de.topicGone("Du"), de.topicGone("Lena")]).toEqual(["Du hast das Thema entfernt.", "Lena hat das Thema entfernt."]);
  expect(de.joined("Du")).toBe("Du bist dazugekommen.");
  expect(de.roleGiven("Lena", "dich", "Liest nur")).toBe("Lena hat geändert, was du darfst: „Liest nur“.");
});
