// What a camera writes beside a picture: where, when, with what. It stays here; only how to turn the picture goes along.

/** The picture without what is not picture; the same bytes, when it is of no kind that is known. */
export function withoutTraces(bytes: Uint8Array): Uint8Array {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpeg(bytes);
  if (ascii(bytes, 1, 3) === "PNG") return png(bytes);
  if (ascii(bytes, 0, 4) === "RIFF" && ascii(bytes, 8, 4) === "WEBP") return webp(bytes);
  return bytes;
}

const [END, SCAN, EXIF] = [0xd9, 0xda, 0xe1];
/** Have no length: restarts, a beginning; and no marker at all. */
const isBare = (marker: number) => marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8);

/**
 * Keeps colours, what decoders need and the turn; leaves Exif, XMP, IPTC, comments and small pictures out, and what is
 * between segments and after the end: there phones put films, second pictures and notes of their own.
 */
function jpeg(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [bytes.subarray(0, 2)];
  for (let at = 2; at + 2 <= bytes.length; ) {
    const marker = bytes[at + 1] ?? 0;
    if (bytes[at] !== 0xff || marker === 0xff) {
      at += 1;
      continue;
    }
    if (isBare(marker)) {
      at += 2;
      continue;
    }
    if (marker === END) {
      parts.push(bytes.subarray(at, at + 2));
      break;
    }
    if (at + 4 > bytes.length) break;
    const head = at + 2 + view.getUint16(at + 2);
    if (head > bytes.length) break;
    const end = marker === SCAN ? endOfScan(bytes, head) : head;
    const segment = bytes.subarray(at, end);
    if (marker === EXIF && ascii(segment, 4, 4) === "Exif") {
      const turn = orientation(segment.subarray(10));
      if (turn !== undefined && turn !== 1) parts.push(exifWith(turn));
    } else parts.push(...kept(marker, segment));
    at = end;
  }
  return joined(parts);
}

/** Where the next marker is that is none of the scan itself. */
function endOfScan(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(0xff, from); at !== -1; at = bytes.indexOf(0xff, at + 1)) {
    const marker = bytes[at + 1];
    if (marker !== undefined && marker !== 0xff && !isBare(marker)) return at;
  }
  return bytes.length;
}

/** Of JFIF's head without its small picture so many bytes. */
const JFIF = 18;

/** What stays of a segment that is not Exif. */
function kept(marker: number, segment: Uint8Array): Uint8Array[] {
  const isOf = (name: string) => ascii(segment, 4, name.length) === name;
  if (marker === 0xe0 && isOf("JFIF") && segment.length > JFIF) {
    const head = segment.slice(0, JFIF);
    head.set([0, JFIF - 2], 2);
    head.set([0, 0], JFIF - 2);
    return [head];
  }
  const isApplication = marker >= 0xe0 && marker <= 0xef;
  const isNeeded =
    (marker === 0xe0 && isOf("JFIF")) || (marker === 0xe2 && isOf("ICC_PROFILE")) || (marker === 0xee && isOf("Adobe"));
  return (isApplication && !isNeeded) || marker === 0xfe ? [] : [segment];
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

/** Chunks that say how the picture looks, beside those without which there is none: these begin with a capital. */
const PNG_LOOKS = new Set(
  "tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV mDCv cLLI cLLi bKGD hIST pHYs sPLT acTL fcTL fdAT".split(" "),
);

function png(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [bytes.subarray(0, 8)];
  for (let at = 8; at + 8 <= bytes.length; ) {
    const end = at + 12 + view.getUint32(at);
    const name = ascii(bytes, at + 4, 4);
    if (/^[A-Z]/.test(name) || PNG_LOOKS.has(name)) parts.push(bytes.subarray(at, end));
    if (name === "IEND") break;
    at = end;
  }
  return joined(parts);
}

const WEBP_LOOKS = new Set(["VP8 ", "VP8L", "VP8X", "ALPH", "ANIM", "ANMF", "ICCP"]);
/** Bits of VP8X that say that Exif and XMP are there. */
const WEBP_TRACES = 0x08 | 0x04;

function webp(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [bytes.slice(0, 12)];
  const last = Math.min(bytes.length, 8 + view.getUint32(4, true));
  for (let at = 12; at + 8 <= last; ) {
    const length = view.getUint32(at + 4, true);
    const end = Math.min(at + 8 + length + (length % 2), bytes.length);
    const name = ascii(bytes, at, 4);
    const chunk = bytes.slice(at, end);
    if (name === "VP8X") chunk[8] = (chunk[8] ?? 0) & ~WEBP_TRACES;
    if (WEBP_LOOKS.has(name)) parts.push(chunk);
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
