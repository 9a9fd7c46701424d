// A client and its homeserver.
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { saying, Somebody, until, wantsPassword } from "./client.test-support";
import { KeyServer } from "./crypto/key_server.test-support";
import { SessionManager } from "./crypto/session_manager";
import type { JsonObject } from "./json";
import type { Room } from "./room/room";
import { unread } from "./room/unread";
import { DataStore } from "./store/data";
import { unlock } from "./store/lock";
import { SessionStore } from "./store/sessions";
import { Tabs } from "./tabs";

const ROOM = "!room:a.test";
const people: Somebody[] = [];

vi.setConfig({ testTimeout: 60_000 });
// A module that can't be loaded is told of.
beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));
afterEach(() => {
  for (const one of people.splice(0)) one.client.stop();
});

function somebody(user: string, keys = new KeyServer()): Somebody {
  const one = new Somebody(user, keys);
  people.push(one);
  return one;
}

const event = (type: string, content: JsonObject, state_key?: string, sender = "@lena:a.test") => ({
  event_id: `$${type}${state_key ?? Math.random()}`, type, content, sender, origin_server_ts: 5,
  ...(state_key !== undefined && { state_key }),
});
const member = (user: string, membership = "join") => event("m.room.member", { membership }, user, user);

const joined = (id: string, state: JsonObject[], timeline: JsonObject[] = []) => ({
  rooms: { join: { [id]: { state: { events: state }, timeline: { events: timeline } } } },
});
const sealed = event("m.room.encryption", { algorithm: "org.sealpost.ratchet.v1" }, "");

/** Somebody with keys of their own, who is in a sealed room with others. */
async function inRoom(user: string, others: string[], keys = new KeyServer(), tabs?: Tabs): Promise<Somebody> {
  const one = somebody(user, keys);
  one.server.push(joined(ROOM, [sealed, member(user), ...others.map((other) => member(other))]));
  await one.open(tabs);
  await until(() => one.client.crypto.standing === "ready");
  await until(() => one.client.rooms.has(ROOM));
  return one;
}

/** Somebody who said something in a sealed room, so that its members are known; and these, as the server tells of them. */
async function spoken(user: string): Promise<{ one: Somebody; present: JsonObject[] }> {
  const one = await inRoom(user, ["@jonas:b.test"]);
  const present = [member(user), member("@jonas:b.test")];
  one.server.instead = ({ path }) => (path.includes("/members") ? { chunk: present } : undefined);
  await one.client.queue.add(ROOM, "m.room.message", { body: "x" });
  await until(() => asked(one) === 1 && one.client.queue.waiting === 0);
  return { one, present };
}

const asksFor = (one: Somebody, user: string) =>
  one.server.of("POST", "/keys/query").filter(({ body }) => user in (body["device_keys"] as JsonObject)).length;

test("when the page is opened again, devices are asked for of which no news came", async () => {
  const lena = await inRoom("@lena:again.test", ["@jonas:b.test"]);
  await until(() => asksFor(lena, "@jonas:b.test") === 1);
  await lena.open();
  lena.server.push({});
  await until(() => asksFor(lena, "@jonas:b.test") === 2);
  lena.server.push({});
  lena.server.push({ rooms: { join: { "!later:a.test": {} } } });
  await until(() => lena.client.rooms.has("!later:a.test"));
  expect(asksFor(lena, "@jonas:b.test")).toBe(2);
});

test("news that came while the module could not be loaded is asked for when it can", async () => {
  const lena = await inRoom("@lena:missed.test", ["@jonas:b.test"]);
  await until(() => asksFor(lena, "@jonas:b.test") === 1);
  lena.hasModule = false;
  await lena.open();
  lena.server.push({ to_device: {}, device_lists: { changed: ["@jonas:b.test"] } });
  lena.server.push({ rooms: { join: { "!later:a.test": {} } }, to_device: {} });
  // Without the module it goes on with the rooms, and does not ask for the same without end.
  await until(() => lena.client.rooms.has("!later:a.test"));
  const since = lena.server.of("GET", "/sync").map(({ query }) => query.get("since"));
  expect(new Set(since.slice(-2)).size).toBe(2);
  lena.hasModule = true;
  lena.client.loadCrypto();
  lena.server.push({});
  await until(() => asksFor(lena, "@jonas:b.test") === 2);
});

