// A message in a few words, for places with one line.

import { text, type JsonObject } from "../matrix/json";
import { captionOf } from "../matrix/room/caption";
import { isReadable, type Seal } from "../matrix/room/messages";
import { isPollStart, pollOf } from "../matrix/room/poll";
import { placeOf } from "../matrix/room/place";
import { HIDDEN, shownWords } from "../matrix/search/shown";
import { t } from "../ui/words.svelte";

export function plainText(type: string, content: JsonObject, seal: Seal): string {
  if (seal === "foreign") return t.foreignWords;
  if (!isReadable(seal)) return t.sealedWords;
  const words = wordsOf(type, content);
  // Of what stands in clear in a sealed room nobody is the proven author: that is said wherever its words are.
  return seal === "clear" ? t.clearWords(words) : words;
}

function wordsOf(type: string, content: JsonObject): string {
  if (type === "m.sticker") return [t.sticker, inOneLine(text(content["body"]) ?? "")].filter(Boolean).join(": ");
  if (isPollStart(type)) return `${t.newPoll}: ${pollOf(content, "", [], [], () => false)?.question ?? ""}`;
  const body = withoutQuote(shownWords(content), content).replaceAll(HIDDEN, `[${t.spoiler("")}]`);
  switch (content["msgtype"]) {
    case "m.image":
      return withCaption(t.photo, content, body);
    case "m.video":
      return withCaption(t.video, content, body);
    case "m.audio":
      return content["org.matrix.msc3245.voice"] === undefined ? withCaption(t.audio, content, body) : t.voiceMessage;
    case "m.location":
      return placeOf(content)?.description ?? t.place;
    case "m.file":
      return withCaption(text(content["filename"]) || body || t.file, content, body);
    case undefined:
      return t.removed;
    default:
      return inOneLine(body);
  }
}

/** A file, and what is said of it. */
function withCaption(file: string, content: JsonObject, caption: string): string {
  return captionOf(content) === undefined ? file : `${file}: ${inOneLine(caption)}`;
}

function inOneLine(words: string): string {
  return words.replace(/\s+/g, " ").slice(0, 200);
}

/** The text of a reply without the words that it quotes, as older clients write them. */
export function withoutQuote(body: string, content: JsonObject): string {
  const relation = content["m.relates_to"] as JsonObject | undefined;
  if (!relation?.["m.in_reply_to"] || !body.startsWith("> ")) return body;
  return body.replace(/^(> .*\n)+\n?/, "");
}
