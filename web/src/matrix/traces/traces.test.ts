import { expect, test } from "vitest";

import { withoutTraces } from "./traces";

const GPS = "+52.5200+013.4050/";
const bytesOf = (text: string) => [...text].map((letter) => letter.charCodeAt(0));
const u32 = (value: number) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
const box = (type: string, ...body: number[][]) => {
  const all = body.flat();
  return [...u32(all.length + 8), ...bytesOf(type), ...all];
};
const full = (type: string, ...body: number[][]) => box(type, u32(0), ...body);
const video = (bytes: number[], type = "video/mp4") => new Blob([Uint8Array.from(bytes)], { type });

async function textOf(blob: Blob | undefined): Promise<string> {
  return String.fromCharCode(...new Uint8Array((await blob?.arrayBuffer()) ?? new ArrayBuffer(0)));
}

const handler = (kind: string) => full("hdlr", u32(0), bytesOf(kind), u32(0));
const track = (kind: string, ...more: number[][]) => box("trak", box("mdia", handler(kind), ...more), box("udta", bytesOf(GPS)));
const head = box("ftyp", bytesOf("mp42"), u32(0));
/** A track of two samples in one chunk at a place. */
const places = (at: number, sizes: [number, number]) =>
  box("minf", box("stbl",
    full("stsz", u32(0), u32(2), u32(sizes[0]), u32(sizes[1])),
    full("stsc", u32(1), u32(1), u32(2), u32(1)),
    full("stco", u32(1), u32(at))));

test("a film keeps sound and sight where they are, and loses where it was taken: in notes, keys, and a track of places", async () => {
  const samples = [...bytesOf("SEEN"), ...bytesOf(GPS)];
  const data = box("mdat", samples);
  const at = head.length + 8 + 4;
  const movie = box("moov", box("udta", box("\xa9xyz", bytesOf(GPS))), full("meta", bytesOf(GPS)), track("vide"), track("meta", places(at, [10, 8])));
  const bytes = [...head, ...data, ...movie, ...box("uuid", bytesOf(GPS))];
  const clean = await withoutTraces(video(bytes));
  const text = await textOf(clean);
  expect(text).toHaveLength(bytes.length);
  expect(text).not.toContain(GPS.slice(0, 8));
  expect(text).not.toContain("+013");
  expect(text).not.toContain("xyz");
  expect(text).toContain("SEEN");
  expect(text).toContain("vide");
  expect(await textOf(await withoutTraces(clean as Blob))).toBe(text);
});

test("a film without notes stays as it is, whatever the order of its parts and the width of their lengths", async () => {
  const wide = [...u32(1), ...bytesOf("mdat"), ...u32(0), ...u32(20), ...bytesOf("SEEN")];
  const bytes = [...box("wide"), ...wide, ...box("moov", track("soun").slice(0, 0), box("trak", box("mdia", handler("soun"))))];
  expect(await textOf(await withoutTraces(video(bytes, "video/quicktime")))).toBe(String.fromCharCode(...bytes));
});

test("a film loses when it was made, in all its heads and of both widths, and what makers put where nothing is to be", async () => {
  const when = bytesOf("WHEN");
  const long = [...when, ...when];
  const [short, wide] = [[...u32(0), ...when, ...when], [...u32(0x01000000), ...long, ...long]];
  const film = (type: string, dates: number[]) =>
    box("trak", box("tkhd", dates, bytesOf("LASTS")), box("mdia", box("mdhd", dates, bytesOf("LASTS")), handler(type)));
  const movie = box("moov", box("mvhd", wide, bytesOf("LASTS")), film("vide", short), film("soun", wide), box("skip", when));
  const fragment = box("moof", box("traf", box("uuid", when), box("tfhd", bytesOf("LASTS"))));
  const bytes = [...head, ...movie, ...fragment, ...box("free", when), ...box("prft", when), ...box("SEFD", when), ...box("mdat", bytesOf("SEEN"))];
  const text = await textOf(await withoutTraces(video(bytes)));
  expect(text).toHaveLength(bytes.length);
  expect(text).not.toContain("WHEN");
  expect(text.match(/LASTS/g)).toHaveLength(6);
  expect(text).toContain("SEEN");
  for (const type of ["cmov", "gps "]) {
    expect(await withoutTraces(video([...head, ...box("moov", box(type, when))]))).toBeUndefined();
  }
  expect(await textOf(await withoutTraces(video([...head, ...box("moov", box("mvhd", [0]))])))).toContain("mvhd");
});

test("where a film hides its places is told, not guessed", async () => {
  const withTrack = [...head, ...box("moov", track("meta"))];
  expect(await withoutTraces(video(withTrack))).toBeUndefined();
  const inFragments = [...head, ...box("moov", track("meta", places(8, [1, 1]))), ...box("moof")];
  expect(await withoutTraces(video(inFragments))).toBeUndefined();
  expect(await withoutTraces(video([...head, ...u32(99_999), ...bytesOf("moov")]))).toBeUndefined();
  expect(await withoutTraces(video(bytesOf("RIFF....AVI LIST"), "video/x-msvideo"))).toBeUndefined();
  expect(await withoutTraces(video(bytesOf("\x1aE\xdf\xa3webm"), "video/webm"))).toBeDefined();
});

