// Words on their way into an event.

import { object, strings, text, type JsonObject } from "../../matrix/json";
import { bare, captionOf, isFile } from "../../matrix/room/caption";
import type { Message } from "../../matrix/room/messages";
import { hidesWords } from "../../matrix/search/shown";
import type { Answered } from "../../matrix/store/drafts";
import type { Parsed } from "./commands";
import { escaped, spoiler, spoilerFallback, toHtml, withoutHidden, type Hidden, type Named } from "./markup";
import { typedFrom } from "./typed";

/** What the words are about. */
export type About =
  | { kind: "reply"; message: Answered }
  | { kind: "edit"; message: Message };

/** The thread in which something is said, and what was said last in it. */
export interface InThread {
  rootId: string;
  last: string;
}

/** Words that are to be said. */
export type Said = Extract<Parsed, { kind: "say" }>;

const USER_ID = /@[a-z0-9._=/+-]+:[a-z0-9.-]+(:\d+)?/gi;
const FORMAT = { format: "org.matrix.custom.html" };

/** Who says it. */
export interface Speaker {
  userId: string;
  mayCallAll: boolean;
}

/** Whether words call everybody in the room. */
export function callsAll(words: string): boolean {
  return /(^|\s)@room\b/.test(words);
}

/** The content of a message. Formatted only where there is something to format. */
export async function compose(
  said: Said,
  about: About | undefined,
  people: readonly Named[],
  me: Speaker,
  thread?: InThread,
): Promise<JsonObject> {
  const { words: body, isPlain, isEmote, isSpoiler } = said;
  const content: JsonObject = { msgtype: isEmote ? "m.emote" : "m.text", body };
  const named = namedIn(body, people);
  if (!isPlain) {
    const hidden: Hidden[] = [];
    const formatted = await toHtml(body, named, hidden);
    content["body"] = isSpoiler ? spoilerFallback("") : withoutHidden(body, hidden);
    if (isSpoiler) Object.assign(content, FORMAT, { formatted_body: spoiler(formatted ?? escaped(body)) });
    else if (formatted !== undefined) Object.assign(content, FORMAT, { formatted_body: formatted });
  }
  const mentioned = [...body.matchAll(USER_ID)].map(([id]) => id).concat(named.map(({ userId }) => userId));
  if (about?.kind === "reply") mentioned.push(about.message.sender);
  const ids = [...new Set(mentioned)].filter((id) => id !== me.userId);
  const isToAll = me.mayCallAll && callsAll(body);
  const mentions = { ...(ids.length > 0 && { user_ids: ids }), ...(isToAll && { room: true }) };
  content["m.mentions"] = mentions;
  if (about?.kind === "reply") content["m.relates_to"] = replyRelation(about.message);
  else if (thread && !about) content["m.relates_to"] = threadRelation(thread);
  return about?.kind === "edit" ? edit(content, about.message) : content;
}

/** What is said of a file, in its message: in the place of its name, if there are words, and what it answers. */
export async function aboutFile(...said: Parameters<typeof compose>): Promise<JsonObject> {
  const content = await compose(...said);
  delete content["msgtype"];
  if (content["body"] === "") delete content["body"];
  return content;
}

/** A file, and what is said of it instead of its name, if there are words. */
function said(file: JsonObject, { body, ...words }: JsonObject): JsonObject {
  const { msgtype = "m.file" } = file;
  return { ...file, ...words, msgtype, ...(body !== undefined && body !== "" && { body }) };
}

/** What was typed to say this, as far as it can be told. */
export function asWritten(content: JsonObject): string {
  const body = (isFile(content) ? captionOf(content) : text(content["body"])) ?? "";
  const html = text(content["formatted_body"]) ?? "";
  // Hidden words stand nowhere else.
  const words = hidesWords(content) ? typedFrom(html) : body;
  if (content["msgtype"] === "m.emote") return `/me ${words}`;
  const [, whole] = /^<span data-mx-spoiler>((?:(?!<\/?span\b)[\s\S])*)<\/span>$/.exec(html) ?? [];
  if (whole !== undefined && hidesWords(content)) return `/spoiler ${typedFrom(whole)}`;
  return words.startsWith("/") ? `/${words}` : words;
}

/** Who is named, the longest names first: a name may begin another. */
function namedIn(body: string, people: readonly Named[]): Named[] {
  if (!body.includes("@")) return [];
  let rest = body;
  return people.toSorted((a, b) => b.name.length - a.name.length).filter(({ name }) => {
    if (!name || !rest.includes(`@${name}`)) return false;
    rest = rest.replaceAll(`@${name}`, "");
    return true;
  });
}

/** For clients without threads it answers what was said last. */
export function threadRelation({ rootId, last }: InThread): JsonObject {
  return { rel_type: "m.thread", event_id: rootId, is_falling_back: true, "m.in_reply_to": { event_id: last } };
}

/** What is said in a thread, if it is said in one. */
export function saidIn(thread: InThread | undefined, content: JsonObject): JsonObject {
  return thread ? { ...content, "m.relates_to": threadRelation(thread) } : content;
}

/** A reply in a thread stays in it. */
function replyRelation(message: Answered): JsonObject {
  const inReplyTo = { "m.in_reply_to": { event_id: message.id } };
  if (message.threadRoot === undefined) return inReplyTo;
  return { ...inReplyTo, rel_type: "m.thread", event_id: message.threadRoot, is_falling_back: false };
}

/** Those who were mentioned before are not told again. Of a file, what is said of it changes, and the file stays. */
function edit(words: JsonObject, message: Message): JsonObject {
  const content = isFile(message.content) ? said(bare(message.content), words) : words;
  const before = strings(object(message.content["m.mentions"])?.["user_ids"]);
  const after = strings(object(content["m.mentions"])?.["user_ids"]);
  const fresh = after.filter((id) => !before.includes(id));
  return {
    ...content,
    body: `* ${String(content["body"])}`,
    "m.mentions": fresh.length > 0 ? { user_ids: fresh } : {},
    "m.new_content": content,
    "m.relates_to": { rel_type: "m.replace", event_id: message.id },
  };
}