test("who came while the module could not be loaded is asked for before something is sealed", async () => {
  const { one: lena, present } = await spoken("@lena:came.test");
  lena.hasModule = false;
  lena.client.loadCrypto();
  await until(() => lena.client.crypto.standing === "unavailable");
  present.push(member("@mia:b.test"));
  lena.server.push({ rooms: { join: { [ROOM]: { timeline: { events: present.slice(-1) } } } } });
  await until(() => lena.client.rooms.get(ROOM)?.state("m.room.member", "@mia:b.test"));
  lena.hasModule = true;
  lena.client.loadCrypto();
  await lena.client.queue.add(ROOM, "m.room.message", { body: "y" });
  await until(() => sent(lena).length >= 2 && lena.client.queue.waiting === 0);
  expect(asked(lena)).toBe(2);
  expect(asksFor(lena, "@mia:b.test")).toBeGreaterThan(0);
});

test("who left while the module could not be loaded gets nothing of what is said after the page was opened again", async () => {
  const { one: lena, present } = await spoken("@lena:left.test");
  lena.hasModule = false;
  await lena.open();
  const left = { ...member("@jonas:b.test", "leave"), event_id: "$left" };
  present[1] = left;
  lena.server.push({ rooms: { join: { [ROOM]: { timeline: { events: [left] } } } } });
  await until(async () => (await lena.kept(ROOM))?.state("m.room.member", "@jonas:b.test")?.content["membership"] === "leave");
  lena.hasModule = true;
  await lena.open();
  await lena.client.queue.add(ROOM, "m.room.message", { body: "y" });
  await until(() => sent(lena).length >= 2 && lena.client.queue.waiting === 0);
  expect(asked(lena)).toBe(2);
  // Once told, not again.
  await lena.open();
  await lena.client.queue.add(ROOM, "m.room.message", { body: "z" });
  await until(() => sent(lena).length >= 3 && lena.client.queue.waiting === 0);
  expect(asked(lena)).toBe(2);
});

test("what the module can't be told while it begins keeps nothing from being sent, and is told before something is sealed", async () => {
  const { one: lena } = await spoken("@lena:later.test");
  lena.hasModule = false;
  lena.client.loadCrypto();
  await until(() => lena.client.crypto.standing === "unavailable");
  lena.server.push(joined("!clear:a.test", inClear, [member("@mia:b.test")]));
  lena.server.push({ rooms: { join: { [ROOM]: { timeline: { events: [member("@mia:b.test")] } } } } });
  await until(() => lena.client.rooms.get(ROOM)?.state("m.room.member", "@mia:b.test"));
  const forget = vi.spyOn(SessionManager.prototype, "forgetMembers").mockRejectedValueOnce(new Error("not now"));
  const ask = vi.spyOn(SessionManager.prototype, "encryptedRooms").mockRejectedValueOnce(new Error("not now"));
  lena.hasModule = true;
  lena.client.loadCrypto();
  await lena.client.queue.add("!clear:a.test", "m.room.message", { body: "y" });
  await lena.client.queue.add(ROOM, "m.room.message", { body: "y" });
  await until(() => lena.client.queue.waiting === 0);
  expect([asked(lena), forget.mock.calls.length]).toEqual([2, 2]);
  for (const one of [forget, ask]) one.mockRestore();
});

test("what the machine knows as sealed is kept so when it could not be at first", async () => {
  const lena = await inRoom("@lena:kept.test", ["@jonas:b.test"]);
  await forgetRooms(lena);
  lena.server.push(joined(ROOM, inClear));
  lena.hasModule = false;
  await lena.open();
  await until(() => lena.client.rooms.has(ROOM));
  expect(lena.client.rooms.get(ROOM)?.sealing).toBe("none");
  const { write } = DataStore.prototype;
  const full = vi.spyOn(DataStore.prototype, "write").mockImplementation(function (this: DataStore, ...args) {
    return lena.client.crypto.standing === "starting" ? Promise.reject(new Error("full")) : write.apply(this, args);
  });
  lena.hasModule = true;
  lena.client.loadCrypto();
  await until(() => lena.client.crypto.standing === "ready");
  lena.client.crypto.devicesCame.emit();
  await until(async () => (await lena.kept(ROOM))?.sealing === "ours");
  full.mockRestore();
  lena.hasModule = false;
  await lena.open();
  expect(lena.client.rooms.get(ROOM)?.sealing).toBe("ours");
});

const asked = (one: Somebody) => one.server.of("GET", "/members").length;

