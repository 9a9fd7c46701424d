import { expect, test } from "vitest";

import { withoutTraces } from "./picture";

const letters = (text: string) => [...text].map((letter) => letter.charCodeAt(0));
const segment = (marker: number, body: number[]) => [0xff, marker, (body.length + 2) >> 8, (body.length + 2) & 255, ...body];
const has = (bytes: Uint8Array, text: string) => String.fromCharCode(...bytes).includes(text);

function exif(turn: number): number[] {
  const entry = (tag: number, value: number) => [tag & 255, tag >> 8, 3, 0, 1, 0, 0, 0, value, 0, 0, 0];
  const tiff = [...letters("II"), 42, 0, 8, 0, 0, 0, 2, 0, ...entry(0x0112, turn), ...entry(0x8825, 99), 0, 0, 0, 0];
  return segment(0xe1, [...letters("Exif"), 0, 0, ...tiff, ...letters("GPS 52.5 N")]);
}

test("a JPEG keeps its picture, its colours and its turn, and loses where it was taken", () => {
  const scan = [...segment(0xda, [1, 2, 3]), 0x12, 0xff, 0x00, 0x34, 0xff, 0xd9];
  const kept = [...segment(0xe0, letters("JFIF")), ...segment(0xe2, letters("ICC_PROFILE"))];
  const traces = [...segment(0xe1, letters("http://ns.adobe.com/xap/ GPS")), ...segment(0xfe, letters("GPS comment"))];
  const bytes = withoutTraces(Uint8Array.from([0xff, 0xd8, ...exif(6), ...kept, ...traces, ...scan]));
  expect(has(bytes, "GPS")).toBe(false);
  expect([...bytes.slice(-scan.length)]).toEqual(scan);
  expect(has(bytes, "JFIF") && has(bytes, "ICC_PROFILE")).toBe(true);
  const again = withoutTraces(bytes);
  expect(again).toEqual(bytes);
  expect(has(withoutTraces(Uint8Array.from([0xff, 0xd8, ...exif(1), ...scan])), "Exif")).toBe(false);
});

test("PNG and WebP lose their notes; what is cut off or unknown stays as it is", () => {
  const chunk = (name: string, body: number[]) => [0, 0, 0, body.length, ...letters(name), ...body, 0, 0, 0, 0];
  const head = [0x89, ...letters("PNG"), 13, 10, 26, 10];
  const png = Uint8Array.from([...head, ...chunk("IHDR", [1]), ...chunk("tEXt", letters("GPS")), ...chunk("IDAT", [7])]);
  expect([...withoutTraces(png)]).toEqual([...head, ...chunk("IHDR", [1]), ...chunk("IDAT", [7])]);
  const part = (name: string, body: number[]) => [...letters(name), body.length, 0, 0, 0, ...body];
  const parts = [...letters("WEBP"), ...part("VP8X", [0x1c, 0]), ...part("VP8 ", [5, 5]), ...part("EXIF", letters("GPS!"))];
  const webp = withoutTraces(Uint8Array.from([...letters("RIFF"), parts.length, 0, 0, 0, ...parts]));
  expect(has(webp, "GPS")).toBe(false);
  expect([webp[4], webp[20]]).toEqual([webp.length - 8, 0x10]);
  for (const odd of [[], [0xff, 0xd8], letters("GIF89a")]) {
    expect([...withoutTraces(Uint8Array.from(odd))]).toEqual(odd);
  }
  const cutOff = [0xff, 0xd8, 0xff, 0xe1, 0xff, 0xff, ...letters("GPS")];
  expect([...withoutTraces(Uint8Array.from(cutOff))]).toEqual([0xff, 0xd8]);
});

test("a JPEG ends where its picture does, in however many scans it comes; nothing hides between or behind", () => {
  const scan = (...body: number[]) => [...segment(0xda, [1, 2, 3]), ...body];
  const [first, second] = [scan(0x12, 0xff, 0x00, 0xff, 0xd0, 0x34), scan(0x56, 0xff, 0x00)];
  const table = segment(0xc4, [9, 9]);
  const head = [...segment(0xe0, [...letters("JFIF"), 0, 1, 2, 0, 0, 1, 0, 1, 0, 0])];
  const withThumbnail = segment(0xe0, [...letters("JFIF"), 0, 1, 2, 0, 0, 1, 0, 1, 1, 1, ...letters("GPS")]);
  const hidden = [
    ...segment(0xe0, letters("JFXX GPS")), ...segment(0xe2, letters("MPF GPS")), ...segment(0xee, letters("GPS")),
  ];
  const behind = [...letters("GPS ftypmp42"), 0xff, 0xd8, ...exif(6), 0xff, 0xd9];
  const whole = [0xff, 0xd8, ...withThumbnail, ...letters("GPS"), ...hidden, ...first, ...table, 0xff,
    ...segment(0xfe, letters("GPS")), ...second, 0xff, 0xd9, ...behind];
  expect([...withoutTraces(Uint8Array.from(whole))]).toEqual(
    [0xff, 0xd8, ...head, ...first, ...table, ...second, 0xff, 0xd9],
  );
});

test("PNG and WebP end where they say, and keep of their parts those alone that are seen", () => {
  const chunk = (name: string, body: number[]) => [0, 0, 0, body.length, ...letters(name), ...body, 0, 0, 0, 0];
  const head = [0x89, ...letters("PNG"), 13, 10, 26, 10, ...chunk("IHDR", [1]), ...chunk("gAMA", [1])];
  const end = chunk("IEND", []);
  const png = Uint8Array.from([...head, ...chunk("caBX", letters("GPS")), ...end, ...letters("GPS behind the end")]);
  expect([...withoutTraces(png)]).toEqual([...head, ...end]);
  const part = (name: string, body: number[]) => [...letters(name), body.length, 0, 0, 0, ...body];
  const parts = [...letters("WEBP"), ...part("VP8 ", [5, 5]), ...part("SEEN", letters("GPS!"))];
  const behind = part("VP8 ", letters("GPS?"));
  const webp = withoutTraces(Uint8Array.from([...letters("RIFF"), parts.length, 0, 0, 0, ...parts, ...behind]));
  expect([...webp.slice(8)]).toEqual([...letters("WEBP"), ...part("VP8 ", [5, 5])]);
});
