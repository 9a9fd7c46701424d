import { expect, test } from "vitest";

import type { Item, Message } from "../../matrix/room/messages";
import type { Echo } from "../../matrix/send/queue";
import { rows, withEchoes } from "./rows";

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