test("messages to the device wait at the server until the module is there, and it is asked after a rest", async () => {
  const lena = somebody("@lena:rest.test");
  lena.hasModule = false;
  for (let at = 0; at < 3; at += 1) lena.server.push({ to_device: { events: [{ type: "x", sender: "@a:b", content: {} }] } });
  await lena.open();
  await until(() => lena.client.syncState === "live");
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(lena.server.of("GET", "/sync").length).toBe(1);
});

test("another tab that asks for the module while this one begins is answered when it is there", async () => {
  const lena = somebody("@lena:tabs.test");
  const [own, other] = [new Tabs(lena.user), new Tabs(lena.user)];
  const answer = new Promise((resolve) => {
    other.news.subscribe(({ news }) => {
      if (news === "owner") resolve(other.ask((desk) => desk.open(), 20_000));
    });
  });
  // What is kept of many rooms takes a while.
  const rooms = vi.spyOn(DataStore.prototype, "rooms").mockImplementation(() => new Promise((resolve) => setTimeout(() => resolve([]), 200)));
  await lena.open(own);
  rooms.mockRestore();
  expect(["starting", "ready"]).toContain(await answer);
  other.close();
});

test("what is read or made in another tab, the one that keeps it knows", async () => {
  const lena = await inRoom("@lena:beside.test", [], undefined, new Tabs("@lena:beside.test"));
  const room = lena.client.rooms.get(ROOM);
  room?.unreadThreads.set("$root", "$first");
  lena.server.push({ rooms: { join: { [ROOM]: { timeline: { events: [member("@mia:b.test")] } } } } });
  await until(async () => (await lena.kept(ROOM))?.unreadThreads.size === 1);
  const beside = await lena.beside(new Tabs(lena.user));
  const there = beside.rooms.get(ROOM);
  expect(there?.unreadThreads.size).toBe(1);
  // It knows less of the room by now.
  lena.server.push({ rooms: { join: { [ROOM]: { timeline: { events: [member("@jonas:b.test")] } } } } });
  await until(() => room?.state("m.room.member", "@jonas:b.test"));
  lena.server.instead = ({ path }) => (path === "/createRoom" ? { room_id: "!made:a.test" } : undefined);
  if (there) await beside.markThreadRead(there, "$root");
  await beside.createRoom({ preset: "private_chat", isSealed: true });
  await until(async () => (await lena.kept(ROOM))?.unreadThreads.size === 0 && (await lena.kept("!made:a.test"))?.sealing === "ours");
  beside.stop();
  const again = await lena.open();
  expect(again.rooms.get(ROOM)?.unreadThreads.size).toBe(0);
  expect(again.rooms.get(ROOM)?.state("m.room.member", "@jonas:b.test")).toBeDefined();
  expect(again.rooms.get("!made:a.test")?.sealing).toBe("ours");
});

/** How many messages with a word are kept of a room. */
const keptOf = async (one: Somebody, roomId: string, word: string) =>
  (await one.client.crypto.sessions.searchKept([roomId], [word])).messages.length;

test("of a room that is forgotten no words stay, also if the module was not there, and of others all", async () => {
  const other = "!other:a.test";
  const lena = await inRoom("@lena:forgets.test", []);
  lena.server.push(joined(other, [sealed, member(lena.user)]));
  let refuses = false;
  const contents = new Map<string, JsonObject[]>([[ROOM, []], [other, []]]);
  lena.server.instead = ({ path, body }) => {
    if (path.includes("/members")) return { chunk: [member(lena.user)] };
    if (path.includes("/send/m.room.encrypted") && refuses) return { status: 403, errcode: "M_FORBIDDEN" };
    for (const [id, all] of contents) if (path.includes(`${id}/send/m.room.encrypted`)) all.push(body);
    return undefined;
  };
  await until(async () => (await lena.kept(other)) && (await lena.kept(ROOM)));
  for (const [id, all] of contents) {
    await lena.client.queue.add(id, "m.room.message", { body: "pears" });
    await until(() => lena.client.queue.waiting === 0);
    const timeline = all.map((content) => event("m.room.encrypted", content, undefined, lena.user));
    lena.server.push(joined(id, [], timeline));
    await until(async () => (await keptOf(lena, id, "pears")) === 1);
    const room = lena.client.rooms.get(id);
    if (room) await lena.client.loadMembers(room).then(() => lena.client.known.load(room));
    lena.client.drafts.set(id, "plums");
    lena.client.drafts.set(`${id} $root`, "plums in a thread");
  }
  refuses = true;
  await lena.client.queue.add(ROOM, "m.room.message", { body: "refused" });
  await until(() => lena.client.queue.of(ROOM).some(({ progress }) => progress.state === "failed"));
  await lena.client.drafts.keep();
  lena.hasModule = false;
  await lena.open();
  const room = lena.client.rooms.get(ROOM);
  if (room) await lena.client.forget(room);
  const store = await DataStore.open(lena.user, (await unlock(await new SessionStore().lock(lena.user))).data);
  expect((await store.rooms()).map(({ id }) => id)).toEqual([other]);
  expect(await store.sealedMeta("drafts")).toEqual([[other, "plums"], [`${other} $root`, "plums in a thread"]]);
  expect([await store.sealedMeta(`readers ${ROOM}`), await store.sealedMeta(`readers ${other}`)]).toEqual([undefined, [lena.user]]);
  expect(await store.queued()).toEqual([]);
  store.close();
  lena.hasModule = true;
  await lena.open();
  await until(() => lena.client.crypto.standing === "ready");
  await until(async () => (await keptOf(lena, ROOM, "pears")) === 0);
  expect(await keptOf(lena, other, "pears")).toBe(1);
  expect(await lena.client.crypto.sessions.sealed()).toEqual([]);
});

