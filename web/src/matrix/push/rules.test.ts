import { expect, test } from "vitest";

import type { JsonObject } from "../json";
import { Room } from "../room/room";
import { modeOf, verdict, type Heard } from "./rules";

const ME = "@me:a.test";
const NOTIFY = ["notify", { set_tweak: "highlight" }];
/** The rules that every account has, as far as they matter here. */
const RULES: JsonObject = {
  global: {
    override: [
      { rule_id: ".m.rule.master", enabled: false, conditions: [], actions: [] },
      { rule_id: ".m.rule.suppress_notices", conditions: [{ kind: "event_match", key: "content.msgtype", pattern: "m.notice" }], actions: [] },
      {
        rule_id: ".m.rule.is_user_mention",
        conditions: [{ kind: "event_property_contains", key: "content.m\\.mentions.user_ids", value: ME }],
        actions: NOTIFY,
      },
      { rule_id: ".m.rule.contains_display_name", conditions: [{ kind: "contains_display_name" }], actions: NOTIFY },
      {
        rule_id: ".m.rule.is_room_mention",
        conditions: [
          { kind: "event_property_is", key: "content.m\\.mentions.room", value: true },
          { kind: "sender_notification_permission", key: "room" },
        ],
        actions: NOTIFY,
      },
    ],
    content: [{ rule_id: "tea", pattern: "te*s", actions: ["notify"] }],
    underride: [
      {
        rule_id: ".m.rule.room_one_to_one",
        conditions: [{ kind: "room_member_count", is: "2" }, { kind: "event_match", key: "type", pattern: "m.room.message" }],
        actions: ["notify", { set_tweak: "sound", value: "default" }],
      },
      { rule_id: ".m.rule.message", conditions: [{ kind: "event_match", key: "type", pattern: "m.room.message" }], actions: [] },
    ],
  },
};

function hears(content: JsonObject, { joined = 5, rules = RULES, sender = "@lena:a.test" } = {}) {
  const room = new Room("!room:a.test");
  room.joined = joined;
  const event: Heard = { type: "m.room.message", sender, content };
  return verdict(rules, room, event, ME, "Klara");
}

const said = (body: string, more: JsonObject = {}): JsonObject => ({ msgtype: "m.text", body, ...more });

test("mentions, names in words, and chats of two are worth a notification; own words and notices are not", () => {
  expect(hears(said("hello"))).toEqual({ notify: false, highlight: false, sound: false });
  expect(hears(said("hello"), { joined: 2 })).toEqual({ notify: true, highlight: false, sound: true });
  expect(hears(said("you", { "m.mentions": { user_ids: [ME] } }))).toMatchObject({ notify: true, highlight: true });
  expect(hears(said("ask klara!"))).toMatchObject({ highlight: true });
  expect(hears(said("ask klaras"))).toMatchObject({ highlight: false });
  expect(hears(said("ask Klara", { "m.mentions": {} }))).toMatchObject({ notify: false });
  expect(hears({ ...said("hello"), msgtype: "m.notice" }, { joined: 2 })).toMatchObject({ notify: false });
  expect(hears(said("hello"), { joined: 2, sender: ME })).toMatchObject({ notify: false });
});

test("who may not speak to everybody does not reach everybody", () => {
  expect(hears(said("all", { "m.mentions": { room: true } }))).toMatchObject({ notify: false });
});

test("words of one's own count as whole words, with stars for letters", () => {
  expect(hears(said("two teapots"))).toMatchObject({ notify: true, highlight: false });
  expect(hears(said("a steamer"))).toMatchObject({ notify: false });
});

test("a room can be muted, heard in full, or by its mentions", () => {
  const withRules = (global: JsonObject) => modeOf({ global }, "!room:a.test");
  expect(withRules({})).toBe("usual");
  expect(withRules({ override: [{ rule_id: "!room:a.test", actions: [] }] })).toBe("mute");
  expect(withRules({ room: [{ rule_id: "!room:a.test", actions: ["notify"] }] })).toBe("all");
  expect(withRules({ room: [{ rule_id: "!room:a.test", actions: [] }] })).toBe("mentions");
  expect(withRules({ room: [{ rule_id: "!room:a.test", actions: [], enabled: false }] })).toBe("usual");
});
