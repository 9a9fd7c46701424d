import { expect, test, vi } from "vitest";

import type { Live } from "../features/live.svelte";
import { Troubles } from "../features/troubles.svelte";
import { MatrixError, Unreachable } from "../matrix/api/error";
import { Room } from "../matrix/room/room";
import { Ways } from "./ways.svelte";

test("a link by any address of a room in which one is leads into it; by an address of another, to its door", () => {
  const room = new Room("!garden:a.test");
  const content = { alias: "#garden:a.test", alt_aliases: ["#allotment:b.test"] };
  const event = { event_id: "$1", type: "m.room.canonical_alias", state_key: "", sender: "@x:a.test", origin_server_ts: 1, content };
  room.update({ state: [event] });
  const opened: string[] = [];
  const steps = { jump: async () => {}, person: () => {}, open: (id: string) => void opened.push(id) };
  const ways = new Ways({ rooms: [room] } as unknown as Live, new Room("!other:a.test"), steps);
  for (const id of ["#garden:a.test", "#allotment:b.test", "!garden:a.test"]) ways.follow({ id, eventId: undefined, via: [] });
  expect(opened).toEqual([room.id, room.id, room.id]);
  expect(ways.elsewhere).toBeUndefined();
  ways.follow({ id: "#field:b.test", eventId: undefined, via: [] });
  expect(ways.elsewhere?.id).toBe("#field:b.test");
});

test("a link to somebody leads to who is here; else into the chat with them, or to a new one", () => {
  const member = (userId: string) => ({
    ...{ event_id: `$${userId}`, type: "m.room.member", state_key: userId, sender: userId, origin_server_ts: 1 },
    content: { membership: "join" },
  });
  const [room, chat] = [new Room("!garden:a.test"), new Room("!chat:a.test")];
  room.update({ state: [member("@lena:a.test")] });
  const seen: string[] = [];
  const steps = { jump: async () => {}, person: (id: string) => void seen.push(id), open: (id: string) => void seen.push(id) };
  const client = { directWith: (id: string) => (id === "@jonas:b.test" ? chat : undefined) };
  const ways = new Ways({ client } as unknown as Live, room, steps);
  for (const id of ["@lena:a.test", "@jonas:b.test", "@mia:b.test"]) ways.follow({ id, eventId: undefined, via: [] });
  expect(seen).toEqual(["@lena:a.test", chat.id]);
  expect(ways.somebody).toBe("@mia:b.test");
});

test("a day of which nothing was said is told apart from one that nobody could look up", async () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  const steps = { jump: async () => {}, person: () => {}, open: () => {} };
  const troubles = new Troubles();
  const eventAt = vi.fn<() => Promise<string>>();
  const ways = new Ways({ client: { api: { eventAt } }, troubles } as unknown as Live, new Room("!garden:a.test"), steps);
  eventAt.mockRejectedValueOnce(new Unreachable("offline"));
  await ways.goTo(1);
  expect([ways.isLost, troubles.all.length]).toEqual([false, 1]);
  eventAt.mockRejectedValueOnce(new MatrixError(404, { errcode: "M_NOT_FOUND" }));
  await ways.goTo(1);
  expect([ways.isLost, troubles.all.length]).toEqual([true, 1]);
});
