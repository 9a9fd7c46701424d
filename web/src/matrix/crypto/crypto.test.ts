// The parts over the real module and an IndexedDB in memory.
import "fake-indexeddb/auto";

import { readFileSync } from "node:fs";

import { Machine, SECRETS, type JsonObject } from "@e2e/machine";
import * as module from "sealpost-e2e";
import { FileSealer, FileSegments } from "sealpost-e2e";
import { beforeAll, expect, test, vi } from "vitest";

import { toBase64 } from "../base64";
import type { RoomEvent, StateEvent } from "../event";
import { placeInChain } from "../room/chains";
import { circleOf, reachOf } from "../room/recipients";
import { Room } from "../room/room";
import { unlock } from "../store/lock";
import { SessionStore } from "../store/sessions";
import { Device } from "./device";
import { Files } from "./files";
import { packHistory, unpackHistory, type RoomKeys } from "./history_file";
import { KeyServer } from "./key_server.test-support";
import { partsOf, type Parts } from "./parts";
import { CHUNK, PIECE } from "./pieces";
import { NotOwner } from "./storage";

const ROOM = "!room:a.test";

beforeAll(() => {
  module.initSync({ module: readFileSync("generated/sealpost_e2e_bg.wasm") });
});

class Person {
  keys!: Parts["keys"];
  identity!: Parts["identity"];
  recovery!: Parts["recovery"];
  backup!: Parts["backup"];
  removals!: Parts["removals"];
  numbers!: Parts["numbers"];
  history!: Parts["history"];
  sessions!: Parts["sessions"];
  device!: Device;
  readonly user: string;
  readonly server: KeyServer;

  constructor(user: string, server: KeyServer) {
    this.user = user;
    this.server = server;
  }

  /** As after a start, or after a crash. */
  async open(): Promise<this> {
    const { keys } = await unlock(await new SessionStore().lock(this.user));
    this.device = await Device.open(module, this.user, "DEVICE", keys);
    return Object.assign(this, partsOf(this.device));
  }

  async sync(areNewsMissed = false): Promise<void> {
    await this.keys.pushSync(this.server.sync(this.user), areNewsMissed);
    for (;;) {
      const requests = await this.keys.requests();
      if (requests.length === 0) return;
      for (const request of requests) {
        await this.keys.markSent(request.id, this.server.answer(this.user, request));
      }
    }
  }

  /** Opens what another sent. */
  async read(contents: RoomEvent["content"][], sender: string, from = 0, ts = Date.now(), isLive = false) {
    const events = contents.map((content, at): RoomEvent => {
      const event_id = `$${sender}${from + at}`;
      return { event_id, type: "m.room.encrypted", sender, origin_server_ts: ts, content };
    });
    const live = new Set(isLive ? events.map((event) => event.event_id) : []);
    return (await this.sessions.open(ROOM, events, live)).at(-1);
  }

  async say(txnId: string, body: string) {
    while (!(await this.sessions.prepare(ROOM))) await this.sync();
    const sealed = await this.sessions.seal(ROOM, txnId, "m.room.message", { msgtype: "m.text", body });
    await this.sync();
    return sealed.contents;
  }
}

async function two(name: string): Promise<[Person, Person]> {
  const server = new KeyServer();
  const people = [new Person(`@lena.${name}:a.test`, server), new Person(`@jonas.${name}:b.test`, server)];
  await meet(people);
  return people as [Person, Person];
}

/** They are in a sealed room, and know of each other. */
async function meet(people: Person[]): Promise<void> {
  for (const person of people) {
    await person.open();
    await person.identity.bootstrap();
    await person.sync();
  }
  const state = (type: string, state_key: string, content: RoomEvent["content"]): StateEvent => {
    return { event_id: `$${type}${state_key}`, type, state_key, sender: "@x:a", origin_server_ts: 1, content };
  };
  const events = [
    state("m.room.encryption", "", { algorithm: "org.sealpost.ratchet.v1" }),
    ...people.map(({ user }) => state("m.room.member", user, { membership: "join" })),
  ];
  for (const person of [...people, ...people]) {
    await person.sync();
    await person.sessions.pushState(ROOM, events, true);
    await person.sync();
  }
}

