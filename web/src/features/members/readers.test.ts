import { expect, test } from "vitest";

import { Room } from "../../matrix/room/room";
import { named } from "./readers.svelte";

test("people are found by parts of their name and address, without case and accents, and all of them by nothing", () => {
  const room = new Room("!a:a.test");
  const member = (userId: string, displayname: string) => ({
    ...{ event_id: `$${userId}`, type: "m.room.member", state_key: userId, sender: userId, origin_server_ts: 1 },
    content: { membership: "join", displayname },
  });
  room.update({ state: [member("@lena:a.test", "Léna Oak"), member("@jonas:b.test", "Jonas")] });
  const people = [{ userId: "@lena:a.test" }, { userId: "@jonas:b.test" }];
  const found = (term: string) => named(people, room, term).map(({ userId }) => userId);
  expect(found("  ")).toHaveLength(2);
  expect(found("oak LENA")).toEqual(["@lena:a.test"]);
  expect(found("b.test")).toEqual(["@jonas:b.test"]);
  expect(found("mia")).toEqual([]);
});
