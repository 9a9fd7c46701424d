import { expect, test } from "vitest";

import { t } from "../ui/words.svelte";
import { plainText } from "./plain";

const plain = (content: Parameters<typeof plainText>[1]) => plainText("m.room.message", content, "none");

test("of a file it is told what it is and what is said of it, hidden words hidden", () => {
  const file = (msgtype: string, body: string, more = {}) => ({ msgtype, body, filename: "roof.png", ...more });
  expect(plain(file("m.image", "roof.png"))).toBe(t.photo);
  expect(plain(file("m.image", "the\nroof"))).toBe(`${t.photo}: the roof`);
  expect(plain(file("m.file", "the plan"))).toBe("roof.png: the plan");
  const hidden = { format: "org.matrix.custom.html", formatted_body: "<span data-mx-spoiler>the end</span>" };
  expect(plain(file("m.video", "the end", hidden))).toBe(`${t.video}: [${t.spoiler("")}]`);
});
