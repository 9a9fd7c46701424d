// What was typed, as HTML: markup gets its form, and everything else stays the text that it is.

import type { MarkedExtension, TokenizerThis, Tokens } from "marked";

/** Somebody who is named by `@` and a name. */
export interface Named {
  userId: string;
  name: string;
}

const MARKUP = /[*_`~#>[\]|\\]|^\s*(\d+[.)]|[-+])\s|\n\s*\n/m;
/** `||words||` or `||why|words||`. */
const SPOILER = /^\|\|(?!\s)(?:([^|\n]+)\|(?!\|))?((?:(?!\|\|)[^\n])*[^\s|])\|\|/;

const NAMES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Words that are hidden: as they were typed, with their marks, and why. */
export interface Hidden {
  raw: string;
  why: string;
}

/**
 * `undefined`: plain text says the same. `named`: the longest names first, one may begin another. What is hidden is put
 * into `hidden`, as it comes.
 */
export async function toHtml(body: string, named: readonly Named[], hidden: Hidden[]): Promise<string | undefined> {
  const plain = escaped(body);
  if (MARKUP.test(body)) {
    // It is said without its form rather than not at all, if what forms it can't be fetched.
    const marked = await import("marked").catch(() => undefined);
    if (marked) {
      const html = (await new marked.Marked(ours(named, hidden)).parse(body, { gfm: true, breaks: true })).trim();
      // Words alone in a paragraph are said better as plain text.
      return html === `<p>${plain}</p>` ? undefined : html;
    }
  }
  let html = plain;
  for (const one of named) html = html.replaceAll(`@${escaped(one.name)}`, () => linkTo(one));
  return html === plain ? undefined : html;
}

/** `html` whole, hidden until somebody wants to see it. */
export function spoiler(html: string): string {
  const inner = html.replace(/^<p>([\s\S]*)<\/p>$/, (whole, inner: string) => (inner.includes("<p>") ? whole : inner));
  return `<span data-mx-spoiler>${inner}</span>`;
}

/** What stands for hidden words in plain text, as the specification has it ("Spoiler messages"). */
export function spoilerFallback(why: string): string {
  return why ? `[Spoiler for ${why}]` : "[Spoiler]";
}

/** Plain text without its hidden words. */
export function withoutHidden(body: string, hidden: readonly Hidden[]): string {
  let [open, from] = [body, 0];
  for (const { raw, why } of hidden) {
    const at = open.indexOf(raw, from);
    if (at < 0) continue;
    const fallback = spoilerFallback(why);
    open = open.slice(0, at) + fallback + open.slice(at + raw.length);
    from = at + fallback.length;
  }
  // Where code says the same, that was taken for it.
  return hidden.reduce((rest, { raw, why }) => rest.replaceAll(raw, () => spoilerFallback(why)), open);
}

export function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => NAMES[sign] ?? sign);
}

function linkTo({ userId, name }: Named): string {
  return `<a href="https://matrix.to/#/${encodeURIComponent(userId)}">${escaped(name)}</a>`;
}

function ours(named: readonly Named[], hidden: Hidden[]): MarkedExtension {
  return {
    // HTML that somebody typed is text.
    tokenizer: { html: () => undefined, tag: () => undefined },
    renderer: {
      text(token) {
        return "tokens" in token && token.tokens ? this.parser.parseInline(token.tokens) : escaped(token.text);
      },
    },
    extensions: [
      {
        name: "spoiler",
        level: "inline",
        start: (src) => indexIn(src, "||"),
        tokenizer(this: TokenizerThis, src) {
          const [raw, why, words] = SPOILER.exec(src) ?? [];
          return raw === undefined ? undefined : { type: "spoiler", raw, why, tokens: this.lexer.inlineTokens(words ?? "") };
        },
        renderer({ raw, why, tokens }) {
          const told = typeof why === "string" ? why.trim() : "";
          hidden.push({ raw, why: told });
          const reason = told ? `="${escaped(told)}"` : "";
          return `<span data-mx-spoiler${reason}>${this.parser.parseInline(tokens ?? [])}</span>`;
        },
        childTokens: ["tokens"],
      },
      {
        name: "named",
        level: "inline",
        start: (src) => indexIn(src, "@"),
        tokenizer(this: TokenizerThis, src) {
          const one = this.lexer.state.inLink ? undefined : named.find(({ name }) => src.startsWith(`@${name}`));
          return one && { type: "named", raw: `@${one.name}`, one };
        },
        renderer: (token: Tokens.Generic) => linkTo(token["one"] as Named),
      },
    ],
  };
}

function indexIn(src: string, sign: string): number | undefined {
  const at = src.indexOf(sign);
  return at < 0 ? undefined : at;
}
