import { expect, test } from "vitest";

import { Room } from "../matrix/room/room";
import { asking } from "./asking";
import type { Live } from "./live.svelte";

test("of those who ask to come in, nobody is told of whom one wants to hear nothing, or who is about to be turned away", () => {
  const room = new Room("!garden:a.test");
  const member = (userId: string, membership: string) => ({
    ...{ event_id: `$${userId}`, type: "m.room.member", state_key: userId, sender: userId, origin_server_ts: 1 },
    content: { membership },
  });
  room.update({ state: [member("@me:a.test", "join"), member("@mia:a.test", "knock"), member("@mallory:b.test", "knock"), member("@tomasz:a.test", "knock")] });
  const client = { me: "@me:a.test", accountData: new Map([["m.ignored_user_list", { ignored_users: { "@mallory:b.test": {} } }]]) };
  const undoing = { isHidden: (what: string) => what.includes("@tomasz:a.test") };
  const live = { client, latest: client, now: () => room, undoing } as unknown as Live;
  expect(asking(live, room).map(({ state_key }) => state_key)).toEqual(["@mia:a.test"]);
});
