// Words on their way into an event.

import type { JsonObject } from "../../matrix/json";
import type { Message } from "../../matrix/room/messages";

/** What the words are about. */
export type About =
  | { kind: "reply"; message: Message }
  | { kind: "edit"; message: Message };

const MARKUP = /[*_`~#>[\]|\\]|^\s*(\d+[.)]|[-+])\s|\n\s*\n/m;

/** The content of a message. Formatted only where there is something to format. */
export async function compose(written: string, about: About | undefined): Promise<JsonObject> {
  const isEmote = written.startsWith("/me ");
  const body = isEmote ? written.slice(4) : written;
  const content: JsonObject = { msgtype: isEmote ? "m.emote" : "m.text", body };
  if (MARKUP.test(body)) {
    const formatted = await toHtml(body);
    // Words alone in a paragraph are said better as plain text.
    if (formatted !== undefined) {
      content["format"] = "org.matrix.custom.html";
      content["formatted_body"] = formatted;
    }
  }
  const mentions = [...body.matchAll(/@[a-z0-9._=/+-]+:[a-z0-9.-]+(:\d+)?/gi)].map(([id]) => id);
  if (mentions.length > 0) content["m.mentions"] = { user_ids: [...new Set(mentions)] };
  if (about?.kind === "reply") {
    content["m.relates_to"] = { "m.in_reply_to": { event_id: about.message.id } };
  }
  if (about?.kind === "edit") {
    return {
      ...content,
      body: `* ${body}`,
      "m.new_content": content,
      "m.relates_to": { rel_type: "m.replace", event_id: about.message.id },
    };
  }
  return content;
}

async function toHtml(body: string): Promise<string | undefined> {
  const { marked } = await import("marked");
  const html = (await marked.parse(escaped(body), { gfm: true, breaks: true })).trim();
  const plain = `<p>${escaped(body)}</p>`;
  return html === plain ? undefined : html;
}

/** Markup that somebody typed is text. A `>` stays: it begins a quotation. */
function escaped(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
}
