// What a camera writes beside a picture or a film (where, when, with what) stays here.

import { boxAt, letters } from "./boxes";
import { withoutNotes } from "./film";
import { withoutItems } from "./heif";
import { withoutTraces as ofPicture } from "./picture";
import { isTiff, withoutTags } from "./tiff";

/** Pictures and films that are looked at whole. */
const MOST_BYTES = 256 * 1024 * 1024;
const STILLS = new Set(["mif1", "msf1", "heic", "heix", "heim", "heis", "hevc", "hevx", "avif", "avis"]);
/** Begins an old film of QuickTime, which does not say what it is. */
const FILM = new Set(["moov", "mdat", "wide", "free", "skip"]);
/** Kinds in which no camera writes. */
const SILENT = /^image\/(gif|bmp|x-icon|svg\+xml)$|^video\/(webm|ogg)$/;

/**
 * The file without its traces, whatever its name says that it is. `undefined`: it is a picture or a film that may say where
 * it was taken, and that can't be taken out.
 */
export async function withoutTraces(file: Blob): Promise<Blob | undefined> {
  const head = new Uint8Array(await file.slice(0, 16).arrayBuffer());
  const isSeen = /^(image|video)\//.test(file.type);
  const isPicture = (head[0] === 0xff && head[1] === 0xd8) || letters(head, 1).startsWith("PNG") || letters(head, 8) === "WEBP";
  if (isPicture || isTiff(head)) {
    if (file.size > MOST_BYTES) return undefined;
    const bytes = new Uint8Array(await file.arrayBuffer());
    const clean = isPicture ? ofPicture(bytes).slice() : withoutTags(bytes);
    return clean && new Blob([clean], { type: file.type });
  }
  const first = boxAt(head, 0, file.size);
  if (first?.type === "ftyp") {
    if (STILLS.has(letters(head, 8))) return withoutItems(file);
    // Sound alone says who plays: that stays.
    return file.type.startsWith("audio/") ? file : withoutNotes(file);
  }
  if (first && FILM.has(first.type) && isSeen) return withoutNotes(file);
  return isSeen && !SILENT.test(file.type) ? undefined : file;
}
