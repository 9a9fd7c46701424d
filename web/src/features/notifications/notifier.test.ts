import { afterEach, expect, test, vi } from "vitest";

import type { Client } from "../../matrix/client";
import type { RoomEvent } from "../../matrix/event";
import { ALGORITHM, Room } from "../../matrix/room/room";
import { Topic } from "../../matrix/topic";
import { Notifier, type Told } from "./notifier";

const RULES = { global: { underride: [{ rule_id: ".m.rule.all", conditions: [], actions: ["notify"] }] } };

const sealed = (event_id: string, algorithm: string): RoomEvent => {
  return { event_id, type: "m.room.encrypted", sender: "@lena:a", origin_server_ts: Date.now(), content: { algorithm } };
};

function made() {
  vi.useFakeTimers();
  const room = new Room("!a");
  room.pinSealed();
  room.update({ timeline: [sealed("$before", ALGORITHM)] });
  const changed = new Topic<ReadonlySet<string>>();
  const client = { me: "@me:a", rooms: new Map([["!a", room]]), changed, accountData: new Map([["m.push_rules", RULES]]) };
  const told: Told[] = [];
  const stop = new Notifier(client as unknown as Client, (one) => told.push(one)).listen();
  const come = (event: RoomEvent) => {
    room.update({ timeline: [event] });
    changed.emit(new Set(["!a"]));
  };
  return { room, told, stop, come, again: () => changed.emit(new Set(["!a"])) };
}

afterEach(() => vi.useRealTimers());

test("a message that stays unread is told without its words, once, after a short wait", () => {
  const { room, told, come, again } = made();
  come(sealed("$1", ALGORITHM));
  vi.advanceTimersByTime(9_000);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(2_000);
  expect(told.map(({ title, body }) => [title, body])).toEqual([["lena", "Sealed message"]]);
  const content = { msgtype: "m.text", body: "there" };
  room.opened.set("$1", { status: "read", type: "m.room.message", content } as never);
  again();
  vi.advanceTimersByTime(60_000);
  expect(told).toHaveLength(1);
});

test("one whose key comes meanwhile is told with its words", () => {
  const { room, told, come, again } = made();
  come(sealed("$1", ALGORITHM));
  const content = { msgtype: "m.text", body: "there" };
  room.opened.set("$1", { status: "read", type: "m.room.message", content } as never);
  again();
  vi.advanceTimersByTime(60_000);
  expect(told.map(({ body }) => body)).toEqual(["there"]);
});

test("what another protocol encrypted is told at once, what is not authentic never, and nothing after the end", () => {
  const { room, told, stop, come } = made();
  room.opened.set("$1", { status: "foreign" });
  come(sealed("$1", "m.megolm.v1.aes-sha2"));
  expect(told.map(({ body }) => body)).toEqual(["Encrypted message"]);
  room.opened.set("$2", { status: "refused" });
  come(sealed("$2", ALGORITHM));
  come(sealed("$3", ALGORITHM));
  stop();
  vi.advanceTimersByTime(60_000);
  expect(told).toHaveLength(1);
});
