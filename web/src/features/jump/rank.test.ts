import { expect, test } from "vitest";

import { ranked } from "./rank";

test("beginnings come before words inside, those before letters anywhere", () => {
  const names = ["Upper garden", "Garden house", "Jardin", "Book club", "Göran and Arden"];
  const found = ranked(names, "gard", (name) => [name]);
  expect(found).toEqual(["Garden house", "Upper garden", "Göran and Arden"]);
  expect(ranked(names, "gor", (name) => [name])[0]).toBe("Göran and Arden");
  expect(ranked(names, " ", (name) => [name])).toEqual(names);
  expect(ranked([1, 2], "gar", (one) => (one === 1 ? ["Bees", "the garden"] : ["Weeds", "garden"]))).toEqual([2, 1]);
});
