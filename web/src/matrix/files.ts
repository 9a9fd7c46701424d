// Files in messages. In a sealed room they are sealed like the words: their names, types and sizes are inside, and so are
// the small pictures that stand for them.

import { ifThere } from "./api/error";
import type { Client } from "./client";
import type { FileToOpen } from "./crypto/files";
import { mostWithin, padded, PIECE } from "./crypto/pieces";
import { number, object, text, type JsonObject } from "./json";
import { KeptFiles } from "./kept_files";
import { download, isMediaUri, isPicture, mediaPath } from "./media";
import type { Sticker } from "./room/stickers";

/** How a file is sealed, as events name it: so that it opens while it comes, and before that. */
const FORM = "org.sealpost.file.v2";
const FORM_BEFORE = "org.sealpost.file.v1";
/** How much of what comes goes to the worker at once, at least. */
const FED_BYTES = 256 * 1024;
/** Pictures that are not larger stand for themselves. */
export const SMALL_BYTES = 120_000;
/** A side of the small pictures that a server makes. */
const SMALL_SIDE = 800;

/** A picture that stands for a file. */
export interface Small {
  blob: Blob;
  width: number;
  height: number;
}

export interface Upload {
  file: Blob;
  name: string;
  width?: number | undefined;
  height?: number | undefined;
  /** In milliseconds. */
  duration?: number | undefined;
  /** It was said aloud: how loud, from 0 to 1024. */
  waveform?: number[] | undefined;
  small?: Small | undefined;
  /** What was sent at once has the same. */
  album?: string | undefined;
}

const opened = new WeakMap<Client, KeptFiles>();
const limits = new WeakMap<Client, Promise<number | undefined>>();

/** How many bytes a file may have, as far as that is known; the server is asked once. */
export function mostBytes(client: Client, isSealed: boolean): Promise<number> {
  const asked = limits.get(client) ?? client.api.uploadLimit();
  limits.set(client, asked);
  const known = asked.catch(() => void limits.delete(client));
  return known.then((limit = Infinity) => (isSealed && limit < Infinity ? mostWithin(limit) : limit));
}

/** Uploads a file, sealed where the room is; answers the content of the message. `onprogress`: which part of it is done. */
export async function uploadFile(
  client: Client,
  roomId: string,
  { file, name, width, height, duration, waveform, small, album }: Upload,
  isSealed: boolean,
  onprogress: (part: number) => void,
  signal: AbortSignal,
): Promise<JsonObject> {
  const info = infoOf(file, { width, height });
  if (duration !== undefined) info["duration"] = duration;
  const [kind] = file.type.split("/");
  const msgtype = kind === "image" || kind === "video" || kind === "audio" ? `m.${kind}` : "m.file";
  const content: JsonObject = { msgtype, body: name, filename: name, info };
  if (waveform && duration !== undefined) {
    content["org.matrix.msc3245.voice"] = {};
    content["org.matrix.msc1767.audio"] = { duration, waveform };
  }
  if (album !== undefined) content["org.sealpost.album"] = album;
  if (small) info["thumbnail_info"] = infoOf(small.blob, small);
  if (!isSealed) {
    if (small) info["thumbnail_url"] = await client.api.upload(small.blob, { signal });
    const onsent = (bytes: number) => onprogress(file.size > 0 ? bytes / file.size : 1);
    content["url"] = await client.api.upload(file, { name, signal, onsent });
  } else {
    if (small) info["thumbnail_file"] = await uploadSealed(client, roomId, "thumbnail", small.blob, () => {}, signal);
    content["file"] = await uploadSealed(client, roomId, "file", file, onprogress, signal);
  }
  // Who sent it need not fetch it.
  const keep = (named: Named, blob: Blob) => keptBy(client).keep(keyOf(named), blob.slice(0, blob.size, typeOf(named.info)));
  keep(wholeOf(content), file);
  const smallOne = smallOf(content);
  if (small && smallOne) keep(smallOne, small.blob);
  return content;
}

/** Stickers are small pictures. */
const LARGEST_STICKER = 2 * 1024 * 1024;

