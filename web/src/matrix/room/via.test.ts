import { expect, test } from "vitest";

import { addressOf, viaOf } from "./address";

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

test("a room is reached by the server of who may do most, then by those of most people", () => {
  const at = (server: string, level = 0) => ({ userId: `@x${Math.random()}:${server}`, level });
  expect(viaOf([at("b"), at("b"), at("c"), at("a", 100), at("d"), at("c"), at("c")])).toEqual(["a", "c", "b"]);
  expect(viaOf([])).toEqual([]);
});
