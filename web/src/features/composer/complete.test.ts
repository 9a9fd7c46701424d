import { expect, test } from "vitest";

import { applied, ranked, tokenAt, withEmoji } from "./complete";

const at = (written: string) => {
  const token = tokenAt(written, written.length);
  return token && [token.kind, token.term];
};

test("a sign at the beginning of a word begins a name; within one it does not", () => {
  expect(at("ask @le")).toEqual(["person", "le"]);
  expect(at("ask @Lena Vo")).toEqual(["person", "Lena Vo"]);
  expect(at("(#gard")).toEqual(["room", "gard"]);
  expect(at("fine :smi")).toEqual(["emoji", "smi"]);
  expect(at("fein :glück")).toEqual(["emoji", "glück"]);
  expect(at("/in")).toEqual(["command", "in"]);
  for (const written of ["mail@garden", "at 12:30", "well :)", "x: no", "say /in", "@a b c", "#two words"]) {
    expect(at(written), written).toBeUndefined();
  }
});

test("what is chosen takes the token's place, and the caret comes after it", () => {
  const lena = { label: "Lena Vogt", more: "@lena:a", words: "@Lena Vogt", id: "@lena:a" };
  const written = "ask @le now";
  const token = tokenAt(written, 7);
  expect(token && applied(written, token, lena)).toEqual({ written: "ask @Lena Vogt now", caret: 15 });
});

test("the best fit comes first: beginnings of names, of words in them, what is within", () => {
  const people = ["Helena", "Anna Lenz", "Lena"].map((label) => ({ label, more: `@x${label}:a`, words: label, id: label }));
  expect(ranked(people, "len").map(({ label }) => label)).toEqual(["Lena", "Anna Lenz", "Helena"]);
  expect(ranked(people, "zzz")).toEqual([]);
});

test("short names of emoji are replaced where they stand alone", () => {
  const find = (name: string) => ({ smile: "😄" })[name];
  expect(withEmoji(":smile: a:smile: :smile:, :none: x :smile:", find)).toBe("😄 a:smile: :smile:, :none: x 😄");
});
