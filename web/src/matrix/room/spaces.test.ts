import { expect, test } from "vitest";

import type { StateEvent } from "../event";
import type { JsonObject } from "../json";
import { Room } from "./room";
import { below, childIds, openSpace, rootSpaces, spacesOf } from "./spaces";

function space(id: string, children: Record<string, JsonObject>): Room {
  const room = new Room(id);
  const state = (type: string, state_key: string, content: JsonObject, at = 1): StateEvent => ({
    event_id: `$${type}${state_key}`, type, state_key, sender: "@x:a", origin_server_ts: at, content,
  });
  const events = Object.entries(children).map(([child, content], at) => state("m.space.child", child, content, 100 - at));
  room.learnMembers([state("m.room.create", "", { type: "m.space" }), ...events]);
  return room;
}

const via = ["a.test"];

test("rooms of a space stand by their order, then by age; those without a server are none", () => {
  const house = space("!house:a", {
    "!young:a": { via },
    "!old:a": { via },
    "!last:a": { via, order: "z" },
    "!first:a": { via, order: "a" },
    "!gone:a": {},
    "!long:a": { via, order: "a".repeat(51) },
  });
  expect(childIds(house)).toEqual(["!first:a", "!last:a", "!long:a", "!old:a", "!young:a"]);
});

test("by a space that anybody can enter anybody comes in", () => {
  const [closed, open] = [space("!closed:a", {}), space("!open:a", {})];
  const rule = { event_id: "$rule", type: "m.room.join_rules", state_key: "", sender: "@x:a", origin_server_ts: 1 };
  open.learnMembers([{ ...rule, content: { join_rule: "public" } }]);
  closed.learnMembers([{ ...rule, content: { join_rule: "invite" } }]);
  expect(openSpace([closed, open], ["!closed:a", "!open:a"])?.id).toBe("!open:a");
  expect(openSpace([closed, open], ["!closed:a", "!elsewhere:a"])).toBeUndefined();
});

test("rooms below a space are those of its inner spaces too, also where spaces hold each other", () => {
  const outer = space("!outer:a", { "!inner:a": { via }, "!room:a": { via } });
  const inner = space("!inner:a", { "!outer:a": { via }, "!deep:a": { via } });
  const rooms = new Map([outer, inner, new Room("!room:a"), new Room("!deep:a")].map((room) => [room.id, room]));
  expect([...below(rooms, outer)].toSorted()).toEqual(["!deep:a", "!room:a"]);
  expect(rootSpaces([...rooms.values()]).map(({ id }) => id)).toEqual(["!outer:a", "!inner:a"]);
  const alone = space("!alone:a", { "!inner:a": { via } });
  const calm = space("!inner:a", { "!deep:a": { via } });
  expect(rootSpaces([alone, calm]).map(({ id }) => id)).toEqual(["!alone:a"]);
  expect(spacesOf([alone, calm], "!deep:a").map(({ id }) => id)).toEqual(["!inner:a"]);
});
