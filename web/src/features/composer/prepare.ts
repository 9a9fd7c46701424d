// A file before it is sent: without where it was taken, with its size and a small picture of it. Loaded when somebody
// sends the first one.

import { SMALL_BYTES, type Small } from "../../matrix/files";
import { withoutTraces } from "../../matrix/traces/traces";

export interface Prepared {
  file: Blob;
  width?: number;
  height?: number;
  /** In milliseconds. */
  duration?: number;
  small?: Small;
  /** It may say where it was taken, and that can't be taken out. */
  mayTellPlace: boolean;
}

/** A side of small pictures. */
const LONGEST = 800;
/** How long a film may take to show its first pictures. */
const PATIENCE_MS = 8000;

export async function prepared(chosen: File): Promise<Prepared> {
  const clean = await withoutTraces(chosen);
  const file = clean ?? chosen;
  const seen = await look(file).catch(() => ({}));
  return { file, mayTellPlace: clean === undefined, ...seen };
}

async function look(file: Blob): Promise<Pick<Prepared, "width" | "height" | "duration" | "small">> {
  if (file.type.startsWith("image/")) {
    const bitmap = await createImageBitmap(file);
    try {
      return await sized(bitmap, bitmap, file.size <= SMALL_BYTES ? 0 : file.size);
    } finally {
      bitmap.close();
    }
  }
  return file.type.startsWith("video/") ? film(file) : {};
}

async function film(file: Blob): Promise<Pick<Prepared, "width" | "height" | "duration" | "small">> {
  const video = document.createElement("video");
  const url = URL.createObjectURL(file);
  try {
    video.muted = true;
    video.preload = "auto";
    const loaded = comes(video, "loadeddata");
    video.src = url;
    await loaded;
    const { videoWidth: width, videoHeight: height, duration } = video;
    if (Number.isFinite(duration)) {
      // The first picture is often black.
      const sought = comes(video, "seeked");
      video.currentTime = Math.min(1, duration / 4);
      await sought;
    }
    const found = await sized(video, { width, height }, file.size);
    return { ...found, ...(Number.isFinite(duration) && { duration: Math.round(duration * 1000) }) };
  } finally {
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(url);
  }
}

function comes(video: HTMLVideoElement, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("it shows nothing")), PATIENCE_MS);
    video.addEventListener("error", () => reject(new Error("it can't be shown")), { once: true });
    video.addEventListener(name, () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

/** Its size, and a small one if that is worth it: clearly less than `bytes`. */
async function sized(
  source: CanvasImageSource,
  { width, height }: { width: number; height: number },
  bytes: number,
): Promise<Pick<Prepared, "width" | "height" | "small">> {
  if (!bytes || !width || !height) return { width, height };
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const side = (length: number) => Math.max(1, Math.round(length * scale));
  const canvas = new OffscreenCanvas(side(width), side(height));
  const context = canvas.getContext("2d");
  if (!context) return { width, height };
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  let blob = await canvas.convertToBlob({ type: "image/webp", quality: 0.8 });
  // Some browsers write no WebP, and then a PNG.
  if (blob.type !== "image/webp") blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.8 });
  if (blob.size > bytes * 0.8) return { width, height };
  return { width, height, small: { blob, width: canvas.width, height: canvas.height } };
}
