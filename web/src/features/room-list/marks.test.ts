import { expect, test } from "vitest";

import { Room } from "../../matrix/room/room";
import { newIn, roomsWithNews } from "./marks";

function room(id: string, membership: Room["membership"] = "join"): Room {
  return Object.assign(new Room(id), { membership });
}

const rooms = [room("!a"), room("!b"), room("!muted"), room("!left", "leave"), room("!other"), room("!asked", "invite")];
const counts: Record<string, [number, number]> = {
  "!a": [2, 0], "!b": [3, 1], "!muted": [9, 9], "!left": [4, 4], "!other": [7, 7], "!asked": [1, 1],
};
const inside = (...ids: string[]) => new Set(ids);
const summary = (partner?: string) => ({ id }: Room) => {
  const [count, highlights] = counts[id] ?? [0, 0];
  return { unread: { count, highlights, first: undefined }, partner };
};
const isMuted = (id: string) => id === "!muted";

test("what is new in a space is what its rooms have together, without those that are muted or left", () => {
  const all = inside("!a", "!b", "!muted", "!left", "!asked");
  expect(newIn(rooms, all, summary(), isMuted)).toEqual({ count: 5, highlights: 1, isPressing: true });
  expect(newIn(rooms, inside("!a"), summary(), isMuted)).toEqual({ count: 2, highlights: 0, isPressing: false });
  expect(newIn(rooms, inside("!a"), summary("@lena:a"), isMuted)).toMatchObject({ isPressing: true });
  expect(newIn(rooms, inside("!muted"), summary("@lena:a"), isMuted)).toMatchObject({ count: 0, isPressing: false });
});

test("the title counts rooms with something new and invitations, and no muted rooms", () => {
  expect(roomsWithNews(rooms, summary(), isMuted)).toBe(4);
});
