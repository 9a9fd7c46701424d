import { expect, test } from "vitest";

import { linkTo, matrixLink } from "./uri";

test("links in both forms lead to the same; a link that is made is read again", () => {
  const message = { id: "!a:b.example", eventId: "$e_1", via: ["b.example", "c.example"] };
  expect(matrixLink(linkTo(message.id, message.eventId, message.via))).toEqual(message);
  expect(matrixLink("matrix:roomid/a:b.example/e/e_1?via=b.example&via=c.example&action=join")).toEqual(message);
  const lena = { id: "@lena:b.example", eventId: undefined, via: [] };
  expect(matrixLink("https://matrix.to/#/%40lena%3Ab.example")).toEqual(lena);
  expect(matrixLink("matrix:u/lena:b.example?action=chat")).toEqual(lena);
  expect(matrixLink("matrix:r/garden:b.example")?.id).toBe("#garden:b.example");
  for (const odd of ["https://matrix.example/#/@a:b", "matrix:x/y", "https://matrix.to/#/%", "https://matrix.to/#/hello"]) {
    expect(matrixLink(odd), odd).toBeUndefined();
  }
});
