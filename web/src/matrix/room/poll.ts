// Polls (MSC3381): a question, answers to choose from, who chose what. Read in the stable and the older form, written in
// the stable one.

import type { RoomEvent } from "../event";
import { list, number, object, objects, strings, text, type Json, type JsonObject } from "../json";

export const POLL_START = "m.poll.start";
const OLD = "org.matrix.msc3381.poll";
const MOST_ANSWERS = 20;

export function isPollStart(type: string): boolean {
  return type === POLL_START || type === `${OLD}.start`;
}

export function isPollResponse(type: string): boolean {
  return type === "m.poll.response" || type === `${OLD}.response`;
}

export function isPollEnd(type: string): boolean {
  return type === "m.poll.end" || type === `${OLD}.end`;
}

export interface Answer {
  id: string;
  text: string;
  /** Who chose it. */
  voters: string[];
}

export interface Poll {
  question: string;
  answers: Answer[];
  /** How many answers one may choose. */
  most: number;
  /** Whether votes are shown before the end. */
  isOpen: boolean;
  hasEnded: boolean;
  /** How many people chose. */
  votes: number;
}

/** What was said about a poll: with what it holds, opened. */
export interface About {
  event: RoomEvent;
  content: JsonObject;
}

/** `undefined`: it is none that can be shown. `mayEnd` says who may end it besides its author. */
export function pollOf(
  content: JsonObject,
  author: string,
  responses: readonly About[],
  ends: readonly About[],
  mayEnd: (userId: string) => boolean,
): Poll | undefined {
  const start = object(content["m.poll"]) ?? object(content[`${OLD}.start`]);
  const question = words(start?.["question"]);
  const ids = new Set<string>();
  const answers = objects(start?.["answers"]).slice(0, MOST_ANSWERS).flatMap((answer): Answer[] => {
    const id = text(answer["m.id"]) ?? text(answer["id"]);
    // The same twice could not be told apart.
    if (id === undefined || ids.has(id)) return [];
    ids.add(id);
    return [{ id, text: words(answer) ?? id, voters: [] }];
  });
  if (!start || question === undefined || answers.length === 0) return undefined;
  const most = Math.max(number(start["max_selections"]) ?? 1, 1);
  const ended = ends
    .filter(({ event }) => event.sender === author || mayEnd(event.sender))
    .map(({ event }) => event.origin_server_ts);
  const until = Math.min(...ended, Infinity);
  const last = new Map<string, string[]>();
  // The last word of each counts.
  for (const { event, content } of responses.toSorted((a, b) => a.event.origin_server_ts - b.event.origin_server_ts)) {
    if (event.origin_server_ts <= until) last.set(event.sender, chosen(content, answers, most));
  }
  for (const [sender, ids] of last) {
    for (const answer of answers) if (ids.includes(answer.id)) answer.voters.push(sender);
  }
  const kind = text(start["kind"]);
  const isOpen = kind === "m.disclosed" || kind === `${OLD}.disclosed`;
  const votes = [...last.values()].filter((ids) => ids.length > 0).length;
  return { question, answers, most, isOpen, hasEnded: ended.length > 0, votes };
}

/** A vote with an answer that is not there is spoiled. */
function chosen(content: JsonObject, answers: Answer[], most: number): string[] {
  const old = object(content[`${OLD}.response`])?.["answers"];
  const ids = strings(content["m.selections"] ?? old).slice(0, most);
  return ids.every((id) => answers.some((answer) => answer.id === id)) ? ids : [];
}

/** Text in any of the forms that there are. */
function words(value: Json | undefined): string | undefined {
  const holder = object(value);
  const parts = list(holder?.["m.text"]).map(object);
  const plain = parts.find((part) => part && (part["mimetype"] ?? "text/plain") === "text/plain");
  return text(plain?.["body"]) ?? text(holder?.["org.matrix.msc1767.text"]) ?? text(holder?.["body"]);
}

const said = (body: string): JsonObject => ({ "m.text": [{ body }] });

export function pollStart(question: string, answers: string[], most: number, isOpen: boolean): JsonObject {
  return {
    ...said([question, ...answers.map((answer, at) => `${at + 1}. ${answer}`)].join("\n")),
    "m.poll": {
      question: said(question),
      kind: isOpen ? "m.disclosed" : "m.undisclosed",
      max_selections: most,
      answers: answers.map((answer, at) => ({ "m.id": `${at}`, ...said(answer) })),
    },
  };
}

export function pollResponse(eventId: string, ids: string[]): JsonObject {
  return { "m.relates_to": { rel_type: "m.reference", event_id: eventId }, "m.selections": ids };
}

export function pollEnd(eventId: string, poll: Poll): JsonObject {
  const results = poll.answers.map(({ id, voters }) => [id, voters.length]);
  const best = poll.answers.toSorted((a, b) => b.voters.length - a.voters.length)[0];
  return {
    ...said(best ? `${poll.question} – ${best.text}` : poll.question),
    "m.relates_to": { rel_type: "m.reference", event_id: eventId },
    "m.poll.results": Object.fromEntries(results) as JsonObject,
  };
}
