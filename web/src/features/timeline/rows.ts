// What stands below what: days, groups, the line of the unread.

import { replyTo } from "../../matrix/event";
import { object, text } from "../../matrix/json";
import { isSpoken, threadOf, type Happening, type Item, type Message } from "../../matrix/room/messages";
import { isPollStart, pollOf } from "../../matrix/room/poll";
import type { Echo } from "../../matrix/send/queue";
import { changeOf, isCommon, isSetup } from "./happening";
import { kindOf } from "./opened.svelte";

export type Row =
  | { kind: "day"; id: string; ts: number }
  | { kind: "new"; id: string }
  | { kind: "gap"; id: string; item: Extract<Item, { kind: "gap" }> }
  | { kind: "begin"; id: string }
  /** Something of a sender did not arrive before this. */
  | { kind: "lost"; id: string; item: Message }
  | { kind: "happening"; id: string; item: Happening }
  /** Several one after the other. */
  | { kind: "happenings"; id: string; items: Happening[] }
  | MessageRow;

export interface MessageRow {
  kind: "message";
  id: string;
  item: Message;
  isFirst: boolean;
  echo?: Echo;
  /** Pictures that were sent at once, or what was removed one after the other: the message, and those after it. */
  album?: readonly Message[];
}

const TOGETHER_MS = 5 * 60_000;
/** So many things that happened are told in one line. */
const FEWEST_TOGETHER = 4;

/** How rows are made: `me` reads them; `within` is the beginning of the thread that is shown. */
export interface Reading {
  me: string;
  dayKey: (ts: number) => string;
  within?: string;
}

/**
 * Messages of one person within a few minutes stand together. `known`: the items by their id; `firstUnread` is below the
 * line.
 */
export function rows(
  items: readonly Item[],
  known: ReadonlyMap<string, Item>,
  { me, dayKey, within }: Reading,
  firstUnread?: string,
): Row[] {
  const found: Row[] = [];
  let day: string | undefined;
  let last: { sender: string; ts: number } | undefined;
  /** Things that happened since anything else was shown. */
  let common: Happening[] = [];
  /** A room that was made just now, and what was done to it by who made it: `after` is shown below. */
  let made: { creator: string; items: Happening[]; after: Happening[] } | undefined;
  const single = (item: Happening) => ({ kind: "happening" as const, id: item.id, item });
  const settle = () => {
    if (made) {
      const [created] = made.items;
      if (created && made.items.length > 1) found.push({ kind: "happenings", id: `since ${created.id}`, items: made.items });
      else found.push(...made.items.map(single));
      found.push(...made.after.map(single));
      made = undefined;
    }
    const [first] = common;
    if (first && common.length >= FEWEST_TOGETHER) found.push({ kind: "happenings", id: `since ${first.id}`, items: common });
    else found.push(...common.map(single));
    common = [];
  };
  const begin = (ts: number, before: string) => {
    const key = dayKey(ts);
    if (key === day) return;
    settle();
    found.push(dayRow(ts, before));
    last = undefined;
    day = key;
  };
  if (items.length > 0 && items[0]?.kind !== "gap") found.push({ kind: "begin", id: "begin" });
  for (const item of items) {
    if (item.kind === "gap") {
      settle();
      found.push({ kind: "gap", id: item.id, item });
      last = undefined;
      continue;
    }
    // What belongs to a thread stands there, where its beginning is known.
    if (item.kind === "message" && item.threadRoot && item.threadRoot !== within && known.has(item.threadRoot)) continue;
    if (item.kind === "happening" && !changeOf(item.event)) continue;
    begin(item.ts, item.id);
    if (item.id === firstUnread) {
      settle();
      found.push({ kind: "new", id: "new" });
      last = undefined;
    }
    if (item.kind === "happening") {
      const change = changeOf(item.event);
      if (made && isSetup(item.event, made.creator)) made.items.push(item);
      else if (made && change === "sealed") made.after.push(item);
      else {
        if (made || !isCommon(item.event)) settle();
        if (isCommon(item.event)) common.push(item);
        else if (change === "created") made = { creator: item.event.sender, items: [item], after: [] };
        else found.push(single(item));
      }
      last = undefined;
      continue;
    }
    settle();
    if (item.lost > 0 && item.sender !== me) {
      found.push({ kind: "lost", id: `lost ${item.id}`, item });
      last = undefined;
    }
    const joined = joinedTo(found.at(-1), item);
    if (joined) found.splice(-1, 1, joined);
    else {
      const isFirst = !isTogether(last, item) || item.replyTo !== undefined;
      found.push({ kind: "message", id: item.id, item, isFirst });
    }
    last = item;
  }
  settle();
  return found;
}

/**
 * The row before with one more picture, if that was sent at once with what is there; of which nobody said anything. Or
 * with one more message that is gone.
 */
function joinedTo(row: Row | undefined, item: Message): MessageRow | undefined {
  if (row?.kind !== "message" || item.sender !== row.item.sender) return undefined;
  const isApart = item.replyTo !== undefined || item.threadRoot !== row.item.threadRoot;
  if (isApart || item.thread || item.reactions.length > 0) return undefined;
  const join = () => ({ ...row, album: [...(row.album ?? [row.item]), item] });
  if (item.isRedacted && row.item.isRedacted) {
    // Who took them away is said once for all.
    const isAlike = !row.item.thread && removerOf(item) === removerOf(row.item);
    return isAlike && isTogether(row.album?.at(-1) ?? row.item, item) ? join() : undefined;
  }
  const album = albumOf(item);
  if (album === undefined || album !== albumOf(row.item)) return undefined;
  // What is to be said of one picture is said below that one. Of what is on its way there is nothing to say yet.
  if (item.seal !== "none" && (item.seal !== row.item.seal || hasNote(item))) return undefined;
  return join();
}

