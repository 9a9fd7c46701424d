import { expect, test } from "vitest";

import type { Item, Message } from "../../matrix/room/messages";
import type { Echo } from "../../matrix/send/queue";
import { rowOf, rows, withEchoes } from "./rows";

const MINUTE = 60_000;
const day = (ts: number) => String(Math.floor(ts / (24 * 60 * MINUTE)));

function message(id: string, sender: string, ts: number): Message {
  const event = { event_id: id, type: "m.room.message", sender, origin_server_ts: ts, content: {} };
  return {
    ...{ kind: "message", id, event, sender, ts, type: "m.room.message", content: {}, seal: "none" },
    ...{ opened: undefined, before: [], editedAt: undefined, isRedacted: false, replyTo: undefined, threadRoot: undefined, reactions: [] },
    ...{ thread: undefined, poll: undefined, lost: 0 },
  } as Message;
}

function made(items: Item[], echoes: Echo[], unread: string | undefined) {
  const known = new Map(items.map((item) => [item.id, item]));
  const reading = { me: "@me", dayKey: day };
  return withEchoes(rows(items, known, reading, unread), echoes, known, reading);
}

const shown = (items: Item[], echoes: Echo[] = [], unread?: string) =>
  made(items, echoes, unread).map((row) =>
    row.kind === "message" ? `${row.isFirst ? "+" : "-"}${row.id}` : row.kind,
  );

test("messages stand together by person and time; days and the unread part them", () => {
  const items = [
    message("$1", "@a", 1 * MINUTE),
    message("$2", "@a", 2 * MINUTE),
    message("$3", "@b", 3 * MINUTE),
    message("$4", "@b", 9 * MINUTE),
    message("$5", "@b", 10 * MINUTE),
    message("$6", "@b", 25 * 60 * MINUTE),
  ];
  expect(shown(items, [], "$5")).toEqual([
    "begin", "day", "+$1", "-$2", "+$3", "+$4", "new", "+$5", "day", "+$6",
  ]);
});

function happened(id: string, membership: string, key: string, ts: number, type = "m.room.member", sender = key): Item {
  const event = { event_id: id, type, state_key: key, sender, origin_server_ts: ts, content: { membership } };
  return { kind: "happening", id, event, ts };
}

test("what happens one after the other is one line, from the fourth on; a day, a message and what concerns all part it", () => {
  const joins = (from: number, count: number) =>
    Array.from({ length: count }, (_, at) => happened(`$j${from + at}`, "join", `@p${from + at}`, from + at));
  const all = [
    happened("$create", "", "", 0, "m.room.create"),
    ...joins(1, 4),
    message("$m", "@a", 10),
    ...joins(11, 2),
    happened("$sealed", "", "", 13, "m.room.encryption"),
    ...joins(14, 4),
    ...joins(24 * 60 * MINUTE, 1),
  ];
  expect(shown(all)).toEqual([
    "begin", "day", "happening", "happenings", "+$m", "happening", "happening", "happening", "happenings", "day", "happening",
  ]);
  // What nobody is told parts nothing.
  const quiet = happened("$quiet", "", "@k", 2, "org.example.state");
  expect(shown([...joins(1, 2), quiet, ...joins(3, 2)])).toEqual(["begin", "day", "happenings"]);
});

test("who makes a room comes in and names it: that is one line, and what others want to know is below it", () => {
  const by = (sender: string, id: string, type: string) => happened(id, "", "", 0, type, sender);
  const begun = [
    by("@me", "$create", "m.room.create"),
    happened("$join", "join", "@me", 0),
    by("@me", "$sealed", "m.room.encryption"),
    by("@me", "$topic", "m.room.topic"),
    by("@other", "$other", "m.room.topic"),
  ];
  const told = made(begun, [], undefined).slice(2);
  expect(told.map((row) => ("items" in row ? row.items.map(({ id }) => id) : row.id))).toEqual([
    ["$create", "$join", "$topic"], "$sealed", "$other",
  ]);
});

