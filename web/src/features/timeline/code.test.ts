import { expect, test } from "vitest";

import { pieces } from "./code";

const said = (code: string, language?: string) => pieces(code, language).map(({ kind, text }) => `${kind}:${text}`);

test("strings, comments, numbers and words are told apart, and no letter is lost", () => {
  expect(said('let roof = "a // b"; // 2 done')).toEqual([
    "word:let", "plain: roof = ", 'string:"a // b"', "plain:; ", "comment:// 2 done",
  ]);
  expect(said("x = 0x1F # it's", "python")).toEqual(["plain:x = ", "number:0x1F", "plain: ", "comment:# it's"]);
  expect(said("# heading", "rust")).toEqual(["plain:# heading"]);
  const code = "/* open\n'never closed \\";
  expect(pieces(code).map(({ text }) => text).join("")).toBe(code);
});
