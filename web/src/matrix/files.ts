// Files in messages. In a sealed room they are sealed like the words: their names, types and sizes are inside.

import type { Client } from "./client";
import { number, object, text, type JsonObject } from "./json";

/** How a file is sealed, as events name it. */
const FORM = "org.sealpost.file.v1";

export interface Upload {
  file: File;
  width?: number;
  height?: number;
  /** In milliseconds, of something that was said aloud. */
  duration?: number | undefined;
}

/** Uploads a file, sealed where the room is; answers the content of the message. */
export async function uploadFile(
  client: Client,
  roomId: string,
  { file, width, height, duration }: Upload,
  isSealed: boolean,
  onprogress: (part: number) => void,
  signal: AbortSignal,
): Promise<JsonObject> {
  const info: JsonObject = { size: file.size, mimetype: file.type || "application/octet-stream" };
  if (width && height) Object.assign(info, { w: width, h: height });
  if (duration !== undefined) info["duration"] = duration;
  const [kind] = file.type.split("/");
  const msgtype = kind === "image" || kind === "video" || kind === "audio" ? `m.${kind}` : "m.file";
  const content: JsonObject = { msgtype, body: file.name, filename: file.name, info };
  if (duration !== undefined) {
    content["org.matrix.msc3245.voice"] = {};
    content["org.matrix.msc1767.audio"] = { duration };
  }
  if (!isSealed) {
    onprogress(0.5);
    content["url"] = await client.api.upload(file, file.name, signal);
    return content;
  }
  const sealed = await client.crypto.files.seal(file, roomId);
  signal.throwIfAborted();
  onprogress(0.5);
  const blob = new Blob([sealed.bytes], { type: "application/octet-stream" });
  const url = await client.api.upload(blob, undefined, signal);
  const { key, hash } = sealed;
  content["file"] = { v: FORM, url, key, hash, size: sealed.bytes.size };
  return content;
}

/** The file of a message; opened, if it is sealed, and whole, or an error. */
export async function openFile(
  client: Client,
  roomId: string,
  content: JsonObject,
  onprogress: (part: number) => void = () => {},
  signal?: AbortSignal,
): Promise<Blob> {
  const type = text(object(content["info"])?.["mimetype"]) ?? "";
  // Anything that a browser might run is only to be saved.
  const mime = /^(image\/(png|jpeg|gif|webp|avif)|audio\/\w+|video\/\w+)$/.test(type) ? type : "application/octet-stream";
  const file = object(content["file"]);
  const url = text(file ? file["url"] : content["url"]);
  if (!url) throw new Error("no file");
  const response = await client.api.download(url, signal);
  const size = number(file?.["size"]) ?? number(object(content["info"])?.["size"]) ?? 0;
  const blob = await whole(response, size, onprogress);
  signal?.throwIfAborted();
  if (!file) return new Blob([blob], { type: mime });
  const [key, hash] = [text(file["key"]), text(file["hash"])];
  if (file["v"] !== FORM || !key || !hash) throw new Error("sealed in a way that is not known");
  const opened = await client.crypto.files.open(blob, roomId, key, hash);
  return new Blob([opened], { type: mime });
}

/** What comes, told as it comes. `size` is what it may be, where the server says nothing. */
async function whole(response: Response, size: number, onprogress: (part: number) => void): Promise<Blob> {
  const total = Number(response.headers.get("content-length")) || size;
  if (!response.body || total === 0) return response.blob();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const reader = response.body.getReader();
  for (let had = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts);
    parts.push(value);
    had += value.length;
    onprogress(Math.min(had / total, 1));
  }
}