const still = bytesOf("heic");
const entry = (id: number, kind: string) => box("infe", [2, 0, 0, 0], [0, id], [0, 0], bytesOf(kind), [0]);
const heic = (data: number[], extents: [id: number, method: number, start: number, length: number][]) => {
  const items = extents.map(([id, method, start, length]) => [0, id, 0, method, 0, 0, 0, 1, ...u32(start), ...u32(length)]);
  const list = full("iinf", [0, 3], entry(1, "hvc1"), entry(2, "Exif"), entry(3, "mime"));
  const iloc = box("iloc", [1, 0, 0, 0], [0x44, 0], [0, items.length], items.flat());
  return [...box("ftyp", still, u32(0)), ...full("meta", list, iloc, box("idat", bytesOf(`<${GPS}>`))), ...box("mdat", data)];
};

test("a picture of a phone loses Exif and XMP, wherever they are in it, by what it is and not by its name", async () => {
  const data = bytesOf(`PICTURE${GPS}`);
  const length = heic(data, [[1, 0, 0, 0], [2, 0, 0, 0], [3, 1, 0, 0]]).length;
  const start = length - data.length;
  const bytes = heic(data, [[1, 0, start, 7], [2, 0, start + 7, GPS.length], [3, 1, 1, GPS.length]]);
  for (const type of ["image/heic", ""]) {
    const text = await textOf(await withoutTraces(video(bytes, type)));
    expect(text).not.toContain("+52");
    expect(text).toContain("PICTURE");
    expect(text).toHaveLength(bytes.length);
  }
  for (const odd of [[2, 2, start, 4], [2, 0, start, 9999], [2, 0, start, 0]] as const) {
    expect(await withoutTraces(video(heic(data, [[...odd]]), "image/heic"))).toBeUndefined();
  }
});

test("of a picture that moves the film beside it goes, and when it was made; a movie of its own loses its notes", async () => {
  const data = bytesOf("PICTURE");
  const properties = box("iprp", box("ipco", box("ispe", bytesOf("LARGE")), full("crtt", bytesOf(GPS)), full("udes", bytesOf(GPS))));
  const list = full("iinf", [0, 1], entry(1, "hvc1"));
  const iloc = (start: number) => box("iloc", [1, 0, 0, 0], [0x44, 0], [0, 1], [0, 1, 0, 0, 0, 0, 0, 1, ...u32(start), ...u32(7)]);
  const meta = (start: number) => full("meta", list, iloc(start), properties, box("xml ", bytesOf(GPS)));
  const brand = box("ftyp", still, u32(0));
  const start = brand.length + meta(0).length + 8;
  const movie = box("moov", box("mvhd", u32(0), bytesOf(GPS.slice(0, 8))), track("pict"));
  const film = [...head, ...box("moov", box("udta", bytesOf(GPS)))];
  const bytes = [...brand, ...meta(start), ...box("mdat", data), ...movie, ...box("mpvd", film), ...box("SEFT", bytesOf(GPS))];
  const text = await textOf(await withoutTraces(video(bytes, "image/heic")));
  expect(text).toHaveLength(bytes.length);
  for (const trace of ["+52", "+013", "mpvd", "mp42"]) expect(text).not.toContain(trace);
  for (const part of ["PICTURE", "LARGE", "pict"]) expect(text).toContain(part);
});

test("a TIFF keeps its picture and loses its places, of either order of bytes", async () => {
  const strip = bytesOf("PICTURE!");
  for (const isLittle of [true, false]) {
    const n = (value: number, width: number) => {
      const big = u32(value).slice(4 - width);
      return isLittle ? big.toReversed() : big;
    };
    const tag = (id: number, type: number, count: number, value: number) => [...n(id, 2), ...n(type, 2), ...n(count, 4), ...n(value, 4)];
    // 8: picture, 16: first directory of three, 58: that of places, 76: where
    const bytes = [
      ...bytesOf(isLittle ? "II*\0" : "MM\0*"), ...n(16, 4), ...strip,
      ...n(3, 2), ...tag(273, 4, 1, 8), ...tag(0x8825, 4, 1, 58), ...tag(0xa000, 4, 1, 7), ...n(0, 4),
      ...n(1, 2), ...tag(2, 2, GPS.length, 76), ...n(0, 4), ...bytesOf(GPS),
    ];
    const text = await textOf(await withoutTraces(video(bytes, "image/tiff")));
    expect(text).toHaveLength(bytes.length);
    expect(text).not.toContain("+52");
    expect(text).toContain("PICTURE!");
    const at = text.length - bytes.length + 16;
    expect([...text.slice(at, at + 30)].map((letter) => letter.charCodeAt(0))).toEqual(
      [...n(2, 2), ...tag(273, 4, 1, 8), ...tag(0xa000, 4, 1, 7), ...n(0, 4)],
    );
    const loop = [...bytes.slice(0, 54), ...n(16, 4), ...bytes.slice(58)];
    expect(await withoutTraces(video(loop, "image/tiff"))).toBeUndefined();
  }
});

test("what is cut off anywhere ends in an answer", async () => {
  const whole = heic(bytesOf(`PICTURE${GPS}`), [[1, 0, 0, 7], [2, 1, 0, 9]]);
  const film = [...head, ...box("moov", track("vide"), track("meta", places(30, [4, 4])))];
  for (const bytes of [whole, film]) {
    for (let end = 0; end < bytes.length; end += 1) await withoutTraces(video(bytes.slice(0, end)));
  }
});