test("what was opened is there after a start, without the key, and an own message is read like others'", async () => {
  const [lena, jonas] = await two("read");
  const contents = await lena.say("t1", "Grüße 🐧");
  expect(await jonas.read(contents, lena.user)).toMatchObject({ status: "read", content: { body: "Grüße 🐧" } });
  expect(await lena.read(contents, lena.user)).toMatchObject({ status: "read", content: { body: "Grüße 🐧" } });
  await jonas.open();
  const again = await jonas.read(contents, lena.user);
  expect(again).toMatchObject({ status: "read", content: { body: "Grüße 🐧" }, warnings: [] });
  await jonas.sync();
  await lena.sync();
  expect(await lena.read(await jonas.say("t2", "back"), jonas.user)).toMatchObject({ content: { body: "back" } });
});

/** Somebody whose other devices, which the server tells of one after the other, can be removed. */
async function withOthers(name: string): Promise<[Person, (deviceId: "ONE" | "TWO") => Promise<unknown>]> {
  const [lena] = await two(name);
  for (const deviceId of ["ONE", "TWO"]) {
    const upload = Machine.create(module, lena.user, deviceId).result.requests().result.find(({ kind }) => kind === "keys_upload");
    if (upload) lena.server.answer(lena.user, upload);
    await lena.sync();
  }
  const remove = async (deviceId: string) => {
    await lena.removals.intend([deviceId]);
    await lena.removals.state([deviceId]);
  };
  return [lena, remove];
}

test("when a device is removed, the backup's new keys wait for the recovery key", async () => {
  const [lena, remove] = await withOthers("removal");
  const recovery = (await lena.recovery.key()) ?? "";
  const stored = Object.fromEntries(await lena.recovery.accountData());
  await lena.recovery.accountDataStored(await lena.recovery.accountData());
  expect(await lena.recovery.accountData()).toEqual([]);
  expect(await lena.backup.isRenewed()).toBe(false);
  await remove("ONE");
  await lena.open();
  expect(await lena.backup.isRenewed()).toBe(true);
  await expect(lena.backup.sealRenewed("nonsense", stored)).rejects.toMatchObject({ name: "Encoding" });
  const renewed = Object.fromEntries(await lena.backup.sealRenewed(recovery, stored));
  expect(new Set(Object.keys(renewed))).toEqual(new Set([SECRETS.backupPrivate, SECRETS.backupMac]));
  expect(renewed[SECRETS.backupMac]).not.toEqual(stored[SECRETS.backupMac]);
  expect(await lena.backup.isRenewed()).toBe(true);
  await lena.backup.renewedStored();
  expect(await lena.backup.isRenewed()).toBe(false);
});

test("new keys of the backup that come while older ones are stored still wait", async () => {
  const [lena, remove] = await withOthers("while");
  const recovery = (await lena.recovery.key()) ?? "";
  const stored = Object.fromEntries(await lena.recovery.accountData());
  await remove("ONE");
  await lena.backup.sealRenewed(recovery, stored);
  await remove("TWO");
  await lena.backup.renewedStored();
  expect(await lena.backup.isRenewed()).toBe(true);
  // Of what is stored at the server, too, only that is done which was.
  const all = await lena.recovery.accountData();
  await lena.recovery.accountDataStored(all.slice(1));
  expect(await lena.recovery.accountData()).toEqual(all.slice(0, 1));
});

test("of two own devices that each remove one, the one whose backup is not the present one stores no keys of it", async () => {
  const [lena, remove] = await withOthers("removals");
  const versions: JsonObject[] = [];
  const begun = async (deviceId: "ONE" | "TWO") => {
    await remove(deviceId);
    const request = (await lena.keys.requests()).findLast(({ kind }) => kind === "backup_version");
    versions.push({ ...(request?.body as JsonObject), version: `${versions.length}` });
    return lena.device.run((machine) => machine.secret(SECRETS.backupMac));
  };
  const theirs = await begun("ONE");
  const mine = await begun("TWO");
  const comes = (mac: Uint8Array) => lena.device.run((machine) => machine.keepSecret(SECRETS.backupMac, mac));
  // Their key came, and the server has mine: it was made later.
  await comes(theirs);
  await lena.backup.use(versions[1] ?? {});
  expect(await lena.device.run((machine) => machine.secret(SECRETS.backupMac))).toEqual(mine);
  expect(await lena.backup.isRenewed()).toBe(true);
  await expect(lena.backup.use({ ...versions[0], version: "9" })).rejects.toMatchObject({ name: "Authentication" });
  expect(await lena.backup.isRenewed()).toBe(true);
  await comes(theirs);
  await lena.backup.use(versions[0] ?? {});
  expect(await lena.device.run((machine) => machine.secret(SECRETS.backupMac))).toEqual(theirs);
  expect(await lena.backup.isRenewed()).toBe(false);
});

