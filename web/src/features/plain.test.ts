import { expect, test } from "vitest";

import { t } from "../ui/words.svelte";
import { plainText } from "./plain";

const plain = (content: Parameters<typeof plainText>[1]) => plainText("m.room.message", content, "none");

test("words are told as they are read, without the marks with which they were typed", () => {
  const typed = (body: string, formatted_body?: string) =>
    plain({ msgtype: "m.text", body, ...(formatted_body !== undefined && { format: "org.matrix.custom.html", formatted_body }) });
  expect(typed("**the** [roof](https://roof.example)", '<b>the</b> <a href="https://roof.example">roof</a>')).toBe("the roof");
  expect(typed("2 * 3 * 4")).toBe("2 * 3 * 4");
  expect(typed("the end", "<b>the</b> <span data-mx-spoiler>end</span>")).toBe(`the [${t.spoiler("")}]`);
  const answer = { "m.relates_to": { "m.in_reply_to": { event_id: "$1" } } };
  expect(plain({ msgtype: "m.text", body: "> <@lena:one.example> the roof\n\nyes", ...answer })).toBe("yes");
});

test("of a file it is told what it is and what is said of it, hidden words hidden", () => {
  const file = (msgtype: string, body: string, more = {}) => ({ msgtype, body, filename: "roof.png", ...more });
  expect(plain(file("m.image", "roof.png"))).toBe(t.photo);
  expect(plain(file("m.image", "the\nroof"))).toBe(`${t.photo}: the roof`);
  expect(plain(file("m.file", "the plan"))).toBe("roof.png: the plan");
  const formatted = { format: "org.matrix.custom.html", formatted_body: "<b>the</b> roof" };
  expect(plain(file("m.image", "**the** roof", formatted))).toBe(`${t.photo}: the roof`);
  const hidden = { format: "org.matrix.custom.html", formatted_body: "<span data-mx-spoiler>the end</span>" };
  expect(plain(file("m.video", "the end", hidden))).toBe(`${t.video}: [${t.spoiler("")}]`);
});
