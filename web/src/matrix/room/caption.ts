// Words that are said of a file: in its message they stand where its name stood, and the name stands apart.

import { text, type JsonObject } from "../json";

const FILES = new Set<unknown>(["m.image", "m.video", "m.audio", "m.file"]);

/** Whether a message is a file. */
export function isFile(content: JsonObject): boolean {
  return FILES.has(content["msgtype"]);
}

/** What is said of a file; `undefined`, if that is nothing but its name. */
export function captionOf(content: JsonObject): string | undefined {
  const [name, body] = [text(content["filename"]), text(content["body"])];
  const isSaid = isFile(content) && name !== undefined && body !== undefined && body !== name && body.trim() !== "";
  return isSaid ? body : undefined;
}

/** A file of which nothing is said. */
export function bare(content: JsonObject): JsonObject {
  const words = new Set(["format", "formatted_body", "m.mentions", "m.relates_to"]);
  const file = Object.fromEntries(Object.entries(content).filter(([key]) => !words.has(key)));
  const name = text(content["filename"]) ?? text(content["body"]) ?? "";
  return { ...file, body: name, filename: name };
}