test("readers that are not known are said to be, until their list is", async () => {
  const [lena, jonas] = await two("readers");
  const contents = await lena.say("t1", "Hello");
  expect(contents.length).toBe(2);
  const alone = await jonas.read(contents.slice(1), lena.user, 1);
  expect(alone).toMatchObject({ status: "read", warnings: [], areReadersUnknown: true });
  await jonas.read(contents.slice(0, 1), lena.user);
  const audience = alone?.status === "read" ? (alone.audience ?? "") : "";
  const now = await jonas.sessions.warnings(ROOM, [{ audience, at: Date.now(), isLive: true }]);
  expect(now).toEqual([{ warnings: [], areReadersUnknown: false }]);
});

test("a server that says that a message is older than this device hides no readers of what came while it was there", async () => {
  const [lena, jonas] = await two("times");
  const sent = [await lena.say("t1", "one"), await lena.say("t2", "two")];
  const old = await jonas.read(sent[0]?.slice(-1) ?? [], lena.user, 1, 5);
  expect(old).toMatchObject({ status: "read", areReadersUnknown: false });
  const live = await jonas.read(sent[1]?.slice(-1) ?? [], lena.user, 3, 5, true);
  expect(live).toMatchObject({ status: "read", areReadersUnknown: true });
  const audience = live?.status === "read" ? (live.audience ?? "") : "";
  const asked = [true, false].map((isLive) => ({ audience, at: 5, isLive }));
  const now = await jonas.sessions.warnings(ROOM, asked);
  expect(now.map((one) => one.areReadersUnknown)).toEqual([true, false]);
});

test("two tabs that open the same message at once both read it", async () => {
  const [lena, jonas] = await two("tabs");
  const contents = await lena.say("t1", "Hello");
  const read = await Promise.all([jonas.read(contents, lena.user), jonas.read(contents, lena.user)]);
  expect(read.map((one) => one?.status)).toEqual(["read", "read"]);
});

test("a message that was sealed before a crash goes out as the same bytes after it", async () => {
  const [lena] = await two("crash");
  const contents = await lena.say("t1", "once");
  await lena.open();
  expect(await lena.say("t1", "once")).toEqual(contents);
  await lena.sessions.forget("t1");
  expect(await lena.say("t1", "once")).not.toEqual(contents);
});

test("what was sealed and did not arrive is known by its name, also after a crash", async () => {
  const [lena] = await two("left");
  await lena.say("t1", "arrives");
  await lena.say("t2", "does not");
  await lena.sessions.forget("t1");
  await lena.open();
  expect(await lena.sessions.sealed()).toEqual([{ roomId: ROOM, txnId: "t2" }]);
});

test("kept messages are searched by page and room, and what was removed is kept no longer", async () => {
  const [lena, jonas] = await two("kept");
  for (const [at, body] of ["first of the pears", "apples", "last of the Péars"].entries()) {
    await jonas.read(await lena.say(`t${at}`, body), lena.user, at * 10);
  }
  const search = async (rooms: string[], word: string) =>
    (await jonas.sessions.searchKept(rooms, [word])).messages.map(({ body }) => body).toSorted();
  expect(await search([ROOM], "pears")).toEqual(["first of the pears", "last of the Péars"]);
  expect(await search(["!other:a.test"], "pears")).toEqual([]);
  const { messages, total, next } = await jonas.sessions.searchKept([ROOM], ["first"]);
  expect([messages.length, total, next]).toEqual([1, 4, undefined]);
  await jonas.sessions.forgetOpened(ROOM, [messages[0]?.eventId ?? ""]);
  expect(await search([ROOM], "pears")).toEqual(["last of the Péars"]);
});

