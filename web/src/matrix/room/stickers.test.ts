import { expect, test } from "vitest";

import { packOf, withoutSticker, withSticker } from "./stickers";

const url = "mxc://a.example/abc";
const codes = (content: Parameters<typeof packOf>[0]) => packOf(content).stickers.map(({ code }) => code);

test("of a pack those are taken that are stickers, with what is known of them", () => {
  const info = { w: 20, h: -1, size: "x", mimetype: "image/png", more: { deep: 1 } };
  const content = { pack: { display_name: "Garden" }, images: { wave: { url, body: "Waving", info } } };
  expect(packOf(content)).toEqual({
    name: "Garden", stickers: [{ code: "wave", url, body: "Waving", info: { w: 20, mimetype: "image/png" } }],
  });
  expect(codes({ images: { a: { url }, b: { url, usage: ["emoticon"] }, c: { url, usage: ["emoticon", "sticker"] } } })).toEqual(["a", "c"]);
  expect(codes({ pack: { usage: ["emoticon"] }, images: { a: { url }, b: { url, usage: ["sticker"] } } })).toEqual(["b"]);
});

test("what is no pack, or points elsewhere, is none, and of too many some are left out", () => {
  for (const content of [undefined, {}, { images: [] }, { images: { a: null, b: { url: "https://a.example/x" }, c: { url: "mxc://a/../b" } } }]) {
    expect(codes(content)).toEqual([]);
  }
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`s${at}`, { url, body: "x".repeat(5000) }]));
  const { stickers } = packOf({ images: many });
  expect([stickers.length, stickers[0]?.body.length]).toEqual([200, 100]);
});

test("a sticker is added under a name of its own, and taken away, and the rest of the pack stays", () => {
  const before = { pack: { display_name: "Mine" }, images: { muh: { url, usage: ["emoticon"] } } };
  const one = withSticker(before, "Müh!", url, { w: 4 });
  const two = withSticker(one, "Очень", url, {});
  expect(two).toEqual({
    ...before,
    images: {
      ...before.images,
      muh_2: { url, body: "Müh!", info: { w: 4 }, usage: ["sticker"] },
      sticker: { url, body: "Очень", info: {}, usage: ["sticker"] },
    },
  });
  expect(withoutSticker(withoutSticker(two, "sticker"), "muh_2")).toEqual(before);
});
