import { expect, test } from "vitest";

import type { Message } from "../../matrix/room/messages";
import { parsed } from "./commands";
import { asWritten, compose as composed, type About } from "./compose";
import type { Named } from "./markup";

const message = { id: "$1", sender: "@lena:a", content: { "m.mentions": { user_ids: ["@lena:a"] } } } as unknown as Message;
const people: Named[] = [
  { userId: "@lena:a", name: "Lena" },
  { userId: "@lv:b", name: "Lena Vogt" },
  { userId: "@me:a", name: "Me" },
];
const compose = (words: string, about?: About, more = {}) =>
  composed({ kind: "say", words, ...more }, about, people, { userId: "@me:a", mayCallAll: true });

test("plain words stay plain; markup is formatted, and what looks like HTML is text", async () => {
  const plain = { msgtype: "m.text", body: "Good morning: 2 < 3", "m.mentions": {} };
  expect(await compose("Good morning: 2 < 3")).toEqual(plain);
  expect(await compose("**now** <b>x</b>")).toMatchObject({
    body: "**now** <b>x</b>",
    formatted_body: "<p><strong>now</strong> &lt;b&gt;x&lt;/b&gt;</p>",
  });
  expect(await compose("**now**", undefined, { isPlain: true })).not.toHaveProperty("formatted_body");
  expect(await compose("the butler", undefined, { isSpoiler: true })).toMatchObject({
    body: "[Spoiler]",
    formatted_body: "<span data-mx-spoiler>the butler</span>",
  });
});

test("signs of HTML are escaped once: in words, in code and in addresses", async () => {
  const html = async (words: string) => (await compose(words))["formatted_body"];
  expect(await html('`a < b && "c"`')).toBe("<p><code>a &lt; b &amp;&amp; &quot;c&quot;</code></p>");
  expect(await html("```rs\nif a < b && c > d {}\n```")).toBe(
    '<pre><code class="language-rs">if a &lt; b &amp;&amp; c &gt; d {}\n</code></pre>',
  );
  const address = '<a href="https://a.example/?x=1&amp;y=2">https://a.example/?x=1&amp;y=2</a>';
  expect(await html("**see** https://a.example/?x=1&y=2")).toBe(`<p><strong>see</strong> ${address}</p>`);
  expect(await html("[here](https://a.example/?x=1&y=2)")).toBe('<p><a href="https://a.example/?x=1&amp;y=2">here</a></p>');
  expect(await html("**a** &amp; 1 < 2 > 0")).toBe("<p><strong>a</strong> &amp;amp; 1 &lt; 2 &gt; 0</p>");
  expect(await html("> said")).toBe("<blockquote>\n<p>said</p>\n</blockquote>");
});

test("HTML that somebody typed is text, wherever it stands", async () => {
  const html = async (words: string) => String((await compose(words))["formatted_body"]);
  expect(await html("<div>\n**bold**\n</div>")).toBe("<p>&lt;div&gt;<br><strong>bold</strong><br>&lt;/div&gt;</p>");
  for (const typed of ["<script>x</script>", "<!-- x -->", "<img src=x onerror=y>", "</p><b>"]) {
    expect(await html(`**a** ${typed}`)).not.toMatch(/<(?!\/?(p|strong)>)/);
    expect(await html(`${typed}\n\n- one`)).not.toMatch(/<(?!\/?(p|ul|li)>)/);
  }
});

test("words between || are hidden, with a reason before |", async () => {
  const hidden = async (words: string) => (await compose(words))["formatted_body"];
  expect(await hidden("it was ||the **butler**||")).toBe("<p>it was <span data-mx-spoiler>the <strong>butler</strong></span></p>");
  expect(await hidden('||the "end"|he dies|| and ||more||')).toBe(
    '<p><span data-mx-spoiler="the &quot;end&quot;">he dies</span> and <span data-mx-spoiler>more</span></p>',
  );
  expect(await hidden("a || b || c")).toBeUndefined();
  expect(await hidden("`a||b||c`")).toBe("<p><code>a||b||c</code></p>");
  expect(asWritten(await compose("||one||"))).toBe("||one||");
  const open = async (words: string) => (await compose(words))["body"];
  expect(await open("it was ||who did it|the **butler**||, *really*")).toBe("it was [Spoiler for who did it], *really*");
  for (const words of ["`||she||` ||she||", "`||x||` ||x||she||y|| ||she||", "| a |\n|-|\n| b |\n\n||why|she||", "> - ||she||"]) {
    expect(await open(words), words).not.toMatch(/\|\|(why\|)?(she|x|y)\|\|/);
  }
  expect(await compose("||one||", { kind: "edit", message })).toMatchObject({ body: "* [Spoiler]", "m.new_content": { body: "[Spoiler]" } });
});