test("what is under way when a client is stopped fails for nobody", async () => {
  const lena = somebody("@lena:stopped.test");
  const { crypto } = await lena.open();
  await until(() => crypto.standing === "ready");
  let failed = 0;
  const ask = () => void crypto.keys.user(lena.user).catch(() => (failed += 1));
  ask();
  lena.client.stop();
  ask();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(failed).toBe(0);
});

/** Of what is kept of the account, all but the keys is gone. */
async function forgetRooms(one: Somebody): Promise<void> {
  one.client.stop();
  await DataStore.delete(one.user);
}

const inClear = [event("m.room.create", {}, ""), member("@lena:a.test")];
const sent = (one: Somebody) => one.server.of("PUT", "/send/").map(({ path }) => path.split("/")[4]);

test("a room that only the machine knows as sealed is, for whatever leaves", async () => {
  const lena = await inRoom("@lena:pinned.test", ["@jonas:b.test"]);
  await forgetRooms(lena);
  const client = await lena.open();
  lena.server.push(joined(ROOM, inClear));
  await until(() => client.rooms.has(ROOM));
  const room = client.rooms.get(ROOM);
  expect(room?.sealing).toBe("ours");
  expect(room && client.isClear(room)).toBe(false);
  expect(await client.isSealed(ROOM)).toBe(true);
});

test("before the machine was ever asked which rooms are sealed, nothing leaves without it", async () => {
  const lena = somebody("@lena:never.test");
  lena.hasModule = false;
  lena.server.push(joined(ROOM, inClear));
  let client = await lena.open();
  await until(() => client.rooms.has(ROOM));
  const room = client.rooms.get(ROOM);
  expect(room && client.isClear(room)).toBe(false);
  await expect(client.isSealed(ROOM)).rejects.toMatchObject({ why: "module" });
  await client.queue.add(ROOM, "m.room.message", { body: "x" });
  await until(() => client.queue.isHeld("module"));
  expect(sent(lena)).toEqual([]);
  lena.hasModule = true;
  client.loadCrypto();
  await until(() => sent(lena).length === 1);
  expect(sent(lena)).toEqual(["m.room.message"]);
  await until(() => lena.kept(ROOM));
  // Afterwards what it knew is kept.
  lena.hasModule = false;
  client = await lena.open();
  await until(() => client.rooms.has(ROOM));
  expect(await client.isSealed(ROOM)).toBe(false);
});