/** Who took a message away, if that was not its author. */
export function removerOf({ event, sender }: Message): string | undefined {
  const by = text(object(event.unsigned?.["redacted_because"])?.["sender"]);
  return by === sender ? undefined : by;
}

function hasNote({ opened }: Message): boolean {
  return opened?.status === "read" && (opened.warnings.length > 0 || opened.areReadersUnknown || !opened.isProven);
}

function albumOf({ type, content, isRedacted }: Message): string | undefined {
  const kind = isRedacted ? undefined : kindOf(type, content);
  return kind === "picture" || kind === "video" ? text(content["org.sealpost.album"]) : undefined;
}

/** The row in which an event stands, perhaps with others. */
export function rowOf(rows: readonly Row[], eventId: string): Row | undefined {
  return rows.find((row) => {
    const others = row.kind === "happenings" ? row.items : row.kind === "message" ? row.album : undefined;
    return row.id === eventId || others?.some(({ id }) => id === eventId);
  });
}

/** When it was; `undefined` of what stands between. */
export function timeOf(row: Row | undefined): number | undefined {
  if (row?.kind === "day") return row.ts;
  if (row?.kind === "happenings") return row.items.at(-1)?.ts;
  return row?.kind === "message" || row?.kind === "happening" ? row.item.ts : undefined;
}

/** Rows, and below them what is on its way: the same rows, where nothing is. */
export function withEchoes(
  settled: readonly Row[],
  echoes: readonly Echo[],
  known: ReadonlyMap<string, Item>,
  { me, dayKey, within }: Reading,
): readonly Row[] {
  const found: Row[] = [];
  let before = settled;
  const end = settled.at(-1);
  let last = end?.kind === "message" ? end.item : undefined;
  let ts = timeOf(settled.findLast((row) => timeOf(row) !== undefined));
  for (const echo of echoes) {
    const shown = shownEcho(echo, me);
    if (!shown || (shown.threadRoot && shown.threadRoot !== within)) continue;
    if (echo.progress.state === "sent" && known.has(echo.progress.eventId)) continue;
    if (ts === undefined || dayKey(ts) !== dayKey(shown.ts)) {
      found.push(dayRow(shown.ts, shown.id));
      last = undefined;
    }
    const [row] = (found.length > 0 ? found : before).slice(-1);
    const joined = joinedTo(row, shown);
    if (joined) {
      // Of what is on its way, the one that goes first.
      const told = row?.kind === "message" && row.echo ? row.echo : echo;
      if (found.length > 0) found.pop();
      else before = before.slice(0, -1);
      found.push({ ...joined, echo: told });
    } else {
      found.push({ kind: "message", id: shown.id, item: shown, isFirst: !isTogether(last, shown), echo });
    }
    last = shown;
    ts = shown.ts;
  }
  return found.length > 0 ? [...before, ...found] : settled;
}

/** Its name is the same when older messages come above. */
function dayRow(ts: number, before: string): Row {
  return { kind: "day", id: `day ${before}`, ts };
}

/** How many pictures of an album stand beside each other. */
export function columnsOf(count: number): number {
  return count === 2 || count === 4 ? 2 : 3;
}

/** About how high a row is, until it is seen. */
export function guessedHeight(row: Row): number {
  if (row.kind !== "message") return row.kind === "gap" ? 60 : row.kind === "happening" || row.kind === "happenings" ? 24 : 40;
  const { content } = row.item;
  const isLarge = content["msgtype"] === "m.image" || content["msgtype"] === "m.video";
  const length = typeof content["body"] === "string" ? content["body"].length : 0;
  const tiles = row.item.isRedacted ? 0 : (row.album?.length ?? 0);
  const lines = tiles > 0 ? Math.ceil(tiles / columnsOf(tiles)) * (20 / columnsOf(tiles)) : isLarge ? 11 : Math.min(Math.ceil(length / 90) || 1, 30);
  return lines * 22 + (row.isFirst ? 40 : 4) + (row.item.replyTo ? 28 : 0) + (row.item.reactions.length > 0 ? 32 : 0);
}

function isTogether(last: { sender: string; ts: number } | undefined, next: Message): boolean {
  return last?.sender === next.sender && next.ts - last.ts < TOGETHER_MS;
}

/** A message that has not come back yet; edits and reactions are not shown as messages. */
function shownEcho(echo: Echo, me: string): Message | undefined {
  const { txnId: id, type, content, createdAt: ts } = echo;
  if (!isSpoken(echo)) return undefined;
  const poll = isPollStart(type) ? pollOf(content, me, [], [], () => false) : undefined;
  return {
    ...{ kind: "message", id, sender: me, ts, type, content, opened: undefined },
    event: { event_id: id, type, sender: me, origin_server_ts: ts, content },
    ...{ seal: "none", before: [], editedAt: undefined, isRedacted: false, reactions: [] },
    ...{ replyTo: replyTo(content), threadRoot: threadOf(content), thread: undefined, poll, lost: 0 },
  };
}
