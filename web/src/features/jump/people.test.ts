import { expect, test } from "vitest";

import type { JsonObject } from "../../matrix/json";
import { Room } from "../../matrix/room/room";
import { peopleIn } from "./people";

function room(id: string, members: Record<string, JsonObject>, membership: Room["membership"] = "join"): Room {
  const made = Object.assign(new Room(id), { membership });
  made.learnMembers(
    Object.entries(members).map(([state_key, content]) => ({
      event_id: `$${id}${state_key}`, type: "m.room.member", state_key, sender: state_key, origin_server_ts: 1, content,
    })),
  );
  return made;
}

test("people are met in rooms in which both are, each once, by the name of the first of the rooms", () => {
  const here = { membership: "join" };
  const house = room("!house:a", { "@me:a": here, "@lena:a": { ...here, displayname: "Lena" }, "@gone:a": { membership: "leave" } });
  const work = room("!work:a", { "@lena:a": { ...here, displayname: "L. Sommer" }, "@jonas:b": here, "@asked:b": { membership: "invite" } });
  const left = room("!left:a", { "@tomasz:a": here }, "leave");
  const found = peopleIn([house, work, left], "@me:a");
  expect(found.map(({ userId, name }) => [userId, name])).toEqual([["@lena:a", "Lena"], ["@jonas:b", "jonas"]]);
});
