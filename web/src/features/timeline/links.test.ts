import { expect, test } from "vitest";

import { linksIn } from "./links";

const hrefs = (words: string) => linksIn(words).map(({ href }) => href);

test("addresses of pages, mail, people and rooms are found, without what ends a sentence", () => {
  expect(hrefs("See https://a.example/x?y=1&z=2, (http://b.example).")).toEqual(["https://a.example/x?y=1&z=2", "http://b.example"]);
  expect(hrefs("matrix:r/garden:a.example! or matrix:u/lena:a.example?action=chat")).toEqual([
    "matrix:r/garden:a.example",
    "matrix:u/lena:a.example?action=chat",
  ]);
  expect(hrefs("mailto:lena@a.example.")).toEqual(["mailto:lena@a.example"]);
  expect(hrefs("come to #gärten:a.example, ask @lena:b.example:8448.")).toEqual([
    "https://matrix.to/#/%23g%C3%A4rten%3Aa.example",
    "https://matrix.to/#/%40lena%3Ab.example%3A8448",
  ]);
});

test("what only looks so is none", () => {
  for (const words of ["#1:30", "@lena: hello", "a@b:c.example", "javascript:alert(1)", "matrix:x/y", "mailto:", "https://"]) {
    expect(hrefs(words)).toEqual([]);
  }
  // An address in an address is part of it.
  expect(hrefs("https://matrix.to/#/#a:b.example")).toHaveLength(1);
});

test("words made to be slow are not", () => {
  const began = performance.now();
  for (const part of ["mailto:", "#a", "@a:", "https://", "matrix:r/", "@a:b.", "#:a-"]) linksIn(part.repeat(65_000 / part.length));
  expect(performance.now() - began).toBeLessThan(2000);
});