test("without a key for any device of the other one nothing is sealed, until there is one", async () => {
  const [lena, jonas] = await two("unreached");
  const { server } = lena;
  const answer = server.answer.bind(server);
  server.answer = (user, request) => {
    return user === lena.user && request.kind === "keys_claim" ? { one_time_keys: {} } : answer(user, request);
  };
  await expect(lena.say("t1", "into the void")).rejects.toMatchObject({ name: "NotReached", message: jonas.user });
  await expect(lena.say("t1", "into the void")).rejects.toMatchObject({ name: "NotReached" });
  expect(await lena.device.storage.get("sealed", "t1")).toBeUndefined();
  // He writes first.
  await lena.read(await jonas.say("t2", "are you there?"), jonas.user);
  await lena.sync();
  const contents = await lena.say("t1", "now I am");
  expect(await jonas.read(contents, lena.user)).toMatchObject({ status: "read", content: { body: "now I am" } });
});

test("who was not shown as a reader when it was written gets no key", async () => {
  const [lena, jonas] = await two("shown");
  while (!(await lena.sessions.prepare(ROOM))) await lena.sync();
  const { contents } = await lena.sessions.seal(ROOM, "t1", "m.room.message", { body: "for myself" }, [lena.user]);
  expect(contents.at(-1)?.["wraps"]).toEqual({});
  expect(await jonas.read(contents, lena.user)).toEqual({ status: "missing_key" });
});

test("keys of one room that can't be had keep no other room back", async () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  const [lena, jonas] = await two("history");
  await lena.say("t1", "before");
  const [packed] = (await lena.history.pack([ROOM], 100_000)).files;
  const rooms: RoomKeys[] = [["!broken:a.test", new Uint8Array(50)], ...unpackHistory(packed?.bytes ?? new Uint8Array())];
  expect(await jonas.history.take("mxc://a.test/1", packHistory(rooms))).toEqual([ROOM]);
  const { history } = Machine.prototype;
  vi.spyOn(Machine.prototype, "history").mockImplementation(function (this: Machine, roomId) {
    if (roomId === "!broken:a.test") throw new Error("too long");
    return history.call(this, roomId);
  });
  const { files, broken } = await lena.history.pack(["!broken:a.test", "!empty:a.test", ROOM], 100_000);
  expect([files.flatMap(({ bytes }) => unpackHistory(bytes)).map(([roomId]) => roomId), broken]).toEqual([[ROOM], ["!broken:a.test"]]);
  expect(files.map(({ roomIds }) => roomIds)).toEqual([[ROOM]]);
  await lena.history.sent("NEW", [{ roomId: "!broken:a.test", why: "broken" }]);
  await lena.history.sent("OTHER", []);
  expect(await lena.history.leftOut()).toEqual([["NEW", [{ roomId: "!broken:a.test", why: "broken" }]]]);
  await lena.history.sent("NEW", []);
  expect(await lena.history.leftOut()).toEqual([]);
  vi.restoreAllMocks();
});

test("a second owner is noticed before either goes on from what the other does not know", async () => {
  const [lena] = await two("owner");
  const other = await new Person(lena.user, lena.server).open();
  await other.keys.track("@somebody:a.test");
  await expect(lena.keys.track("@else:a.test")).rejects.toThrow(NotOwner);
});

test("nothing readable is on the disk", async () => {
  const [lena, jonas] = await two("disk");
  await jonas.read(await lena.say("t1", "a needle in the hay"), lena.user);
  const name = (await indexedDB.databases()).find(({ name }) => name?.includes(jonas.user))?.name;
  const database = await new Promise<IDBDatabase>((resolve) => {
    const request = indexedDB.open(name ?? "");
    request.onsuccess = () => resolve(request.result);
  });
  const found: string[] = [];
  for (const store of ["rows", "opened", "sealed", "kept"]) {
    const all = database.transaction(store).objectStore(store).getAll();
    await new Promise((resolve) => (all.onsuccess = resolve));
    found.push(...all.result.map((bytes: Uint8Array) => Buffer.from(bytes).toString("latin1")));
  }
  expect(found.length).toBeGreaterThan(10);
  expect(found.join()).not.toMatch(/needle|jonas|lena/);
});

