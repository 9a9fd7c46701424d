// A message as plain text, as it is read: without the marks with which it was typed.

import { text, type JsonObject } from "../json";
import { captionOf } from "../room/caption";

/** A reply's quotation, for clients that know no replies. */
export const QUOTED = /^\s*<mx-reply>[\s\S]*?<\/mx-reply>/i;
/** After these, words do not go on in the same line. */
const BREAK = /<(?:br|hr|\/(?:p|div|li|h[1-6]|tr|t[dh]|pre|blockquote))\b[^<>]*>/gi;
/** Stands for words that are hidden until somebody wants to see them. */
export const HIDDEN = "▒▒▒";
const SPOILER = /\sdata-mx-spoiler(?:\s*=\s*(?:"([^"]*)"|'([^']*)'))?/i;
/** No `<` inside: else each that is never closed would be looked after until the end. */
const TAG = /<\/?([a-z][a-z\d]*)[^<>]*>/gi;
/** What a picture in the words stands for: an emoji of somebody's own, for the most. */
const ALT = /\salt\s*=\s*(?:"([^"]*)"|'([^']*)')/i;
const NAMED: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " ", amp: "&" };

export function shownWords(content: JsonObject | undefined): string {
  const html = htmlOf(content);
  return (html !== undefined && wordsIn(html)) || (text(content?.["body"]) ?? "");
}

/** What is looked through for words, without what is hidden in it: of a file, what is said of it, and its name. */
export function soughtWords(content: JsonObject | undefined): string {
  return content ? withName(openWords(content), content) : "";
}

/** As `soughtWords`, as it is shown. */
export function foundWords(content: JsonObject | undefined): string {
  return withName(shownWords(content), content);
}

function withName(words: string, content: JsonObject | undefined): string {
  return content && captionOf(content) !== undefined ? `${words} · ${text(content["filename"]) ?? ""}` : words;
}

/** The body as it is; without what is hidden in it, if something is. */
export function openWords(content: JsonObject): string {
  return hidesWords(content) ? shownWords(content) : (text(content["body"]) ?? "");
}

/** Whether something in it is hidden. */
export function hidesWords(content: JsonObject): boolean {
  return SPOILER.test(htmlOf(content) ?? "");
}

/** Why a tag hides what is in it; empty, where it says nothing of that, and `undefined`, where it hides nothing. */
export function whyHidden(tag: string): string | undefined {
  const [spoiler, double, single] = SPOILER.exec(tag) ?? [];
  return spoiler === undefined ? undefined : (double ?? single ?? "").trim();
}

function htmlOf(content: JsonObject | undefined): string | undefined {
  return content?.["format"] === "org.matrix.custom.html" ? text(content["formatted_body"]) : undefined;
}

/** What is hidden stays so, also where it is never closed. */
function covered(html: string): string {
  let [open, from, depth, within] = ["", 0, 0, ""];
  for (const { 0: tag, 1: name = "", index } of html.matchAll(TAG)) {
    if (depth > 0) {
      if (name.toLowerCase() === within) depth += tag.startsWith("</") ? -1 : 1;
      from = index + tag.length;
      continue;
    }
    const reason = tag.startsWith("</") ? undefined : whyHidden(tag);
    if (reason === undefined) continue;
    open += `${html.slice(from, index)}${reason ? `(${reason}) ` : ""}${HIDDEN}`;
    [within, depth] = [name.toLowerCase(), 1];
  }
  return depth > 0 ? open : open + html.slice(from);
}

function wordsIn(html: string): string {
  const bare = covered(html.replace(QUOTED, "")).replace(BREAK, " ").replace(TAG, wordsOfTag);
  return unescaped(bare).replace(/\s+/g, " ").trim();
}

function wordsOfTag(tag: string, name: string): string {
  const [, double, single] = name.toLowerCase() === "img" ? (ALT.exec(tag) ?? []) : [];
  return double ?? single ?? "";
}

/** Text of HTML without tags, as it is read. */
export function unescaped(bare: string): string {
  return bare.replace(/&(?:(lt|gt|quot|apos|nbsp|amp)|#(\d{1,7}));/g, named);
}

function named(_: string, name: string | undefined, number: string): string {
  if (name !== undefined) return NAMED[name] ?? "";
  const code = Number(number);
  return code <= 0x10ffff ? String.fromCodePoint(code) : "";
}
