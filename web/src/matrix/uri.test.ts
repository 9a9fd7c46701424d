import { expect, test } from "vitest";

import { addressOf, linkOf, linkTo, matrixLink } from "./uri";

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

test("addresses are understood bare and in both kinds of links", () => {
  expect(addressOf(" #garden:a.test ")).toEqual({ room: "#garden:a.test", via: ["a.test"] });
  expect(addressOf("!opaque")).toEqual({ room: "!opaque", via: [] });
  expect(addressOf("https://matrix.to/#/%23garden%3Aa.test?via=b.test&via=c.test")).toEqual({
    room: "#garden:a.test",
    via: ["b.test", "c.test"],
  });
  expect(addressOf("https://matrix.to/#/!id:a.test/$event?via=b.test")).toEqual({ room: "!id:a.test", via: ["b.test"] });
  expect(addressOf("matrix:r/garden:a.test?action=join")).toEqual({ room: "#garden:a.test", via: ["a.test"] });
  expect(addressOf("matrix:roomid/id:a.test/e/event?via=b.test")).toEqual({ room: "!id:a.test", via: ["b.test"] });
});

test("what is no address of a room is none", () => {
  for (const written of ["garden", "@lena:a.test", "#with space:a", "https://a.test/#/r", "matrix:u/lena:a", "https://matrix.to/#/%E0%A4%A"]) {
    expect(addressOf(written)).toBeUndefined();
  }
});

test("whole addresses of people, rooms and messages are told from words that begin like them", () => {
  expect(linkOf(" @lena:a.test ")).toEqual({ id: "@lena:a.test", eventId: undefined, via: ["a.test"] });
  expect(linkOf("#a/b?:[::1]:8448")).toEqual({ id: "#a/b?:[::1]:8448", eventId: undefined, via: ["[::1]:8448"] });
  const opaque = `!${"a_-1".repeat(11).slice(0, 43)}`;
  expect(linkOf(opaque)).toEqual({ id: opaque, eventId: undefined, via: [] });
  expect(linkOf("https://matrix.to/#/!id:a.test/$event?via=b.test")).toEqual({ id: "!id:a.test", eventId: "$event", via: ["b.test"] });
  expect(linkOf("matrix:u/lena:a.test?action=chat")?.id).toBe("@lena:a.test");
  for (const written of ["@lena", "@lena:", "!really", "#garden", "lena:a.test", "# a:b", "@a:b c", "https://matrix.to/#/@lena", "matrix:x/y"]) {
    expect(linkOf(written), written).toBeUndefined();
  }
});
