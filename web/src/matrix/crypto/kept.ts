// Messages as this device keeps them: opened, with where they stand.

import { relationOf, type RoomEvent } from "../event";
import { object, text } from "../json";
import type { Opened } from "../room/opened";
import { foundWords, soughtWords } from "../search/shown";
import { hasWords } from "../search/words";

export interface Place {
  roomId: string;
  eventId: string;
  sender: string;
  ts: number;
}

/** What is stored; an earlier version stored what was opened alone. */
export type Kept = Opened | { opened: Opened; at: Place };

export function openedIn(kept: Kept): Opened {
  return "opened" in kept ? kept.opened : kept;
}

export function keep(roomId: string, { event_id, sender, origin_server_ts }: RoomEvent, opened: Opened): Kept {
  return { opened, at: { roomId, eventId: event_id, sender, ts: origin_server_ts } };
}

/** A message in which words are looked for. */
export interface KeptMessage extends Place {
  /** Its first words, as they are shown. */
  body: string;
  matches: boolean;
  isProven: boolean;
  sharedBy: string | undefined;
  messageId: string | undefined;
  /** It says what another message says now: which one, and the one that its author meant, if that is to be checked. */
  target: string | undefined;
  means: string | null | undefined;
}

export interface KeptPage {
  /** Those with the words, and all edits. */
  messages: KeptMessage[];
  looked: number;
  /** How many are kept in all. */
  total: number;
  /** Where to go on; `undefined` at the end. */
  next: string | undefined;
}

const SHOWN = 300;

/** `undefined`: it has no words, or nobody knows where it stands. */
export function messageIn(kept: Kept, words: readonly string[]): KeptMessage | undefined {
  if (!("opened" in kept)) return undefined;
  const { opened, at } = kept;
  if (opened.status !== "read" || opened.type !== "m.room.message") return undefined;
  const relation = relationOf(opened.content);
  const isEdit = relation?.type === "m.replace" && !opened.isRelationWrong;
  const content = isEdit ? object(opened.content["m.new_content"]) : opened.content;
  if (text(content?.["body"]) === undefined) return undefined;
  const { isProven, sharedBy, messageId, means } = opened;
  const target = isEdit ? relation.eventId : undefined;
  return { ...at, body: foundWords(content).slice(0, SHOWN), matches: hasWords(soughtWords(content), words), isProven, sharedBy, messageId, target, means };
}
