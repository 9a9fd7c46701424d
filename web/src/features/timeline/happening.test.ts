import { expect, test } from "vitest";

import type { RoomEvent } from "../../matrix/event";
import type { Happening } from "../../matrix/room/messages";
import { happening, together } from "./happening";

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
  expect(told(member("@b", "join", "@b", "join"))).toBe("B changed name or picture.");
  const removed = member("@b", "leave", "@a");
  removed.event.content["reason"] = "sang too loud";
  expect(told(removed)).toBe("A removed B. Why: “sang too loud”");
});

test("who changes the rules of a room is named", () => {
  const rules = (type: string) => ({ type, state_key: "", sender: "@a", content: {}, event_id: "$r", origin_server_ts: 0 });
  for (const type of ["m.room.power_levels", "m.room.join_rules", "m.room.history_visibility"]) {
    expect(happening(rules(type), nameOf)).toMatch(/^A changed w/);
  }
});
