import { expect, test } from "vitest";

import { isNamed, withMain, withoutAlias } from "./aliases";

const content = { alias: "#a:one", alt_aliases: ["#b:one", "#c:two"], other: 1 };

test("another main address leaves the one before named, and those of other servers", () => {
  expect(withMain(content, "#b:one")).toEqual({ alias: "#b:one", alt_aliases: ["#c:two", "#a:one"], other: 1 });
  expect(withMain({}, "#a:one")).toEqual({ alias: "#a:one", alt_aliases: [] });
});

test("an address that is removed is named no more, neither as the main one nor as another", () => {
  expect(withoutAlias(content, "#a:one")).toEqual({ alt_aliases: ["#b:one", "#c:two"], other: 1 });
  expect(withoutAlias(content, "#b:one")).toEqual({ alias: "#a:one", alt_aliases: ["#c:two"], other: 1 });
  expect([isNamed(content, "#a:one"), isNamed(content, "#c:two"), isNamed(content, "#d:one")]).toEqual([true, true, false]);
});
