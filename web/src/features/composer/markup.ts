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

/** `undefined`: plain text says the same. `named`: the longest names first, one may begin another. */
export async function toHtml(body: string, named: readonly Named[]): Promise<string | undefined> {
  const plain = escaped(body);
  if (MARKUP.test(body)) {
    // It is said without its form rather than not at all, if what forms it can't be fetched.
    const marked = await import("marked").catch(() => undefined);
    if (marked) {
      const html = (await new marked.Marked(ours(named)).parse(body, { gfm: true, breaks: true })).trim();
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

export function hasSpoiler(body: string): boolean {
  return body.split("||").length > 2;
}

export function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => NAMES[sign] ?? sign);
}

function linkTo({ userId, name }: Named): string {
  return `<a href="https://matrix.to/#/${encodeURIComponent(userId)}">${escaped(name)}</a>`;
}

function ours(named: readonly Named[]): MarkedExtension {
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
        renderer({ why, tokens }) {
          const reason = typeof why === "string" ? `="${escaped(why.trim())}"` : "";
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