test("two people see the same safety number, and a recovery key opens the identity again", async () => {
  const [lena, jonas] = await two("trust");
  const number = await lena.numbers.with(jonas.user);
  expect(number).toMatch(/^\d{60}$/);
  expect(await jonas.numbers.with(lena.user)).toBe(number);
  await lena.numbers.matches(jonas.user, number ?? "");
  expect((await lena.keys.user(jonas.user)).is_verified).toBe(true);
  const stored = Object.fromEntries(await lena.recovery.accountData());
  const key = (await lena.recovery.key()) ?? "";
  await expect(lena.recovery.recover(key.slice(0, -1), stored)).rejects.toBeInstanceOf(Error);
  expect((await lena.recovery.recover(key, stored))?.length).toBe(96);
});

test("of what a camera read, only the number that is the same for both is believed", async () => {
  const [lena, jonas] = await two("scanned");
  const number = (await jonas.numbers.with(lena.user)) ?? "";
  const other = number.replace(/.$/, (digit) => `${(Number(digit) + 1) % 10}`);
  for (const words of ["https://example.org", "", `${number} `, number.slice(1), [...number].map((digit) => `٠١٢٣٤٥٦٧٨٩`[Number(digit)]).join("")]) {
    expect(await lena.numbers.scanned(jonas.user, words)).toBe("foreign");
  }
  expect(await lena.numbers.scanned(jonas.user, other)).toBe("differs");
  expect((await lena.keys.user(jonas.user)).is_verified).toBe(false);
  expect(await lena.numbers.scanned(jonas.user, number)).toBe("matches");
  expect((await lena.keys.user(jonas.user)).is_verified).toBe(true);
});

test("a message that is given up after it was sealed leaves no gap in what the others get", async () => {
  const server = new KeyServer();
  const [lena, jonas] = [new Person("@lena:given-up.test", server), new Person("@jonas:given-up.test", server)];
  await meet([lena, jonas, new Person("@klara:given-up.test", server)]);
  const place = (contents: RoomEvent["content"][]) =>
    placeInChain({ event_id: "$1", type: "m.room.encrypted", sender: lena.user, origin_server_ts: 0, content: contents.at(-1) ?? {} });
  const first = await lena.say("t1", "one");
  const lost = await lena.say("t2", "never sent");
  expect(place(lost)).toMatchObject({ chain: place(first)?.chain, iteration: (place(first)?.iteration ?? 0) + 1 });
  await lena.sessions.giveUp(ROOM, "t2");
  expect(await lena.device.storage.get("sealed", "t2")).toBeUndefined();
  const next = await lena.say("t3", "three");
  expect(place(next)?.chain).not.toBe(place(first)?.chain);
  await jonas.sync();
  await jonas.read(first, lena.user);
  expect(await jonas.read(next, lena.user, 10)).toMatchObject({ status: "read", content: { body: "three" } });
  // What was not sealed yet has no place to give up.
  const chain = place(await lena.say("t4", "four"))?.chain;
  await lena.sessions.giveUp(ROOM, "t5");
  expect(place(await lena.say("t6", "six"))?.chain).toBe(chain);
});

test("a file that is sealed piece by piece opens while it comes, and not in another place or with a byte changed", async () => {
  const files = new Files();
  for (const size of [0, CHUNK, 2 * PIECE + CHUNK + 3]) {
    const bytes = new Uint8Array(size).map((_, at) => at % 251);
    const id = files.begin(ROOM, "file");
    let at = 0;
    for (; size - at >= PIECE; at += PIECE) await files.add(id, new Blob([bytes.slice(at, at + PIECE)]));
    const { bytes: sealed, key, hash } = await files.finish(id, new Blob([bytes.slice(at)]));
    const open = async (blob: Blob, place: { roomId: string; role: "file" | "thumbnail" }) => {
      const opening = files.beginOpening({ ...place, key, hash, size: sealed.size });
      const parts: Blob[] = [];
      for (let at = 0; at < blob.size; at += 300_000) parts.push(await files.feed(opening, blob.slice(at, at + 300_000)));
      if (size > PIECE) expect(parts.some((part) => part.size > 0)).toBe(true);
      return new Blob([...parts, files.finishOpening(opening)]);
    };
    const place = { roomId: ROOM, role: "file" } as const;
    const opened = await open(sealed, place);
    expect(Buffer.compare(bytes, new Uint8Array(await opened.arrayBuffer()))).toBe(0);
    await expect(open(sealed, { ...place, roomId: "!other:a.test" })).rejects.toThrow();
    await expect(open(sealed, { ...place, role: "thumbnail" })).rejects.toThrow();
    const changed = new Uint8Array(await sealed.arrayBuffer());
    changed.set([(changed.at(-1) ?? 0) ^ 1], changed.length - 1);
    await expect(open(new Blob([changed]), place)).rejects.toMatchObject({ name: "Authentication" });
  }
  const dropped = files.begin(ROOM, "file");
  files.drop(dropped);
  await expect(files.add(dropped, new Blob(["x"]))).rejects.toThrow();
});

