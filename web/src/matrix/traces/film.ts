// What a camera writes beside a film: where, when, with what.
//
//   moov ─ mvhd        when it was made and changed
//        ├ udta        notes: where (`©xyz`, `loci`), when, with what
//        ├ meta        the same, as keys and values
//        └ trak ─ tkhd, mdia/mdhd  when
//               └ udta, meta; or a whole track of places, beside those of sound and sight
//   udta, meta, uuid   the same, outside; and whatever else a maker puts there, also where nothing is to be (`free`)

import { blank, boxesIn, edited, letters, outermost, read, viewOf, without, type Box, type Edit } from "./boxes";

/** Larger tables than these are not looked through. */
const MOST_BYTES = 64 * 1024 * 1024;
const MOST_SAMPLES = 1_000_000;
const NOTES = new Set(["udta", "meta", "uuid", "free", "skip"]);
/** Of what a film consists outside; the rest says something about it. */
const PARTS = new Set(["ftyp", "styp", "mdat", "imda", "wide", "pdin", "sidx", "ssix", "mfra"]);
/** May hide anything: a film's head that is compressed, and where in the file the places are. */
const CLOSED = new Set(["cmov", "gps "]);
/** Begin with when something was made, and when it was changed. */
const DATED = new Set(["mvhd", "tkhd", "mdhd"]);
/** Kinds of tracks that are heard or seen. */
const SHOWN = new Set(["vide", "soun", "subt", "text", "sbtl", "clcp", "tmcd", "hint", "auxv", "pict"]);

/** The film without notes; `undefined`, if there may be some that can't be taken out. */
export async function withoutNotes(file: Blob): Promise<Blob | undefined> {
  const boxes = await outermost(file);
  if (!boxes) return undefined;
  const isInFragments = boxes.some(({ type }) => type === "moof");
  const edits: Edit[] = [];
  for (const box of boxes) {
    const found = await ofPart(file, box, isInFragments);
    if (!found) return undefined;
    edits.push(...found);
  }
  return edited(file, edits);
}

async function ofPart(file: Blob, box: Box, isInFragments: boolean): Promise<Edit[] | undefined> {
  if (PARTS.has(box.type)) return [];
  if (box.end - box.start > MOST_BYTES) return undefined;
  if (box.type === "moov") return ofMovie(file, box, isInFragments);
  return box.type === "moof" ? ofFragment(file, box) : without(box);
}

async function ofFragment(file: Blob, box: Box): Promise<Edit[] | undefined> {
  const bytes = await read(file, box);
  const boxes = boxesIn(bytes, box.body - box.start, bytes.length);
  const inner = boxes?.map((box) => (box.type === "traf" ? boxesIn(bytes, box.body, box.end) : []));
  if (!boxes || !inner?.every((found) => found !== undefined)) return undefined;
  const notes = [...boxes, ...inner.flat()].filter(({ type }) => NOTES.has(type));
  return notes.flatMap(without).map((edit) => ({ ...edit, start: box.start + edit.start }));
}

/** What is written over because of the movie in a file; `undefined` as above. */
export async function ofMovie(file: Blob, box: Box, isInFragments: boolean): Promise<Edit[] | undefined> {
  if (box.end - box.start > MOST_BYTES) return undefined;
  const bytes = await read(file, box);
  const found = within(bytes, boxesIn(bytes, box.body - box.start, bytes.length), isInFragments);
  if (!found) return undefined;
  const [inside, outside] = found;
  return [...inside.map((edit) => ({ ...edit, start: box.start + edit.start })), ...outside];
}

/** Within the movie, and elsewhere in the file. */
function within(bytes: Uint8Array, boxes: Box[] | undefined, isInFragments: boolean): [Edit[], Edit[]] | undefined {
  const [inside, outside]: [Edit[], Edit[]] = [[], []];
  if (!boxes || boxes.some(({ type }) => CLOSED.has(type))) return undefined;
  for (const box of boxes) {
    inside.push(...notesIn(bytes, box));
    if (box.type !== "trak") continue;
    const inner = boxesIn(bytes, box.body, box.end);
    if (!inner) return undefined;
    if (SHOWN.has(handlerOf(bytes, inner) ?? "")) {
      const media = down(bytes, inner, "mdia");
      const deeper = media && boxesIn(bytes, media.body, media.end);
      for (const note of [...inner, ...(deeper ?? [])]) inside.push(...notesIn(bytes, note));
      continue;
    }
    const samples = isInFragments ? undefined : samplesOf(bytes, inner);
    if (!samples) return undefined;
    inside.push(...without(box));
    outside.push(...samples);
  }
  return [inside, outside];
}

/** A box that is one of notes, or the times in a head. */
function notesIn(bytes: Uint8Array, box: Box): Edit[] {
  if (NOTES.has(box.type)) return without(box);
  if (!DATED.has(box.type)) return [];
  const start = box.body + 4;
  return [blank(start, Math.min(start + (bytes[box.body] === 0 ? 8 : 16), box.end))];
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
