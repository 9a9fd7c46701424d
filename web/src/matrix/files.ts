// Files in messages. In a sealed room they are sealed like the words: their names, types and sizes are inside.

import type { Client } from "./client";
import { object, text, type JsonObject } from "./json";

/** How a file is sealed, as events name it. */
const FORM = "org.sealpost.file.v1";

export interface Upload {
  file: File;
  width?: number;
  height?: number;
}

/** Uploads a file, sealed where the room is; answers the content of the message. */
export async function uploadFile(
  client: Client,
  roomId: string,
  { file, width, height }: Upload,
  isSealed: boolean,
  onprogress: (part: number) => void,
  signal: AbortSignal,
): Promise<JsonObject> {
  const info: JsonObject = { size: file.size, mimetype: file.type || "application/octet-stream" };
  if (width && height) Object.assign(info, { w: width, h: height });
  const [kind] = file.type.split("/");
  const msgtype = kind === "image" || kind === "video" || kind === "audio" ? `m.${kind}` : "m.file";
  const content: JsonObject = { msgtype, body: file.name, filename: file.name, info };
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
export async function openFile(client: Client, roomId: string, content: JsonObject): Promise<Blob> {
  const type = text(object(content["info"])?.["mimetype"]) ?? "";
  // Anything that a browser might run is only to be saved.
  const mime = /^(image\/(png|jpeg|gif|webp|avif)|audio\/\w+|video\/\w+)$/.test(type) ? type : "application/octet-stream";
  const file = object(content["file"]);
  const url = text(file ? file["url"] : content["url"]);
  if (!url) throw new Error("no file");
  const blob = await (await client.api.download(url)).blob();
  if (!file) return new Blob([blob], { type: mime });
  const [key, hash] = [text(file["key"]), text(file["hash"])];
  if (file["v"] !== FORM || !key || !hash) throw new Error("sealed in a way that is not known");
  const opened = await client.crypto.files.open(blob, roomId, key, hash);
  return new Blob([opened], { type: mime });
}
