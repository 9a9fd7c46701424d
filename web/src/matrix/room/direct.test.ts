import { expect, test } from "vitest";

import { directWith } from "./direct";
import { ALGORITHM, Room } from "./room";

const [me, alice, mallory] = ["@me:a", "@alice:a", "@mallory:b"];

function room(id: string, members: Record<string, string>, algorithm = ALGORITHM): Room {
  const made = new Room(id);
  const state = (type: string, state_key: string, content: object) =>
    ({ event_id: `$${id}${type}${state_key}`, type, state_key, sender: me, origin_server_ts: 1, content: content as never });
  const count = (wanted: string) => Object.values(members).filter((one) => one === wanted).length;
  made.update({
    state: [
      ...Object.entries(members).map(([user, membership]) => state("m.room.member", user, { membership })),
      ...(algorithm ? [state("m.room.encryption", "", { algorithm })] : []),
    ],
    joined: count("join"),
    invited: count("invite"),
  });
  return made;
}

const found = (...rooms: Room[]) => {
  const ids = rooms.map(({ id }) => id);
  return directWith(new Map(rooms.map((one) => [one.id, one])), { [alice]: [...ids, "!unknown"] }, alice, me)?.id;
};

test("a chat with somebody is one in which they are, and nobody else, whatever account data names", () => {
  expect(found(room("!a", { [me]: "join", [alice]: "join" }))).toBe("!a");
  expect(found(room("!a", { [me]: "join", [alice]: "invite" }))).toBe("!a");
  expect(found(room("!a", { [me]: "join", [mallory]: "join" }))).toBeUndefined();
  expect(found(room("!a", { [me]: "join", [alice]: "join", [mallory]: "join" }))).toBeUndefined();
  expect(found(room("!a", { [me]: "join", [alice]: "leave" }))).toBeUndefined();
  expect(found(room("!a", { [me]: "join", [alice]: "join" }, "m.megolm.v1.aes-sha2"))).toBeUndefined();
});

test("a sealed chat comes before one that is not", () => {
  const both = { [me]: "join", [alice]: "join" };
  expect(found(room("!clear", both, ""), room("!sealed", both))).toBe("!sealed");
  expect(found(room("!clear", both, ""))).toBe("!clear");
});

test("who has said nothing yet is known by name, if two are there", () => {
  const quiet = room("!a", { [me]: "join" });
  quiet.update({ joined: 2, heroes: [{ userId: alice, displayName: undefined, avatarUrl: undefined }] });
  expect(found(quiet)).toBe("!a");
  quiet.update({ joined: 1 });
  expect(found(quiet)).toBeUndefined();
});
