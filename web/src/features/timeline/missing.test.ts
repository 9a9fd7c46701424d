import { expect, test } from "vitest";

import type { Client } from "../../matrix/client";
import { joinedAt } from "../../matrix/room/joined";
import { Room } from "../../matrix/room/room";
import { deviceAt, whyMissing, type Here } from "./missing";

const HOUR = 60 * 60_000;

test("a key is promised only where somebody may send it", () => {
  const here: Here = { isTried: true, standing: "ready", joinedAt: 100, deviceAt: 200 };
  expect(whyMissing(300, here, 300 + HOUR)).toBe("asked");
  expect(whyMissing(300, here, 300 + 25 * HOUR)).toBe("late");
  expect(whyMissing(150, here, 300)).toBe("before_device");
  expect(whyMissing(50, here, 300)).toBe("before_join");
  expect(whyMissing(50, { ...here, standing: "unapproved" }, 300)).toBe("unapproved");
  expect(whyMissing(50, { ...here, joinedAt: undefined, deviceAt: undefined }, 300)).toBe("asked");
});

test("nothing is said of a key that nobody has looked for, unless nobody can", () => {
  const here: Here = { isTried: false, standing: "unapproved", joinedAt: 100, deviceAt: 200 };
  expect(whyMissing(300, here, 300)).toBe("untried");
  expect(whyMissing(300, { ...here, isTried: true }, 300)).toBe("unapproved");
  expect(whyMissing(50, { ...here, standing: "loading" }, 300)).toBe("untried");
  expect(whyMissing(300, { ...here, standing: "unavailable" }, 300)).toBe("asked");
});

test("when somebody came in is told by the event with which they did", () => {
  const member = (membership: string, origin_server_ts: number, unsigned = {}) => {
    const event_id = `$${origin_server_ts}`;
    return { type: "m.room.member", state_key: "@a:a", sender: "@a:a", event_id, origin_server_ts, content: { membership }, unsigned };
  };
  const told = (...timeline: ReturnType<typeof member>[]) => {
    const room = new Room("!a");
    room.update({ timeline });
    return joinedAt(room, "@a:a");
  };
  const renamed = member("join", 3, { prev_content: { membership: "join" } });
  expect(told(member("join", 1))).toBe(1);
  expect(told(member("join", 1, { prev_content: { membership: "invite" } }), renamed)).toBe(1);
  expect(told(renamed)).toBeUndefined();
  expect(told(member("join", 2, { replaces_state: "$before" }))).toBeUndefined();
  expect(told(member("join", 1), member("leave", 2))).toBeUndefined();
});

test("when this device came is asked once, and again after it failed", async () => {
  let asked = 0;
  const user = async () => {
    asked += 1;
    if (asked === 1) throw new Error("not there yet");
    return { devices: [{ device_id: "OTHER", seen_at: 1 }, { device_id: "THIS", seen_at: 7 }] };
  };
  const client = { me: "@a:a", session: { deviceId: "THIS" }, crypto: { keys: { user } } } as unknown as Client;
  expect(await deviceAt(client)).toBeUndefined();
  expect([await deviceAt(client), await deviceAt(client), asked]).toEqual([7, 7, 2]);
});