/** The content of a sticker. A room that is sealed gets a sealed copy of its own. Errors, also where it is no picture. */
export async function stickerContent(client: Client, roomId: string, sticker: Sticker, signal: AbortSignal): Promise<JsonObject> {
  const { url, body, info } = sticker;
  if (!(await client.isSealed(roomId))) return { body, url, info };
  const clear = { url, info: { ...info, mimetype: text(info["mimetype"]) ?? "image/png" } };
  const file = await openFile(client, roomId, clear, () => {}, signal);
  if (!file.type.startsWith("image/") || file.size > LARGEST_STICKER) throw new Error("no sticker");
  const [width, height] = [number(info["w"]), number(info["h"])];
  const content = await uploadFile(client, roomId, { file, name: body, width, height }, true, () => {}, signal);
  return { body, info: content["info"] ?? {}, file: content["file"] ?? {} };
}

function infoOf(file: Blob, { width, height }: { width?: number | undefined; height?: number | undefined }): JsonObject {
  const mimetype = file.type || "application/octet-stream";
  return { size: file.size, mimetype, ...(width && height && { w: width, h: height }) };
}

/** Each byte is sealed, then sent: both count. */
async function uploadSealed(
  client: Client,
  roomId: string,
  role: Named["role"],
  plain: Blob,
  onprogress: (part: number) => void,
  signal: AbortSignal,
): Promise<JsonObject> {
  const size = Math.max(Math.min(padded(plain.size), await mostBytes(client, true)), plain.size);
  const file = new Blob([plain, new Uint8Array(size - plain.size)]);
  const told = (sealed: number, sent: number) => onprogress((sealed + Math.min(sent, file.size)) / (2 * file.size || 1));
  const { files } = client.crypto;
  const id = await files.begin(roomId, role);
  let at = 0;
  try {
    for (; file.size - at >= PIECE; at += PIECE) {
      await files.add(id, file.slice(at, at + PIECE));
      signal.throwIfAborted();
      told(at + PIECE, 0);
    }
  } catch (error) {
    void files.drop(id).catch(() => {});
    throw error;
  }
  const { bytes, key, hash } = await files.finish(id, file.slice(at));
  signal.throwIfAborted();
  told(file.size, 0);
  const blob = new Blob([bytes], { type: "application/octet-stream" });
  const url = await client.api.upload(blob, { signal, onsent: (sent) => told(file.size, sent) });
  return { v: FORM, url, key, hash, size: bytes.size, length: plain.size };
}

/** What of a content names a file: its own, or the picture that stands for it. */
interface Named {
  role: "file" | "thumbnail";
  /** As events say it. */
  info: JsonObject | undefined;
  /** Where it is sealed. */
  file: JsonObject | undefined;
  url: string | undefined;
}

function wholeOf(content: JsonObject): Named {
  const file = object(content["file"]);
  return { role: "file", info: object(content["info"]), file, url: text(file ? file["url"] : content["url"]) };
}

/** A small picture; `undefined`, if there is none of its own. */
function smallOf(content: JsonObject): Named | undefined {
  const info = object(content["info"]);
  const file = object(info?.["thumbnail_file"]);
  const url = text(file ? file["url"] : info?.["thumbnail_url"]);
  return url === undefined ? undefined : { role: "thumbnail", info: object(info?.["thumbnail_info"]), file, url };
}

/** The file of a message; opened, if it is sealed, and whole, or an error. */
export function openFile(
  client: Client,
  roomId: string,
  content: JsonObject,
  onprogress: (part: number) => void = () => {},
  signal?: AbortSignal,
): Promise<Blob> {
  return open(client, roomId, wholeOf(content), onprogress, signal);
}

/** The picture that stands for a file of a message; `undefined`, if there is none. */
export async function openSmall(
  client: Client,
  roomId: string,
  content: JsonObject,
  signal?: AbortSignal,
): Promise<Blob | undefined> {
  const small = smallOf(content);
  if (small) return open(client, roomId, small, () => {}, signal);
  const url = text(content["url"]);
  if (content["msgtype"] !== "m.image" || object(content["file"]) || !url) return undefined;
  // In clear the server can make one.
  const query = { width: SMALL_SIDE, height: SMALL_SIDE, method: "scale" };
  const at = `/_matrix/client/v1/media/thumbnail/${mediaPath(url)}`;
  const asked = client.api.http.send(at, { method: "GET" }, { query, ...(signal && { signal }) });
  return (await ifThere(asked))?.blob();
}

