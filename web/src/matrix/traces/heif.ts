// The pictures of phones (HEIC, AVIF): `iinf` lists what is in a file, `iloc` where it is. Exif and XMP are things of their
// own among them; how to turn the picture is said elsewhere. Beside a picture that moves a phone keeps a film (`mpvd`),
// which nobody sees who looks at the picture; a picture that consists of several has its movie as films do (`moov`).

import { blank, boxesIn, edited, letters, outermost, read, viewOf, without, type Box, type Edit } from "./boxes";
import { ofMovie } from "./film";

const MOST_BYTES = 16 * 1024 * 1024;
/** Of a film beside the picture. */
const MOST_FILM_BYTES = 256 * 1024 * 1024;
/** Kinds of things that say something about a picture. */
const ABOUT = new Set(["Exif", "mime", "uri "]);
/** Of what a picture consists outside; the rest says something about it. */
const PARTS = new Set(["ftyp", "meta", "mdat"]);
/** The same, of its head. */
const NOTES = new Set(["udta", "uuid", "free", "skip", "xml ", "bxml"]);
/** Properties that say something about a picture: in whose words, when it was made and changed. */
const NOTED = new Set(["udes", "altt", "crtt", "mdft", "itai", "uuid"]);

/** The picture without what was written beside it; `undefined`, if that may be where it is not found. */
export async function withoutItems(file: Blob): Promise<Blob | undefined> {
  const boxes = await outermost(file);
  const [meta, another] = boxes?.filter(({ type }) => type === "meta") ?? [];
  if (!boxes || !meta || another || meta.end - meta.start > MOST_BYTES) return undefined;
  const bytes = await read(file, meta);
  const body = meta.body - meta.start + 4;
  const inner = boxesIn(bytes, body, bytes.length);
  const [list, places, data] = ["iinf", "iloc", "idat"].map((type) => inner?.find((box) => box.type === type));
  if (!list || !places) return undefined;
  const ids = itemsOf(bytes, list);
  const extents = ids && extentsOf(bytes, places, ids);
  if (!extents) return undefined;
  const edits: Edit[] = [];
  for (const { isInside, start, length } of extents) {
    if (isInside && !data) return undefined;
    const from = isInside && data ? meta.start + data.body + start : start;
    if (from + length > file.size) return undefined;
    edits.push(blank(from, from + length));
  }
  for (const edit of notesIn(bytes, inner ?? [])) edits.push({ ...edit, start: meta.start + edit.start });
  for (const box of boxes) {
    if (PARTS.has(box.type)) continue;
    if (box.end - box.start > MOST_FILM_BYTES) return undefined;
    const found = box.type === "moov" ? await ofMovie(file, box, false) : without(box);
    if (!found) return undefined;
    edits.push(...found);
  }
  return edited(file, edits);
}

/** What says something about the picture in its head. */
function notesIn(bytes: Uint8Array, boxes: Box[]): Edit[] {
  const into = (found: Box[], type: string) =>
    found.filter((box) => box.type === type).flatMap((box) => boxesIn(bytes, box.body, box.end) ?? []);
  const properties = into(into(boxes, "iprp"), "ipco").filter(({ type }) => NOTED.has(type));
  return [...boxes.filter(({ type }) => NOTES.has(type)), ...properties].flatMap(without);
}

/** Ids of what is about the picture. */
function itemsOf(bytes: Uint8Array, list: Box): Set<number> | undefined {
  const view = viewOf(bytes);
  const version = bytes[list.body];
  const entries = boxesIn(bytes, list.body + (version === 0 ? 6 : 8), list.end);
  const found = new Set<number>();
  for (const { type, body, end } of entries ?? []) {
    if (type !== "infe" || body + 12 > end) return undefined;
    const kind = bytes[body];
    if (kind !== 2 && kind !== 3) return undefined;
    const id = kind === 2 ? view.getUint16(body + 4) : view.getUint32(body + 4);
    if (ABOUT.has(letters(bytes, body + (kind === 2 ? 8 : 10)))) found.add(id);
  }
  return entries && found;
}

interface Extent {
  /** Within the box of small data. */
  isInside: boolean;
  start: number;
  length: number;
}

function extentsOf(bytes: Uint8Array, places: Box, wanted: ReadonlySet<number>): Extent[] | undefined {
  const view = viewOf(bytes);
  let at = places.body;
  let isShort = false;
  /** The next number of so many bytes. */
  const next = (width: number): number => {
    if (at + width > places.end) isShort = true;
    if (isShort) return 0;
    at += width;
    if (width === 8) return Number(view.getBigUint64(at - 8));
    return width === 4 ? view.getUint32(at - 4) : width === 2 ? view.getUint16(at - 2) : width === 1 ? view.getUint8(at - 1) : 0;
  };
  const version = next(1);
  at += 3;
  const [first, second] = [next(1), next(1)];
  const [offsetWidth, lengthWidth, baseWidth] = [first >> 4, first & 15, second >> 4];
  const indexWidth = version === 0 ? 0 : second & 15;
  const widths = [offsetWidth, lengthWidth, baseWidth, indexWidth];
  if (version > 2 || widths.some((width) => ![0, 4, 8].includes(width))) return undefined;
  const found: Extent[] = [];
  const idWidth = version < 2 ? 2 : 4;
  for (let left = next(idWidth); left > 0 && !isShort; left -= 1) {
    const id = next(idWidth);
    const method = version > 0 ? next(2) & 15 : 0;
    const isElsewhere = next(2) !== 0;
    const base = next(baseWidth);
    for (let more = next(2); more > 0 && !isShort; more -= 1) {
      next(indexWidth);
      const start = base + next(offsetWidth);
      const length = next(lengthWidth);
      if (!wanted.has(id)) continue;
      // Built out of others, in another file, or all of it: not as anybody writes it.
      if (method > 1 || isElsewhere || length === 0) return undefined;
      found.push({ isInside: method === 1, start, length });
    }
  }
  return isShort ? undefined : found;
}