test("a file of the first version still opens", async () => {
  const context = new TextEncoder().encode(`org.sealpost.file.v1 ${ROOM}`);
  const [sealer, segments] = [new FileSealer(context), new FileSegments()];
  const parts = [sealer.header(), sealer.chunk(new Uint8Array(CHUNK).fill(7)), sealer.last(new Uint8Array([1, 2]))];
  for (const part of parts) segments.update(part);
  const blob = new Blob(parts.map((part) => part.slice()));
  const hash = toBase64(segments.finish().subarray(0, 32));
  const opened = await new Files().openWhole(blob, ROOM, toBase64(sealer.key()), hash);
  expect(opened.size).toBe(CHUNK + 2);
  const other = toBase64(new Uint8Array(32));
  await expect(new Files().openWhole(blob, ROOM, toBase64(sealer.key()), other)).rejects.toThrow("another file");
});

test("whom a message goes to is told before it is sealed as the machine then does", async () => {
  const server = new KeyServer();
  const people = ["lena", "jonas", "klara", "tom"].map((name) => new Person(`@${name}.circle:a.test`, server));
  await meet(people);
  const [lena, jonas, klara, tom] = people as [Person, Person, Person, Person];
  const room = new Room(ROOM);
  const told = async (visibility: string, present: [Person, string][]) => {
    const state = (type: string, state_key: string, content: JsonObject): StateEvent => {
      return { event_id: `$${visibility}${type}${state_key}`, type, state_key, sender: "@x:a", origin_server_ts: 1, content };
    };
    const members = people.map((one) => {
      return state("m.room.member", one.user, { membership: present.find(([who]) => who === one)?.[1] ?? "leave" });
    });
    const events = [state("m.room.history_visibility", "", { history_visibility: visibility }), ...members];
    room.update({ state: events });
    await lena.sessions.pushState(ROOM, events, true);
    const circle = circleOf(room, lena.user);
    return Promise.all(present.map(async ([one, membership]) => reachOf(await lena.keys.user(one.user), membership, circle)));
  };
  const group: [Person, string][] = [[lena, "join"], [jonas, "join"], [klara, "join"], [tom, "invite"]];
  const read = async (by: Person, contents: JsonObject[]) => {
    await by.sync();
    return (await by.read(contents, lena.user, (from += 1)))?.status;
  };
  let from = 0;

  expect(await told("shared", group)).toEqual(["reads", "reads", "reads", "reads"]);
  const toAll = await lena.say("all", "to all");
  expect([await read(klara, toAll), await read(tom, toAll)]).toEqual(["read", "read"]);

  expect(await told("joined", group)).toEqual(["reads", "reads", "reads", "invited"]);
  const toJoined = await lena.say("joined", "to those who are in");
  expect([await read(klara, toJoined), await read(tom, toJoined)]).toEqual(["read", "missing_key"]);

  const body = await klara.identity.prepare();
  server.answer(klara.user, { id: 0, kind: "signing_keys_upload", method: "POST", path: "", body });
  await lena.sync(true);
  expect(await told("joined", group)).toEqual(["reads", "reads", "changed", "invited"]);
  while (!(await lena.sessions.prepare(ROOM))) await lena.sync();
  const sealed = await lena.sessions.seal(ROOM, "changed", "m.room.message", { msgtype: "m.text", body: "without her" });
  expect(sealed.leftOut).toEqual([klara.user]);

  expect(await told("joined", [[lena, "join"], [klara, "join"]])).toEqual(["reads", "stops"]);
  await expect(lena.sessions.seal(ROOM, "direct", "m.room.message", {})).rejects.toMatchObject({ name: "Identity" });
});
