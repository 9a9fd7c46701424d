import { expect, test } from "vitest";

import type { StateEvent } from "../event";
import { KnownReaders } from "./known_readers";
import { ALGORITHM, Room } from "./room";

function kept() {
  const values = new Map<string, unknown>();
  return {
    sealedMeta: async <T>(key: string) => values.get(key) as T | undefined,
    setSealedMeta: async (key: string, value: unknown) => void values.set(key, value),
    deleteMeta: async (key: string) => void values.delete(key),
  };
}

const state = (type: string, state_key: string, content: StateEvent["content"]): StateEvent => {
  return { event_id: `$${type}${state_key}`, type, state_key, sender: "@x:a", origin_server_ts: 1, content };
};
const member = (id: string) => state("m.room.member", id, { membership: "join" });

function sealed(...ids: string[]): Room {
  const room = new Room("!r:a");
  room.update({ state: [state("m.room.encryption", "", { algorithm: ALGORITHM })], joined: ids.length, invited: 0 });
  room.learnMembers(ids.map(member), true);
  return room;
}

test("while members are fetched anew, who came meanwhile was shown to nobody", async () => {
  const [known, room] = [new KnownReaders(kept()), sealed("@me:a", "@lena:a")];
  await known.load(room);
  room.hasAllMembers = false;
  room.update({ state: [member("@ghost:a")], joined: 3 });
  expect(known.shown(room)).toEqual(["@me:a", "@lena:a"]);
  room.learnMembers([], true);
  expect(known.shown(room)).toEqual(["@me:a", "@lena:a", "@ghost:a"]);
  expect(known.fresh(room.id, known.shown(room) ?? [])).toEqual(["@ghost:a"]);
});

test("an invitation before anybody in a room is known leaves nobody else out", async () => {
  const store = kept();
  const [known, room] = [new KnownReaders(store), sealed("@me:a", "@lena:a", "@new:a")];
  await known.add(room.id, ["@new:a"]);
  room.hasAllMembers = false;
  expect(known.shown(room)).toBeUndefined();
  room.hasAllMembers = true;
  await known.load(room);
  expect(known.fresh(room.id, ["@me:a", "@lena:a", "@new:a"])).toEqual([]);
  await known.begin("!made:a", ["@me:a", "@guest:a"]);
  expect(known.fresh("!made:a", ["@guest:a", "@x:a"])).toEqual(["@x:a"]);
});