test("an own message stands there once, before and after it has come back", () => {
  const echo = (progress: Echo["progress"]): Echo => ({
    ...{ txnId: "t1", roomId: "!a", type: "m.room.message", content: { body: "x" }, createdAt: 2 },
    progress,
  });
  const sent = message("$1", "@me", 2);
  const gap: Item = { kind: "gap", token: "t", id: "gap t" };
  expect(shown([gap], [echo({ state: "sending" })])).toEqual(["gap", "day", "+t1"]);
  expect(shown([message("$0", "@me", 1)], [echo({ state: "sending" })])).toEqual(["begin", "day", "+$0", "-t1"]);
  expect(shown([gap, sent], [echo({ state: "sent", eventId: "$1" })])).toEqual(["gap", "day", "+$1"]);
});

test("pictures that were sent at once stand in one row, as far as nobody said anything of them", () => {
  const picture = (id: string, album: string, more: Partial<Message> = {}): Message => ({
    ...message(id, "@me", 1),
    content: { msgtype: "m.image", info: { mimetype: "image/png" }, "org.sealpost.album": album },
    ...more,
  });
  const together = (items: Item[], echoes: Echo[] = [], unread?: string) =>
    made(items, echoes, unread).flatMap((row) => (row.kind === "message" ? [(row.album ?? [row.item]).map(({ id }) => id).join(" ")] : []));
  const loved = { reactions: [{ key: "x", senders: ["@a"], own: undefined }] };
  expect(together([picture("$1", "a"), picture("$2", "a"), picture("$3", "b"), message("$4", "@me", 1)])).toEqual(["$1 $2", "$3", "$4"]);
  expect(together([picture("$1", "a", loved), picture("$2", "a"), picture("$3", "a", loved)])).toEqual(["$1 $2", "$3"]);
  expect(together([picture("$1", "a"), picture("$2", "a", { isRedacted: true }), picture("$3", "a")])).toEqual(["$1", "$2", "$3"]);
  expect(together([picture("$1", "a"), { ...picture("$2", "a"), sender: "@other" }])).toEqual(["$1", "$2"]);
  expect(together([picture("$1", "a"), picture("$2", "a")], [], "$2")).toEqual(["$1", "$2"]);
  expect(together([picture("$1", "a", { seal: "sealed" }), picture("$2", "a", { seal: "clear" })])).toEqual(["$1", "$2"]);
  expect(together([picture("$1", "a"), { ...message("$2", "@me", 1), content: { msgtype: "m.text", "org.sealpost.album": "a" } }])).toEqual(["$1", "$2"]);
  const echo = (txnId: string): Echo => ({
    ...{ txnId, roomId: "!a", type: "m.room.message", content: picture("", "a").content, createdAt: 2 },
    progress: { state: "queued" },
  });
  expect(together([picture("$1", "a")], [echo("t2"), echo("t3")])).toEqual(["$1 t2 t3"]);
  expect(together([message("$0", "@me", 1)], [echo("t2"), echo("t3")])).toEqual(["$0", "t2 t3"]);
  const all = made([picture("$1", "a"), picture("$2", "a")], [], undefined);
  expect([rowOf(all, "$2")?.id, rowOf(all, "$9")]).toEqual(["$1", undefined]);
});

test("what somebody removed one after the other is one row, until something else stands between", () => {
  const gone = (id: string, more: Partial<Message> = {}): Message => ({ ...message(id, "@a", 1), isRedacted: true, ...more });
  const together = (items: Item[]) =>
    made(items, [], undefined).flatMap((row) => (row.kind === "message" ? [(row.album ?? [row.item]).map(({ id }) => id).join(" ")] : []));
  expect(together([gone("$1"), gone("$2"), gone("$3")])).toEqual(["$1 $2 $3"]);
  expect(together([gone("$1"), message("$2", "@a", 1), gone("$3"), gone("$4", { sender: "@b" })])).toEqual(["$1", "$2", "$3", "$4"]);
  expect(together([gone("$1"), gone("$2", { ts: 7 * MINUTE })])).toEqual(["$1", "$2"]);
  const by = (id: string, sender: string) => {
    const { event } = message(id, "@a", 1);
    return gone(id, { event: { ...event, unsigned: { redacted_because: { sender } } } });
  };
  expect(together([gone("$1"), by("$2", "@a"), by("$3", "@b"), by("$4", "@b"), by("$5", "@c")])).toEqual(["$1 $2", "$3 $4", "$5"]);
});
