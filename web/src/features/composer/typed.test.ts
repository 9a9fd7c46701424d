import { expect, test } from "vitest";

import { asWritten, compose } from "./compose";
import { typedFrom } from "./typed";

const people = [{ userId: "@lv:b", name: "Lena Vogt" }];
const said = (words: string) => compose({ kind: "say", words }, undefined, people, { userId: "@me:a", mayCallAll: true });

test("what hides words is edited as it was typed", async () => {
  for (const words of [
    "it was ||the **butler**||",
    "||the \"end\"|he *dies*|| and ||more||, see `a < b`",
    "||who|@Lena Vogt|| in https://a.example/?x=1&y=2 or [there](https://b.example/)\nwas ~~not~~",
    "first\n\n- one ||x||\n- two",
    "> ||x||\n\nyes",
    "## ||x||\n\n```\n<p> ||y||\n```",
  ]) {
    const content = await said(words);
    expect(asWritten(content), words).toBe(words);
    expect((await said(asWritten(content)))["formatted_body"]).toBe(content["formatted_body"]);
  }
});

test("nothing that others' HTML hides comes out by an edit", async () => {
  for (const html of [
    "<span data-mx-spoiler>x|secret</span>", "<span data-mx-spoiler='a|b'>a<br>secret</span>", "a <b data-mx-spoiler>secret",
    "<p><span data-mx-spoiler>a</span> <span data-mx-spoiler>||<i>secret</b></span></p>", "<span data-mx-spoiler>a <span data-mx-spoiler>secret</span></span>",
  ]) {
    const again = await said(typedFrom(html));
    expect(again["body"], html).not.toContain("secret");
    expect(again["formatted_body"], html).toContain("secret");
  }
});

test("tags that are never closed hold nobody up", () => {
  const begin = performance.now();
  for (const piece of ["<", "<b", "<b>", "<b>x", "<b></i>", "<ul><li>", "<mx-reply>", "</p", "&#", "<span data-mx-spoiler>"]) typedFrom(piece.repeat(60_000 / piece.length));
  expect(performance.now() - begin).toBeLessThan(1000);
});
