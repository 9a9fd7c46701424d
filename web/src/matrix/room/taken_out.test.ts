import { expect, test } from "vitest";

import { Room } from "./room";
import { takenOut } from "./taken_out";

const me = "@me:a";
const lena = "@lena:a";

function gone(membership: string, before: string, sender = lena): Room {
  const room = new Room("!a");
  const content = { membership, reason: "why" };
  const unsigned = { prev_content: { membership: before } };
  const event = { event_id: "$1", type: "m.room.member", state_key: me, sender, origin_server_ts: 1, content, unsigned };
  room.update({ membership: "leave", timeline: [event], state: [event] });
  return room;
}

test("who was in a room or may not come in is told by whom; an invitation that is taken back tells nothing", () => {
  expect(takenOut(gone("leave", "join"), me)).toEqual({ by: lena, how: "removed", reason: "why" });
  expect(takenOut(gone("ban", "invite"), me)).toEqual({ by: lena, how: "banned", reason: "why" });
  expect(takenOut(gone("leave", "knock"), me)).toEqual({ by: lena, how: "refused", reason: "why" });
  expect(takenOut(gone("leave", "knock", me), me)).toBeUndefined();
  expect(takenOut(gone("leave", "join", me), me)).toBeUndefined();
  expect(takenOut(gone("leave", "invite"), me)).toBeUndefined();
});