/** Where the file of a message can be had as it comes: in clear, and if it is not here already. */
export function streamOf(client: Client, content: JsonObject): string | undefined {
  const named = wholeOf(content);
  const { file, url } = named;
  if (file || !url || !isMediaUri(url) || keptBy(client).get(keyOf(named))) return undefined;
  return download(url);
}

async function open(
  client: Client,
  roomId: string,
  named: Named,
  onprogress: (part: number) => void,
  signal?: AbortSignal,
): Promise<Blob> {
  const kept = keptBy(client);
  const name = keyOf(named);
  return kept.get(name) ?? kept.keep(name, await fetched(client, roomId, named, onprogress, signal));
}

function keptBy(client: Client): KeptFiles {
  const kept = opened.get(client) ?? new KeptFiles();
  opened.set(client, kept);
  return kept;
}

/** What was opened by another key was another file. */
function keyOf({ info, file, url }: Named): string {
  return JSON.stringify([url, file?.["key"], file?.["hash"], file?.["length"], info?.["mimetype"]]);
}

/** Anything that a browser might run is only to be saved. */
function typeOf(info: JsonObject | undefined): string {
  const type = text(info?.["mimetype"]) ?? "";
  return isPicture(type) || /^(audio|video)\/\w+$/.test(type) ? type : "application/octet-stream";
}

async function fetched(
  client: Client,
  roomId: string,
  { role, info, file, url }: Named,
  onprogress: (part: number) => void,
  signal?: AbortSignal,
): Promise<Blob> {
  const mime = typeOf(info);
  if (!url) throw new Error("no file");
  const size = number(file?.["size"]) ?? number(info?.["size"]) ?? 0;
  const [key, hash, form] = [text(file?.["key"]), text(file?.["hash"]), text(file?.["v"])];
  if (file && !(key && hash && (form === FORM || form === FORM_BEFORE))) {
    throw new Error("sealed in a way that is not known");
  }
  const response = await client.api.download(url, signal);
  if (!file || !key || !hash) return new Blob([await whole(response, size, onprogress)], { type: mime });
  const { files } = client.crypto;
  const plain =
    form === FORM
      ? await streamed(files, response, { roomId, role, key, hash, size }, onprogress, signal)
      : await files.openWhole(await whole(response, size, onprogress), roomId, key, hash);
  signal?.throwIfAborted();
  return plain.slice(0, number(file["length"]) ?? plain.size, mime);
}

/** Opened while it comes, so that it is there when the last of it is. */
async function streamed(
  files: Client["crypto"]["files"],
  response: Response,
  file: FileToOpen,
  onprogress: (part: number) => void,
  signal?: AbortSignal,
): Promise<Blob> {
  const id = await files.beginOpening(file);
  try {
    const opened: Blob[] = [];
    let had = 0;
    for await (const piece of piecesOf(response, FED_BYTES)) {
      opened.push(await files.feed(id, piece));
      signal?.throwIfAborted();
      had += piece.size;
      onprogress(Math.min(had / file.size, 1));
    }
    return new Blob([...opened, await files.finishOpening(id)]);
  } catch (error) {
    void files.drop(id).catch(() => {});
    throw error;
  }
}

/** What comes, told as it comes. `size` is what it may be, where the server says nothing. */
async function whole(response: Response, size: number, onprogress: (part: number) => void): Promise<Blob> {
  const total = Number(response.headers.get("content-length")) || size;
  const pieces: Blob[] = [];
  let had = 0;
  for await (const piece of piecesOf(response, 1)) {
    pieces.push(piece);
    had += piece.size;
    if (total > 0) onprogress(Math.min(had / total, 1));
  }
  return new Blob(pieces);
}

/** What comes, in pieces of some length; the last is what is left. */
async function* piecesOf(response: Response, length: number): AsyncGenerator<Blob> {
  if (!response.body) return yield response.blob();
  const reader = response.body.getReader();
  let parts: Uint8Array<ArrayBuffer>[] = [];
  let had = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (value) parts.push(value);
      had += value?.length ?? 0;
      if (had >= length || (done && had > 0)) {
        yield new Blob(parts);
        [parts, had] = [[], 0];
      }
      if (done) return;
    }
  } finally {
    void reader.cancel().catch(() => {});
  }
}
