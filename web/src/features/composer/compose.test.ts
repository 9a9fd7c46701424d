import { expect, test } from "vitest";

import type { Message } from "../../matrix/room/messages";
import { compose } from "./compose";

const message = { id: "$1" } as Message;

test("plain words stay plain; markup is formatted, and what looks like HTML is text", async () => {
  expect(await compose("Good morning: 2 < 3", undefined)).toEqual({ msgtype: "m.text", body: "Good morning: 2 < 3" });
  expect(await compose("**now** <b>x</b>", undefined)).toMatchObject({
    body: "**now** <b>x</b>",
    formatted_body: "<p><strong>now</strong> &lt;b&gt;x&lt;/b&gt;</p>",
  });
});

test("replies and edits name what they are about", async () => {
  expect(await compose("yes", { kind: "reply", message })).toMatchObject({
    "m.relates_to": { "m.in_reply_to": { event_id: "$1" } },
  });
  expect(await compose("better", { kind: "edit", message })).toEqual({
    msgtype: "m.text",
    body: "* better",
    "m.new_content": { msgtype: "m.text", body: "better" },
    "m.relates_to": { rel_type: "m.replace", event_id: "$1" },
  });
});

test("who is named by address is mentioned", async () => {
  expect(await compose("ask @lena:garden.example", undefined)).toMatchObject({
    "m.mentions": { user_ids: ["@lena:garden.example"] },
  });
});
