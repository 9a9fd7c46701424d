import { expect, test } from "vitest";

import { roomEvents, strippedEvents } from "./event";
import type { Json, JsonObject } from "./json";
import { Room } from "./room/room";

const event = (more: JsonObject) => ({
  event_id: "$1", type: "m.room.message", sender: "@lena:a", origin_server_ts: 5, content: { body: "x" }, ...more,
});

const tomorrow = Date.now() + 25 * 60 * 60 * 1000;

test("whatever time an event has, it is one that a calendar knows, and not after tomorrow", () => {
  for (const ts of [Number.MAX_SAFE_INTEGER, 1e300, 8.65e15, -1e300, -1, 0.5, "yesterday", null, {}]) {
    const [found] = roomEvents([event({ origin_server_ts: ts })]);
    expect(found?.origin_server_ts).toBeGreaterThanOrEqual(0);
    expect(found?.origin_server_ts).toBeLessThan(tomorrow);
    expect(Number.isInteger(found?.origin_server_ts)).toBe(true);
  }
});

test("what is nested too deep to be stored is left out, and only that", () => {
  const deep = (levels: number) => JSON.parse('{"a":'.repeat(levels) + "1" + "}".repeat(levels)) as JsonObject;
  const nested = (content: Json) => roomEvents([event({ content, unsigned: content })])[0];
  expect(nested(deep(40))?.content).toEqual(deep(40));
  expect(nested(deep(20_000))).toMatchObject({ event_id: "$1", content: {}, unsigned: {} });
  const stripped = { type: "m.room.name", sender: "@lena:a", state_key: "", content: deep(20_000) };
  expect(strippedEvents([stripped])).toMatchObject([{ content: {} }]);
});

test("events with ids that no room has, and the same twice, come in no further", () => {
  const long = "x".repeat(256);
  const wrong = [{ event_id: long }, { type: long }, { sender: long }, { state_key: long }, { sender: 5 }, { content: [] }];
  const events = [...wrong.map((one, at) => event({ event_id: `$w${at}`, ...one })), event({}), event({})];
  expect(roomEvents(events).map(({ event_id }) => event_id)).toEqual(["$1"]);
});

test("a room that was kept by an earlier version comes back with times that can be shown", () => {
  const bad = Number.MAX_SAFE_INTEGER;
  const before = new Room("!a");
  before.update({ timeline: [{ ...event({}), origin_server_ts: bad }], order: bad });
  before.update({ state: [{ ...event({ type: "m.room.name" }), state_key: "", origin_server_ts: bad }] });
  const room = Room.restore(before.snapshot());
  expect(room.order).toBeLessThan(tomorrow);
  expect(room.timeline.last?.origin_server_ts).toBeLessThan(tomorrow);
  expect(room.state("m.room.name")?.origin_server_ts).toBeLessThan(tomorrow);
});