test("rooms that were left or declined elsewhere meanwhile are gone, and stay so", async () => {
  const lena = somebody("@lena:elsewhere.test");
  const state = { state: { events: inClear } };
  const invited = { invite_state: { events: [event("m.room.member", { membership: "invite" }, lena.user)] } };
  lena.server.push({ rooms: { join: { "!a:a.test": state, "!b:a.test": state }, invite: { "!c:a.test": invited } } });
  let client = await lena.open();
  await until(async () => (await Promise.all(["!a:a.test", "!b:a.test", "!c:a.test"].map((id) => lena.kept(id)))).every(Boolean));
  const memberships = () => ["!a:a.test", "!b:a.test", "!c:a.test"].map((id) => client.rooms.get(id)?.membership);
  client = await lena.open();
  expect(memberships()).toEqual(["join", "join", "invite"]);
  lena.server.push({ rooms: { join: { "!a:a.test": state } } });
  await until(async () => (await lena.kept("!c:a.test"))?.membership === "leave");
  client = await lena.open();
  expect(memberships()).toEqual(["join", "leave", "leave"]);
  // The server hid one.
  lena.server.push({ rooms: { join: { "!a:a.test": state, "!b:a.test": state } } });
  await until(() => client.rooms.get("!b:a.test")?.membership === "join");
});

test("where a server puts its own algorithm into a new room, ours is stated again", async () => {
  const lena = await inRoom("@lena:megolm.test", []);
  const megolm = { algorithm: "m.megolm.v1.aes-sha2" };
  lena.server.instead = ({ method, path }) => {
    if (path === "/createRoom") return { room_id: "!new:a.test" };
    if (method === "GET" && path.includes("!new:a.test/state/m.room.encryption")) return megolm;
    if (path.includes("!new:a.test/members")) return { chunk: [member(lena.user)] };
    return undefined;
  };
  await lena.client.createRoom({ preset: "private_chat", isSealed: true });
  const stated = lena.server.of("PUT", "!new:a.test/state/m.room.encryption");
  expect(stated.map(({ body }) => body["algorithm"])).toEqual(["org.sealpost.ratchet.v1"]);
  // What its state says meanwhile changes nothing of what leaves.
  lena.server.push(joined("!new:a.test", [event("m.room.encryption", megolm, ""), member(lena.user)]));
  await until(() => lena.client.rooms.get("!new:a.test")?.state("m.room.encryption"));
  await lena.client.queue.add("!new:a.test", "m.room.message", { body: "x" });
  await until(() => sent(lena).length > 0);
  expect(new Set(sent(lena))).toEqual(new Set(["m.room.encrypted"]));
});

test("our algorithm is stated again until the server heard it, and not again where it refuses", async () => {
  const lena = await inRoom("@lena:stated.test", []);
  const megolm = { algorithm: "m.megolm.v1.aes-sha2" };
  let status = 503;
  lena.server.instead = ({ method, path }) => {
    if (method === "GET" && path.includes("/state/m.room.encryption")) return megolm;
    if (method === "PUT" && path.includes("/state/m.room.encryption")) return { status, errcode: status === 503 ? "M_UNKNOWN" : "M_FORBIDDEN" };
    if (path.includes("/members")) return { chunk: [member(lena.user)] };
    return undefined;
  };
  lena.server.push(joined(ROOM, [event("m.room.encryption", megolm, ""), { ...event("m.room.power_levels", { users: { [lena.user]: 100 } }, "") }]));
  await until(() => lena.client.rooms.get(ROOM)?.states("m.room.encryption").at(-1)?.content["algorithm"] === megolm.algorithm);
  const stated = () => lena.server.of("PUT", "/state/m.room.encryption").length;
  await lena.client.queue.add(ROOM, "m.room.message", { body: "x" });
  await until(() => stated() > 0 && lena.client.queue.of(ROOM)[0]?.progress.state === "queued");
  const before = stated();
  status = 403;
  lena.client.queue.resume();
  await until(() => lena.client.queue.of(ROOM)[0]?.progress.state === "failed");
  const [echo] = lena.client.queue.of(ROOM);
  if (echo) lena.client.queue.retry(echo.txnId);
  await until(() => sent(lena).length > 0);
  expect(stated()).toBe(before + 1);
});

