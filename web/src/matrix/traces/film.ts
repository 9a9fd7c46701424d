// What a camera writes beside a film: where, when, with what.
//
//   moov ─ udta        notes: where (`©xyz`, `loci`), when, with what
//        ├ meta        the same, as keys and values
//        └ trak ─ udta, meta; or a whole track of places, beside those of sound and sight
//   udta, meta, uuid   the same, outside

import { blank, boxesIn, edited, letters, outermost, read, viewOf, type Box, type Edit } from "./boxes";

/** Larger tables than these are not looked through. */
const MOST_BYTES = 64 * 1024 * 1024;
const MOST_SAMPLES = 1_000_000;
const NOTES = new Set(["udta", "meta", "uuid"]);
/** Kinds of tracks that are heard or seen. */
const SHOWN = new Set(["vide", "soun", "subt", "text", "sbtl", "clcp", "tmcd", "hint", "auxv"]);

/** The film without notes; `undefined`, if there may be some that can't be taken out. */
export async function withoutNotes(file: Blob): Promise<Blob | undefined> {
  const boxes = await outermost(file);
  if (!boxes) return undefined;
  const isInFragments = boxes.some(({ type }) => type === "moof");
  const edits: Edit[] = [];
  for (const box of boxes) {
    if (NOTES.has(box.type)) edits.push(...without(box));
    if (box.type !== "moov") continue;
    if (box.end - box.start > MOST_BYTES) return undefined;
    const bytes = await read(file, box);
    const head = { ...box, body: box.body - box.start, end: bytes.length };
    const found = ofMovie(bytes, head, isInFragments);
    if (!found) return undefined;
    const [within, outside] = found;
    for (const edit of within) edits.push({ ...edit, start: box.start + edit.start });
    edits.push(...outside);
  }
  return edited(file, edits);
}

/** In the place of a box, one that says nothing. */
function without({ start, body, end }: Box): Edit[] {
  const free = new Uint8Array([..."free"].map((letter) => letter.charCodeAt(0)));
  return [{ start: start + 4, bytes: free }, blank(body, end)];
}

/** What is written over: within the box, and elsewhere in the file. */
function ofMovie(bytes: Uint8Array, movie: Pick<Box, "body" | "end">, isInFragments: boolean): [Edit[], Edit[]] | undefined {
  const boxes = boxesIn(bytes, movie.body, movie.end);
  if (!boxes) return undefined;
  const [within, outside]: [Edit[], Edit[]] = [[], []];
  for (const box of boxes) {
    if (NOTES.has(box.type)) within.push(...without(box));
    if (box.type !== "trak") continue;
    const inner = boxesIn(bytes, box.body, box.end);
    if (!inner) return undefined;
    if (SHOWN.has(handlerOf(bytes, inner) ?? "")) {
      for (const note of inner.filter(({ type }) => NOTES.has(type))) within.push(...without(note));
      continue;
    }
    const samples = isInFragments ? undefined : samplesOf(bytes, inner);
    if (!samples) return undefined;
    within.push(...without(box));
    outside.push(...samples);
  }
  return [within, outside];
}

/** What kind of track it is. */
function handlerOf(bytes: Uint8Array, track: Box[]): string | undefined {
  const handler = down(bytes, track, "mdia", "hdlr");
  return handler && letters(bytes, handler.body + 8);
}

function down(bytes: Uint8Array, boxes: Box[], ...path: string[]): Box | undefined {
  let [found, within]: [Box | undefined, Box[]] = [undefined, boxes];
  for (const type of path) {
    found = within.find((box) => box.type === type);
    if (!found) return undefined;
    within = boxesIn(bytes, found.body, found.end) ?? [];
  }
  return found;
}

/** Where in the file the samples of a track are. */
function samplesOf(bytes: Uint8Array, track: Box[]): Edit[] | undefined {
  const table = down(bytes, track, "mdia", "minf", "stbl");
  const boxes = table && boxesIn(bytes, table.body, table.end);
  const find = (type: string) => boxes?.find((box) => box.type === type);
  const [sizes, runs, short, long] = [find("stsz"), find("stsc"), find("stco"), find("co64")];
  const offsets = short ?? long;
  if (!sizes || !runs || !offsets) return undefined;
  const view = viewOf(bytes);
  const u32 = (box: Box, at: number) => (box.body + at + 4 <= box.end ? view.getUint32(box.body + at) : 0);
  const [chunks, entries, samples] = [u32(offsets, 4), u32(runs, 4), u32(sizes, 8)];
  const [size, width] = [u32(sizes, 4), short ? 4 : 8];
  const isWhole =
    offsets.body + 8 + chunks * width <= offsets.end &&
    runs.body + 8 + entries * 12 <= runs.end &&
    (size > 0 || sizes.body + 12 + samples * 4 <= sizes.end);
  if (!isWhole || samples > MOST_SAMPLES || chunks > MOST_SAMPLES) return undefined;
  const found: Edit[] = [];
  let [sample, run] = [0, 0];
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    while (run + 1 < entries && u32(runs, 8 + (run + 1) * 12) <= chunk + 1) run += 1;
    const place = offsets.body + 8 + chunk * width;
    const start = short ? view.getUint32(place) : Number(view.getBigUint64(place));
    let length = 0;
    for (let left = u32(runs, 8 + run * 12 + 4); left > 0 && sample < samples; left -= 1, sample += 1) {
      length += size || u32(sizes, 12 + sample * 4);
    }
    if (length > MOST_BYTES) return undefined;
    found.push(blank(start, start + length));
  }
  return found;
}
