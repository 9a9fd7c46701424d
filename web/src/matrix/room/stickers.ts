// Stickers: pictures in packs, of a person or of a room (MSC2545), that are sent as they are. Anybody may have written a
// pack: what is taken from it is bounded.

import { number, object, strings, text, type JsonObject } from "../json";
import { isMediaUri } from "../media";

/** Account data: a person's own pack. */
export const OWN_PACK = "im.ponies.user_emotes";
/** State: a pack of a room, by its key. */
export const ROOM_PACK = "im.ponies.room_emotes";

const [MOST, LONGEST] = [200, 100];
const USAGE = "sticker";

export interface Sticker {
  /** Names it in its pack. */
  code: string;
  url: string;
  /** What it shows, for those who do not see it. */
  body: string;
  info: JsonObject;
}

export interface Pack {
  name: string | undefined;
  stickers: Sticker[];
}

/** The stickers of a pack; what is meant for other uses is none. */
export function packOf(content: JsonObject | undefined): Pack {
  const pack = object(content?.["pack"]);
  const images = Object.entries(object(content?.["images"]) ?? {}).slice(0, MOST);
  const stickers = images.flatMap(([code, image]) => stickerOf(code, object(image), pack) ?? []);
  return { name: text(pack?.["display_name"])?.trim().slice(0, LONGEST) || undefined, stickers };
}

function stickerOf(code: string, image: JsonObject | undefined, pack: JsonObject | undefined): Sticker | undefined {
  const url = text(image?.["url"]);
  const [own, common] = [strings(image?.["usage"]), strings(pack?.["usage"])];
  const usage = own.length > 0 ? own : common;
  const isMedia = url !== undefined && url.length < 500 && isMediaUri(url);
  if (!isMedia || (usage.length > 0 && !usage.includes(USAGE))) return undefined;
  const body = text(image?.["body"])?.trim() || code;
  return { code, url, body: body.slice(0, LONGEST), info: infoOf(object(image?.["info"])) };
}

function infoOf(info: JsonObject | undefined): JsonObject {
  const found: JsonObject = {};
  for (const key of ["w", "h", "size"]) {
    const value = number(info?.[key]);
    if (value !== undefined && value > 0) found[key] = value;
  }
  const mimetype = text(info?.["mimetype"])?.slice(0, LONGEST);
  return { ...found, ...(mimetype && { mimetype }) };
}

/** A pack with one sticker more; what else stands in it stays. */
export function withSticker(content: JsonObject | undefined, body: string, url: string, info: JsonObject): JsonObject {
  const images = object(content?.["images"]) ?? {};
  const code = freeCode(body, images);
  return { ...content, images: { ...images, [code]: { url, body, info, usage: [USAGE] } } };
}

export function withoutSticker(content: JsonObject | undefined, code: string): JsonObject {
  const images = Object.entries(object(content?.["images"]) ?? {}).filter(([key]) => key !== code);
  return { ...content, images: Object.fromEntries(images) };
}

/** Of letters that others can type, and not taken yet. */
function freeCode(body: string, images: JsonObject): string {
  const plain = body.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const code = plain.replace(/[^a-z0-9]+/g, "_").replace(/^_+|_+$/g, "").slice(0, 32) || "sticker";
  for (let at = 1; ; at += 1) {
    const free = at === 1 ? code : `${code}_${at}`;
    if (!(free in images)) return free;
  }
}
