// A message as plain text, as it is read: without the marks with which it was typed.

import { text, type JsonObject } from "../json";

/** A reply's quotation, for clients that know no replies. */
const QUOTED = /^\s*<mx-reply>[\s\S]*?<\/mx-reply>/i;
/** After these, words do not go on in the same line. */
const BREAK = /<(?:br|hr|\/(?:p|div|li|h[1-6]|tr|t[dh]|pre|blockquote))\b[^<>]*>/gi;
/** No `<` inside: else each that is never closed would be looked after until the end. */
const TAG = /<\/?[a-z][^<>]*>/gi;
const NAMED: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " ", amp: "&" };

export function shownWords(content: JsonObject | undefined): string {
  const body = text(content?.["body"]) ?? "";
  const html = content?.["format"] === "org.matrix.custom.html" ? text(content["formatted_body"]) : undefined;
  return (html !== undefined && wordsIn(html)) || body;
}

function wordsIn(html: string): string {
  const bare = html.replace(QUOTED, "").replace(BREAK, " ").replace(TAG, "");
  return bare.replace(/&(?:(lt|gt|quot|apos|nbsp|amp)|#(\d{1,7}));/g, named).replace(/\s+/g, " ").trim();
}

function named(_: string, name: string | undefined, number: string): string {
  if (name !== undefined) return NAMED[name] ?? "";
  const code = Number(number);
  return code <= 0x10ffff ? String.fromCodePoint(code) : "";
}
