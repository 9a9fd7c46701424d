// What a camera writes beside a picture: where, when, with what. It stays here; only how to turn the picture goes along.

const MARKERS_WITHOUT_LENGTH = new Set([0x01, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8]);

/** The picture without what is not picture; the same bytes, when it is of no kind that is known. */
export function withoutTraces(bytes: Uint8Array): Uint8Array {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpeg(bytes);
  if (ascii(bytes, 1, 3) === "PNG") return png(bytes);
  if (ascii(bytes, 0, 4) === "RIFF" && ascii(bytes, 8, 4) === "WEBP") return webp(bytes);
  return bytes;
}

/** Keeps colours (APP2), what decoders need (APP0, APP14) and the turn; leaves Exif, XMP, IPTC and comments out. */
function jpeg(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [bytes.subarray(0, 2)];
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] ?? 0;
    if (MARKERS_WITHOUT_LENGTH.has(marker) || marker === 0xff) {
      const length = marker === 0xff ? 1 : 2;
      parts.push(bytes.subarray(at, at + length));
      at += length;
      continue;
    }
    const end = at + 2 + view.getUint16(at + 2);
    // From the first scan on it is all picture.
    if (marker === 0xda || end > bytes.length) break;
    const segment = bytes.subarray(at, end);
    if (marker === 0xe1 && ascii(segment, 4, 4) === "Exif") {
      const turn = orientation(segment.subarray(10));
      if (turn !== undefined && turn !== 1) parts.push(exifWith(turn));
    } else if (isKept(marker)) parts.push(segment);
    at = end;
  }
  parts.push(bytes.subarray(at));
  return joined(parts);
}

function isKept(marker: number): boolean {
  const isApplication = marker >= 0xe0 && marker <= 0xef;
  return marker !== 0xfe && (!isApplication || [0xe0, 0xe2, 0xee].includes(marker));
}

/** Tag 0x0112 of the first directory of a TIFF. */
function orientation(tiff: Uint8Array): number | undefined {
  if (tiff.length < 14) return undefined;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const isLittle = ascii(tiff, 0, 2) === "II";
  const first = view.getUint32(4, isLittle);
  if (first + 2 > tiff.length) return undefined;
  const count = view.getUint16(first, isLittle);
  for (let entry = first + 2; entry < first + 2 + count * 12 && entry + 12 <= tiff.length; entry += 12) {
    if (view.getUint16(entry, isLittle) !== 0x0112) continue;
    const turn = view.getUint16(entry + 8, isLittle);
    return turn >= 1 && turn <= 8 ? turn : undefined;
  }
  return undefined;
}

/** An Exif segment that says how to turn the picture, and nothing else. */
function exifWith(turn: number): Uint8Array {
  const tiff = [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, turn, 0, 0, 0, 0, 0, 0];
  const body = [0x45, 0x78, 0x69, 0x66, 0, 0, ...tiff];
  return Uint8Array.from([0xff, 0xe1, 0, body.length + 2, ...body]);
}

const PNG_TRACES = new Set(["eXIf", "tEXt", "iTXt", "zTXt", "tIME"]);

function png(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [bytes.subarray(0, 8)];
  let at = 8;
  while (at + 12 <= bytes.length) {
    const end = at + 12 + view.getUint32(at);
    if (end > bytes.length) break;
    if (!PNG_TRACES.has(ascii(bytes, at + 4, 4))) parts.push(bytes.subarray(at, end));
    at = end;
  }
  parts.push(bytes.subarray(at));
  return joined(parts);
}

/** Bits of VP8X that say that Exif and XMP are there. */
const WEBP_TRACES = 0x08 | 0x04;

function webp(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [bytes.slice(0, 12)];
  let at = 12;
  while (at + 8 <= bytes.length) {
    const length = view.getUint32(at + 4, true);
    const end = Math.min(at + 8 + length + (length % 2), bytes.length);
    const name = ascii(bytes, at, 4);
    const chunk = bytes.slice(at, end);
    if (name === "VP8X") chunk[8] = (chunk[8] ?? 0) & ~WEBP_TRACES;
    if (name !== "EXIF" && name !== "XMP ") parts.push(chunk);
    at = end;
  }
  const whole = joined(parts);
  new DataView(whole.buffer).setUint32(4, whole.length - 8, true);
  return whole;
}

function ascii(bytes: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}

function joined(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
