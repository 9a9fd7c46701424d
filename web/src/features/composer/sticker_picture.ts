// A picture as a sticker: small, and without where it was taken.

import type { JsonObject } from "../../matrix/json";
import { isPicture } from "../../matrix/media";
import { prepared } from "./prepare";

/** Larger ones are drawn anew. */
const [SIDE, MOST_BYTES] = [512, 256 * 1024];

/** `undefined`: it is no picture that can be shown. */
export async function stickerPicture(chosen: File): Promise<{ blob: Blob; info: JsonObject } | undefined> {
  const { file, width, height, mayTellPlace } = await prepared(chosen);
  if (!isPicture(file.type) || !width || !height) return undefined;
  const scale = Math.min(1, SIDE / Math.max(width, height));
  const isSmall = scale === 1 && file.size <= MOST_BYTES && !mayTellPlace;
  const [w, h] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  const blob = isSmall ? file : await drawn(file, w ?? 1, h ?? 1);
  return { blob, info: { w: w ?? 1, h: h ?? 1, size: blob.size, mimetype: blob.type } };
}

async function drawn(file: Blob, width: number, height: number): Promise<Blob> {
  const bitmap = await createImageBitmap(file);
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return canvas.convertToBlob({ type: "image/webp", quality: 0.9 });
}
