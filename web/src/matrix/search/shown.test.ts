import { expect, test } from "vitest";

import { foundWords, openWords, shownWords, soughtWords } from "./shown";

const shown = (body: string, formatted_body?: string) =>
  shownWords({ body, ...(formatted_body !== undefined && { format: "org.matrix.custom.html", formatted_body }) });

test("formatted words are read without their marks, others as they are", () => {
  expect(shown("**the** `roof` & co", "<p><strong>the</strong> <code>roof</code> &amp; co</p>")).toBe("the roof & co");
  expect(shown("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>")).toBe("a b");
  expect(shown("> x\n\nyes", "<mx-reply><blockquote>x</blockquote></mx-reply>yes")).toBe("yes");
  expect(shown("a<br>b", "a &lt;b&gt; &#39;c&#39;<br>d")).toBe("a <b> 'c' d");
  expect(shown("2 * 3 * 4")).toBe("2 * 3 * 4");
  expect(shown("a picture", "<img src=x>")).toBe("a picture");
  expect(shown(":cat: :dog:", `<img data-mx-emoticon alt=":cat:" src="x"> <IMG alt=':dog:'/>`)).toBe(":cat: :dog:");
  expect(shownWords(undefined)).toBe("");
});

test("marks that are never closed hold nobody up", () => {
  const begin = performance.now();
  for (const piece of ["<", "<a ", "<mx-reply>", "</p", "&#", "&amp", "<img alt='"]) shown("x", piece.repeat(60_000 / piece.length));
  expect(performance.now() - begin).toBeLessThan(1000);
});

test("hidden words stay hidden, and why they are is told", () => {
  const hidden = '<p>it was <span data-mx-spoiler="the &lt;end&gt;">the <span>old</span> <b>butler</b></span>, yes</p>';
  expect(shown("it was the old butler, yes", hidden)).toBe("it was (the <end>) ▒▒▒, yes");
  expect(shown("x y", "<SPAN Data-mx-Spoiler>x</SPAN> y")).toBe("▒▒▒ y");
  expect(shown("x y", "<span data-mx-spoiler>x</div> y")).toBe("▒▒▒");
  const content = { body: "a **b** c", format: "org.matrix.custom.html", formatted_body: "a <b>b</b> c" };
  expect(openWords(content)).toBe("a **b** c");
  expect(openWords({ ...content, formatted_body: "a <span data-mx-spoiler>b</span> c" })).toBe("a ▒▒▒ c");
});

test("a file is found by what is said of it, and by its name", () => {
  const file = { msgtype: "m.image", body: "the **roof**", filename: "IMG_1.png", format: "org.matrix.custom.html", formatted_body: "the <b>roof</b>" };
  expect([soughtWords(file), foundWords(file)]).toEqual(["the **roof** · IMG_1.png", "the roof · IMG_1.png"]);
  expect(foundWords({ msgtype: "m.image", body: "IMG_1.png", filename: "IMG_1.png" })).toBe("IMG_1.png");
  expect(foundWords({ msgtype: "m.text", body: "words", filename: "x" })).toBe("words");
});
