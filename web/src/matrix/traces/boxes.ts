// Boxes in boxes, of which films (MP4, QuickTime) and the pictures of phones (HEIC, AVIF) consist: each has its length and
// four letters. What is to go is written over with nothing, in its place: all else is found by how far it is from the
// beginning of the file.

export interface Box {
  type: string;
  start: number;
  /** Where what is in it begins. */
  body: number;
  end: number;
}

/** Nothing else is found: what is written there instead. */
export interface Edit {
  start: number;
  bytes: Uint8Array<ArrayBuffer>;
}

/** Zeros in a place; from `start` up to `end`. */
export function blank(start: number, end: number): Edit {
  return { start, bytes: new Uint8Array(Math.max(0, end - start)) };
}

/** In the place of a box, one that says nothing. */
export function without({ start, body, end }: Box): Edit[] {
  const free = new Uint8Array([..."free"].map((letter) => letter.charCodeAt(0)));
  return [{ start: start + 4, bytes: free }, blank(body, end)];
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function letters(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

/** The box at a place; `end` is where what it is in ends. `undefined`, if there is none that is whole. */
export function boxAt(bytes: Uint8Array, at: number, end: number): Box | undefined {
  if (at + 8 > bytes.length) return undefined;
  const view = viewOf(bytes);
  let [length, body] = [view.getUint32(at), at + 8];
  if (length === 1 && at + 16 <= bytes.length) {
    length = Number(view.getBigUint64(at + 8));
    body = at + 16;
  } else if (length === 0) length = end - at;
  if (length < body - at || at + length > end) return undefined;
  return { type: letters(bytes, at + 4), start: at, body, end: at + length };
}

/** The boxes from a place to another; `undefined`, if they are not whole. */
export function boxesIn(bytes: Uint8Array, from: number, to: number): Box[] | undefined {
  const found: Box[] = [];
  for (let at = from; at < to; ) {
    // QuickTime ends some lists with four zeros.
    if (to - at < 8) return bytes.subarray(at, to).every((byte) => byte === 0) ? found : undefined;
    const box = boxAt(bytes, at, to);
    if (!box) return undefined;
    found.push(box);
    at = box.end;
  }
  return found;
}

/** The boxes of a file itself. */
export async function outermost(file: Blob): Promise<Box[] | undefined> {
  const found: Box[] = [];
  for (let at = 0; at < file.size; ) {
    const head = new Uint8Array(await file.slice(at, at + 16).arrayBuffer());
    const box = boxAt(head, 0, file.size - at);
    if (!box || found.length > 100_000) return undefined;
    found.push({ type: box.type, start: at, body: at + box.body, end: at + box.end });
    at += box.end;
  }
  return found;
}

export async function read(file: Blob, { start, end }: { start: number; end: number }): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await file.slice(start, end).arrayBuffer());
}

/** The file with other bytes in some places. */
export function edited(file: Blob, edits: Edit[]): Blob {
  const parts: BlobPart[] = [];
  let at = 0;
  for (const { start, bytes } of edits.toSorted((a, b) => a.start - b.start)) {
    const from = Math.max(start, at);
    parts.push(file.slice(at, from), bytes.subarray(from - start));
    at = Math.max(at, start + bytes.length);
  }
  parts.push(file.slice(at));
  return new Blob(parts, { type: file.type });
}
