// What was typed to get HTML, as far as it can be told: of a message that hides words, its plain text does not say.

import { QUOTED, unescaped, whyHidden } from "../../matrix/search/shown";

/** A tag, or text. No `<` inside: else each that is never closed would be looked after until the end. */
const PIECE = /<(\/?)([a-z][a-z\d]*)([^<>]*)>|[^<]+|</gi;
const MARKS: Record<string, string> = { strong: "**", b: "**", em: "*", i: "*", del: "~~", s: "~~", code: "`" };
/** Nobody writes so deep; no more is read then. */
const DEEPEST = 100;
const SOMEBODY = /^https:\/\/matrix\.to\/#\/(@|%40)/i;

interface Open {
  name: string;
  /** Where what stands in it begins. */
  at: number;
  /** It is code of several lines, or stands in such. */
  isCode: boolean;
  /** What was typed for it. */
  typed: (inner: string) => string;
}

export function typedFrom(html: string): string {
  let typed = "";
  const open: Open[] = [];
  /** Ends the innermost ones, until so many are left. */
  const close = (left: number) => {
    for (const { at, typed: form } of open.splice(left).toReversed()) typed = typed.slice(0, at) + form(typed.slice(at));
  };
  for (const [piece, slash, tag = "", attributes = ""] of html.replace(QUOTED, "").matchAll(PIECE)) {
    const name = tag.toLowerCase();
    const isInCode = open.at(-1)?.isCode === true;
    if (!name) typed += isInCode ? unescaped(piece) : inLine(piece);
    else if (name === "br") typed += "\n";
    else if (!slash) {
      if (open.length === DEEPEST) break;
      const isCode = isInCode || name === "pre";
      open.push({ name, at: typed.length, isCode, typed: formOf(name, attributes, open, isInCode) });
    } else {
      const at = open.findLastIndex((one) => one.name === name);
      // What stands open in it ends with it.
      if (at >= 0) close(at);
    }
  }
  close(0);
  return typed.replace(/\n{3,}/g, "\n\n").trim();
}

/** Lines of HTML are none of the words. */
function inLine(text: string): string {
  return /^\s*\n\s*$/.test(text) ? "" : unescaped(text).replace(/\s*\n\s*/g, " ");
}

function formOf(name: string, attributes: string, around: readonly Open[], isInCode: boolean): (inner: string) => string {
  const why = whyHidden(`<${name}${attributes}>`);
  if (why !== undefined) return (inner) => hidden(inner, unescaped(why));
  const mark = isInCode ? undefined : MARKS[name];
  if (mark !== undefined) return (inner) => inner && mark + inner + mark;
  switch (name) {
    case "a":
      return (inner) => link(inner, unescaped(/\shref\s*=\s*"([^"]*)"/i.exec(attributes)?.[1] ?? ""));
    case "p":
    case "div":
      return (inner) => `${inner}\n\n`;
    case "pre":
      return (inner) => `\n\`\`\`\n${inner.trimEnd()}\n\`\`\`\n\n`;
    case "blockquote":
      return (inner) => `${inner.trim().replace(/^/gm, "> ")}\n\n`;
    case "li": {
      const sign = around.findLast((one) => one.name === "ul" || one.name === "ol")?.name === "ol" ? "1." : "-";
      return (inner) => `${sign} ${inner.trim().replace(/\n+/g, "\n   ")}\n`;
    }
    case "ul":
    case "ol":
      return (inner) => `\n${inner}\n`;
    default: {
      const [, level] = /^h([1-6])$/.exec(name) ?? [];
      return level ? (inner) => `${"#".repeat(Number(level))} ${inner}\n\n` : (inner) => inner;
    }
  }
}

/** Signs that would end it are no part of it: nothing of it may come out. */
function hidden(inner: string, why: string): string {
  const words = inner.replace(/\s+/g, " ").replaceAll("||", "").replaceAll("|", "¦").trim();
  const reason = why.replace(/[|\s]+/g, " ").trim();
  return words && `||${reason && `${reason}|`}${words}||`;
}

function link(inner: string, href: string): string {
  if (SOMEBODY.test(href)) return inner.startsWith("@") ? inner : `@${inner}`;
  return inner === href || href === "" ? inner : `[${inner}](${href})`;
}