test("mentions in a gap of a sealed room are counted although nobody looks at it", async () => {
  const keys = new KeyServer();
  const jonas = await inRoom("@jonas:gap.test", ["@lena:gap.test"], keys);
  const lena = await inRoom("@lena:gap.test", ["@jonas:gap.test"], keys);
  const contents: JsonObject[] = [];
  jonas.server.instead = ({ path, body }) => {
    if (path.includes("/members")) return { chunk: [member(jonas.user), member(lena.user)] };
    if (path.includes("/send/m.room.encrypted")) contents.push(body);
    return undefined;
  };
  jonas.server.push({});
  const said = { body: "Lena?", "m.mentions": { user_ids: [lena.user] } };
  await jonas.client.queue.add(ROOM, "m.room.message", said);
  await jonas.client.queue.add(ROOM, "m.room.message", { body: "never mind" });
  await until(() => contents.length >= 3 && jonas.client.queue.waiting === 0);
  const events = contents.map((content, at) => ({ ...event("m.room.encrypted", content, undefined, jonas.user), event_id: `$e${at}` }));
  const read = { ...event("m.room.message", { body: "read" }, undefined, jonas.user), event_id: "$read" };
  lena.server.instead = ({ path }) =>
    path.endsWith("/messages") ? { chunk: [...events.slice(0, -1).toReversed(), read], end: "older" } : undefined;
  lena.server.push({
    rooms: {
      join: {
        [ROOM]: {
          timeline: { events: events.slice(-1), limited: true, prev_batch: "gap" },
          unread_notifications: { notification_count: 2 },
          ephemeral: { events: [{ type: "m.receipt", content: { $read: { "m.read": { [lena.user]: { ts: 1 } } } } }] },
        },
      },
    },
  });
  const found = () => {
    const room = lena.client.rooms.get(ROOM);
    return room && unread(room, lena.user, "Lena");
  };
  await until(() => found()?.highlights === 1);
  expect(found()?.first).toBe("$e1");
  // As far as what was read, and no further.
  expect(lena.server.of("GET", "/messages").length).toBe(1);
});

test("a server that wants a password for the first identity holds up nothing else, and gets it when somebody is there", async () => {
  const lena = somebody("@lena:guarded.test");
  lena.server.instead = wantsPassword;
  const client = await lena.open();
  await until(() => client.crypto.standing === "unpublished");
  await until(() => lena.server.of("POST", "/keys/upload").length > 0);
  expect(lena.server.of("POST", "/keys/signatures/upload")).toEqual([]);
  expect(await client.crypto.publish(saying("wrong"))).toBe(false);
  expect(client.crypto.standing).toBe("unpublished");
  expect(await client.crypto.publish(saying("right"))).toBe(true);
  await until(() => client.crypto.standing === "ready");
  expect(lena.server.of("POST", "/keys/signatures/upload").length).toBe(1);
});

test("the first identity is published also from a tab that does not own the keys", async () => {
  const lena = somebody("@lena:guarded-beside.test");
  lena.server.instead = wantsPassword;
  const client = await lena.open(new Tabs(lena.user));
  await until(() => client.crypto.standing === "unpublished");
  const beside = await lena.beside(new Tabs(lena.user));
  await until(() => beside.crypto.standing === "unpublished");
  expect(await beside.crypto.publish(saying("wrong"))).toBe(false);
  expect(beside.crypto.standing).toBe("unpublished");
  expect(await beside.crypto.publish(saying("right"))).toBe(true);
  expect(beside.crypto.standing).toBe("ready");
  expect(client.crypto.standing).toBe("ready");
  expect(lena.server.of("POST", "/keys/signatures/upload").length).toBe(1);
  beside.stop();
});

test("a room that takes the place of a sealed one is sealed, though its server dropped that, and another one is not gone to", async () => {
  const lena = await inRoom("@lena:replaced.test", []);
  const room = lena.client.rooms.get(ROOM) as Room;
  const create = { predecessor: { room_id: ROOM } };
  lena.server.instead = ({ method, path }) => {
    return method === "GET" && path.includes("!next:a.test/state/m.room.create") ? create : undefined;
  };
  expect(await lena.client.goOnIn("!other:a.test", room)).toBe(false);
  expect(lena.client.rooms.get("!other:a.test")?.sealing ?? "none").toBe("none");
  expect(lena.server.of("PUT", "!other:a.test/state/")).toHaveLength(0);
  expect(await lena.client.goOnIn("!next:a.test", room)).toBe(true);
  expect(lena.client.rooms.get("!next:a.test")?.sealing).toBe("ours");
  const [stated] = lena.server.of("PUT", "!next:a.test/state/m.room.encryption");
  expect(stated?.body).toEqual({ algorithm: "org.sealpost.ratchet.v1" });
  // So also where one is led there by somebody's invitation, and after a start.
  lena.server.push(joined("!invited:a.test", [event("m.room.create", create, ""), member("@lena:replaced.test")]));
  await until(async () => (await lena.kept("!invited:a.test"))?.sealing === "ours");
  await lena.open();
  for (const id of ["!next:a.test", "!invited:a.test"]) expect(lena.client.rooms.get(id)?.sealing).toBe("ours");
});
