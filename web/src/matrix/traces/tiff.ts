// TIFF: directories of tags, each with its value or where that is. Those about where, when and with what are taken out of
// the directory, and what they named is written over.

/** GPS, Exif, XMP, IPTC, Photoshop, who made it, when, with what. */
const TRACES = new Set([0x8825, 0x8769, 700, 33723, 34377, 271, 272, 305, 306, 315, 316, 33432, 270]);
/** Of these the value is a directory. */
const DIRECTORIES = new Set([0x8825, 0x8769, 0xa005]);
const WIDTHS = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8];
const MOST_DIRECTORIES = 1000;

export function isTiff(head: Uint8Array): boolean {
  const found = String.fromCharCode(...head.subarray(0, 4));
  return found === "II*\0" || found === "MM\0*";
}

/** The picture without what is not picture; `undefined`, if it is not whole. */
export function withoutTags(whole: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | undefined {
  const bytes = whole.slice();
  const view = new DataView(bytes.buffer);
  const isLittle = bytes[0] === 0x49;
  const seen = new Set<number>();

  /** Where the values of an entry are. */
  const valueOf = (entry: number) => {
    const length = (WIDTHS[view.getUint16(entry + 2, isLittle)] ?? 1) * view.getUint32(entry + 4, isLittle);
    return { start: length <= 4 ? entry + 8 : view.getUint32(entry + 8, isLittle), length };
  };
  const sizeOf = (at: number) => (at + 2 <= bytes.length ? 2 + 12 * view.getUint16(at, isLittle) + 4 : Infinity);

  function wipe(at: number): boolean {
    const size = sizeOf(at);
    if (seen.has(at) || seen.size > MOST_DIRECTORIES || at + size > bytes.length) return false;
    seen.add(at);
    for (let entry = at + 2; entry < at + size - 4; entry += 12) if (!wipeEntry(entry)) return false;
    bytes.fill(0, at, at + size);
    return true;
  }

  function wipeEntry(entry: number): boolean {
    const { start, length } = valueOf(entry);
    if (start + length > bytes.length) return false;
    const isDirectory = DIRECTORIES.has(view.getUint16(entry, isLittle));
    if (isDirectory && !wipe(view.getUint32(entry + 8, isLittle))) return false;
    bytes.fill(0, start, start + length);
    return true;
  }

  for (let at = view.getUint32(4, isLittle); at !== 0; ) {
    const size = sizeOf(at);
    if (seen.has(at) || seen.size > MOST_DIRECTORIES || at + size > bytes.length) return undefined;
    seen.add(at);
    const next = view.getUint32(at + size - 4, isLittle);
    let kept = at + 2;
    for (let entry = at + 2; entry < at + size - 4; entry += 12) {
      if (!TRACES.has(view.getUint16(entry, isLittle))) {
        bytes.copyWithin(kept, entry, entry + 12);
        kept += 12;
      } else if (!wipeEntry(entry)) return undefined;
    }
    view.setUint16(at, (kept - at - 2) / 12, isLittle);
    view.setUint32(kept, next, isLittle);
    bytes.fill(0, kept + 4, at + size);
    at = next;
  }
  return bytes;
}