test("replies and edits name what they are about; a reply in a thread stays there", async () => {
  expect(await compose("yes", { kind: "reply", message })).toMatchObject({
    "m.relates_to": { "m.in_reply_to": { event_id: "$1" } },
    "m.mentions": { user_ids: ["@lena:a"] },
  });
  expect(await compose("yes", { kind: "reply", message: { ...message, threadRoot: "$0" } })).toMatchObject({
    "m.relates_to": { rel_type: "m.thread", event_id: "$0", "m.in_reply_to": { event_id: "$1" }, is_falling_back: false },
  });
  expect(await composed({ kind: "say", words: "x" }, undefined, [], { userId: "@me:a", mayCallAll: true }, { rootId: "$0", last: "$9" })).toMatchObject({
    "m.relates_to": { rel_type: "m.thread", event_id: "$0", "m.in_reply_to": { event_id: "$9" }, is_falling_back: true },
  });
  expect(await compose("better", { kind: "edit", message })).toEqual({
    msgtype: "m.text",
    body: "* better",
    "m.mentions": {},
    "m.new_content": { msgtype: "m.text", body: "better", "m.mentions": {} },
    "m.relates_to": { rel_type: "m.replace", event_id: "$1" },
  });
});

test("who is named is mentioned and linked; who was mentioned before is not told again by an edit", async () => {
  expect(await compose("ask @jonas:garden.example")).toMatchObject({
    "m.mentions": { user_ids: ["@jonas:garden.example"] },
  });
  const named = await compose("ask @Lena Vogt and @room");
  expect(named["m.mentions"]).toEqual({ user_ids: ["@lv:b"], room: true });
  expect(named["formatted_body"]).toBe('ask <a href="https://matrix.to/#/%40lv%3Ab">Lena Vogt</a> and @room');
  const link = '<a href="https://matrix.to/#/%40lena%3Aa">Lena</a>';
  expect((await compose("**ask** @Lena, not `@Lena`"))["formatted_body"]).toBe(
    `<p><strong>ask</strong> ${link}, not <code>@Lena</code></p>`,
  );
  expect(await compose("ask @Lena", { kind: "edit", message })).toMatchObject({
    "m.mentions": {},
    "m.new_content": { "m.mentions": { user_ids: ["@lena:a"] } },
  });
});

test("whoever may not call everybody sends no call", async () => {
  const speaker = { userId: "@me:a", mayCallAll: false };
  const content = await composed({ kind: "say", words: "@room and @Lena" }, undefined, people, speaker);
  expect(content).toMatchObject({ body: "@room and @Lena", "m.mentions": { user_ids: ["@lena:a"] } });
  expect(content["m.mentions"]).not.toHaveProperty("room");
});

test("what is changed is written as it was: hidden words stay hidden, deeds stay deeds", async () => {
  const said: Parameters<typeof composed>[0][] = [
    { kind: "say", words: "the butler", isSpoiler: true },
    { kind: "say", words: "waves", isEmote: true },
    { kind: "say", words: "/etc is a folder" },
    { kind: "say", words: "just words" },
  ];
  for (const one of said) expect(parsed(asWritten(await composed(one, undefined, [], { userId: "@me:a", mayCallAll: true })))).toEqual(one);
});

test("of a file what is said of it is edited, also away, and the file stays", async () => {
  const file = { msgtype: "m.image", url: "mxc://a/b", filename: "roof.png", info: { w: 4 } };
  const content = { ...file, body: "the **roof**", format: "org.matrix.custom.html", formatted_body: "<p>x</p>", "m.mentions": {} };
  const about = { kind: "edit", message: { id: "$1", sender: "@me:a", content } } as unknown as About;
  expect(asWritten(content)).toBe("the **roof**");
  expect(asWritten({ ...file, body: "roof.png" })).toBe("");
  expect((await compose("the wall", about))["m.new_content"]).toEqual({ ...file, body: "the wall", "m.mentions": {} });
  expect((await compose("", about))["m.new_content"]).toEqual({ ...file, body: "roof.png", "m.mentions": {} });
});
