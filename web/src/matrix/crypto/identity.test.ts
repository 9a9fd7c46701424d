// Another recovery key and another identity, over the real module.
import "fake-indexeddb/auto";

import { readFileSync } from "node:fs";

import { SECRETS, type JsonObject } from "@e2e/machine";
import * as module from "sealpost-e2e";
import { beforeAll, expect, test } from "vitest";

import { unlock } from "../store/lock";
import { SessionStore } from "../store/sessions";
import { Device } from "./device";
import { KeyServer } from "./key_server.test-support";
import { partsOf, type Parts } from "./parts";
import { DEFAULT_KEY, PUBLIC_MASTER } from "./secrets";

beforeAll(() => {
  module.initSync({ module: readFileSync("generated/sealpost_e2e_bg.wasm") });
});

class Own {
  keys!: Parts["keys"];
  identity!: Parts["identity"];
  recovery!: Parts["recovery"];
  backup!: Parts["backup"];
  readonly server: KeyServer;
  readonly user: string;
  readonly name: string;

  constructor(server: KeyServer, user: string, name: string) {
    this.server = server;
    this.user = user;
    this.name = name;
  }

  /** As after a start, or after a crash. */
  async open(): Promise<this> {
    const { keys } = await unlock(await new SessionStore().lock(this.user));
    return Object.assign(this, partsOf(await Device.open(module, this.user, this.name, keys)));
  }

  async sync(): Promise<void> {
    await this.keys.track(this.user);
    await this.keys.pushSync(this.server.sync(this.user), true);
    for (let requests; (requests = await this.keys.requests()).length > 0; ) {
      for (const request of requests) await this.keys.markSent(request.id, this.server.answer(this.user, request));
    }
  }

  /** The server takes a new identity. */
  publish(body: JsonObject): void {
    this.server.answer(this.user, { id: 0, kind: "signing_keys_upload", method: "POST", path: "", body });
  }

  async isApproved(): Promise<boolean> {
    const own = await this.keys.user(this.user);
    const here = own.devices.find((one) => one.device_id === this.name);
    return here?.is_vouched_for === true && !own.has_changed;
  }
}

/** Somebody's first device, and what the server stores of its secrets. */
async function first(name: string): Promise<[Own, Record<string, JsonObject>]> {
  const one = await new Own(new KeyServer(), `@lena.${name}:a.test`, "ONE").open();
  await one.sync();
  await one.identity.bootstrap();
  await one.sync();
  return [one, await stored(one)];
}

async function second({ server, user }: Own): Promise<Own> {
  const two = await new Own(server, user, "TWO").open();
  await two.sync();
  return two;
}

/** All that waited is stored. */
async function stored({ recovery }: Own, before: Record<string, JsonObject> = {}): Promise<Record<string, JsonObject>> {
  const all = await recovery.accountData();
  await recovery.accountDataStored(all);
  return { ...before, ...Object.fromEntries(all) };
}

test("a new recovery key from an approved device approves another one, and the lost one opens nothing", async () => {
  const [one, before] = await first("renewed");
  const lost = (await one.recovery.key()) ?? "";
  await one.recovery.keySaved();
  await one.identity.renewRecoveryKey(true);
  expect((await one.keys.requests()).some(({ kind }) => kind === "backup_version")).toBe(true);
  await one.sync();
  const after = await stored(one, before);
  const key = (await one.recovery.key()) ?? "";
  expect(key).not.toBe(lost);
  expect(after[SECRETS.master]).toEqual({});
  const two = await second(one);
  expect(await two.isApproved()).toBe(false);
  await expect(two.recovery.recover(lost, after)).rejects.toMatchObject({ name: "Authentication" });
  // The old one's own description does not help it.
  const bent = { ...after, [DEFAULT_KEY]: before[DEFAULT_KEY] ?? {} };
  await expect(two.recovery.recover(lost, bent)).rejects.toMatchObject({ name: "Unknown" });
  expect((await two.recovery.recover(key, after))?.length).toBe(96);
  await two.sync();
  expect(await two.isApproved()).toBe(true);
  // And it can do so again.
  await two.identity.renewRecoveryKey(false);
  const third = await stored(two, after);
  expect(await (await second(two)).recovery.recover((await two.recovery.key()) ?? "", third)).toBeUndefined();
});

test("a recovery key brings nothing of an identity that the server does not tell of", async () => {
  const [one, before] = await first("another");
  await one.recovery.keySaved();
  await one.identity.renewRecoveryKey(false);
  const after = await stored(one, before);
  const key = (await one.recovery.key()) ?? "";
  const two = await second(one);
  two.publish(await two.identity.prepare());
  await two.sync();
  await expect(two.recovery.recover(key, after)).rejects.toMatchObject({ name: "Identity" });
  await expect(two.recovery.recover(key, { ...after, [PUBLIC_MASTER]: {} })).rejects.toMatchObject({ name: "Unknown" });
  expect(await two.isApproved()).toBe(false);
});

test("a device that is not approved makes no recovery key", async () => {
  const [one] = await first("unapproved");
  const two = await second(one);
  await expect(two.identity.renewRecoveryKey(true)).rejects.toBeInstanceOf(Error);
  expect(await two.recovery.key()).toBeUndefined();
  expect(await two.recovery.accountData()).toEqual([]);
});

test("a recovery key that waits to be saved is forgotten when another one opens what is stored", async () => {
  const [one, before] = await first("obsolete");
  const waiting = (await one.recovery.key()) ?? "";
  await one.recovery.checkKey(waiting, before);
  expect(await one.recovery.key()).toBeDefined();
  // A server that shows nothing has nothing forgotten.
  await one.recovery.checkKey(waiting, {});
  expect(await one.recovery.key()).toBeDefined();
  const two = await second(one);
  await two.recovery.recover(waiting, before);
  await two.identity.renewRecoveryKey(false);
  const present = await stored(two, before);
  // It may have been saved, and another one made, since it was looked at.
  await one.recovery.checkKey(module.RecoveryKey.generate().encode(), present);
  expect(await one.recovery.key()).toBe(waiting);
  await one.recovery.checkKey(waiting, present);
  expect(await one.recovery.key()).toBeUndefined();
});

test("an identity that the server did not take leaves everything as it was", async () => {
  const [one, before] = await first("refused");
  const key = (await one.recovery.key()) ?? "";
  const two = await second(one);
  const known = await two.keys.user(two.user);
  const upload = await two.identity.prepare();
  expect(Object.keys(upload).toSorted()).toEqual(["master_key", "self_signing_key", "user_signing_key"]);
  // The same is sent again until it is known what became of it, also after a crash.
  await two.open();
  expect(await two.identity.prepare()).toEqual(upload);
  await expect(two.identity.take(true)).rejects.toMatchObject({ name: "Identity" });
  await two.identity.drop();
  expect(await two.identity.isPrepared()).toBe(false);
  expect(await two.keys.requests()).toEqual([]);
  expect(await two.keys.user(two.user)).toEqual(known);
  expect(await two.recovery.accountData()).toEqual([]);
  await two.recovery.recover(key, before);
  await two.sync();
  expect(await two.isApproved()).toBe(true);
  expect((await two.identity.prepare())["master_key"]).not.toEqual(upload["master_key"]);
});

test("a new identity takes the place of the old one when the server took it, with a recovery key of its own", async () => {
  const [one, before] = await first("renewal");
  const lost = (await one.recovery.key()) ?? "";
  const two = await second(one);
  two.publish(await two.identity.prepare());
  // It may be noticed only after a crash.
  await two.open();
  await two.sync();
  await two.identity.take(true);
  expect(await two.identity.isPrepared()).toBe(false);
  await two.sync();
  expect(await two.isApproved()).toBe(true);
  await one.sync();
  expect(await one.isApproved()).toBe(false);
  const after = await stored(two, before);
  await expect(one.recovery.recover(lost, after)).rejects.toMatchObject({ name: "Authentication" });
  const three = await new Own(one.server, one.user, "THREE").open();
  await three.sync();
  await three.recovery.recover((await two.recovery.key()) ?? "", after);
  await three.sync();
  expect(await three.isApproved()).toBe(true);
});

test("what a device stored another recovery key in the place of is not taken in again", async () => {
  const [one, before] = await first("shown-again");
  const lost = (await one.recovery.key()) ?? "";
  await one.recovery.keySaved();
  await one.identity.renewRecoveryKey(true);
  const waiting = (await one.recovery.key()) ?? "";
  // Until it is stored the other one is right.
  await one.recovery.recover(lost, before);
  const after = await stored(one, before);
  for (const key of [lost, waiting]) {
    await expect(one.recovery.recover(key, before)).rejects.toMatchObject({ name: "Replaced" });
    await expect(one.backup.sealRenewed(key, before)).rejects.toMatchObject({ name: "Replaced" });
  }
  await one.recovery.checkKey(waiting, before);
  expect(await one.recovery.key()).toBe(waiting);
  await one.open();
  await expect(one.recovery.recover(lost, before)).rejects.toMatchObject({ name: "Replaced" });
  expect((await one.recovery.recover(waiting, after))?.length).toBe(96);
});

test("an identity in whose place a device put another one is not taken over again, whatever the server tells of", async () => {
  const [one, before] = await first("former");
  const key = (await one.recovery.key()) ?? "";
  const former = one.server.identity(one.user);
  const two = await second(one);
  await two.recovery.recover(key, before);
  await two.sync();
  two.publish(await two.identity.prepare());
  await two.sync();
  await two.identity.take(false);
  await two.sync();
  const { pinned_key: pinned } = await two.keys.user(two.user);
  two.publish(former);
  await two.sync();
  await expect(two.recovery.recover(key, before)).rejects.toMatchObject({ name: "Replaced" });
  expect((await two.keys.user(two.user)).pinned_key).toBe(pinned);
  expect(await two.isApproved()).toBe(false);
});

test("an older key of the backup that the server shows again does not take the place of the newer one", async () => {
  const [one, before] = await first("older-mac");
  const key = (await one.recovery.key()) ?? "";
  await one.backup.renew();
  const made = (await one.keys.requests()).findLast(({ kind }) => kind === "backup_version")?.body as JsonObject;
  await one.backup.sealRenewed(key, before);
  await one.backup.renewedStored();
  await one.recovery.recover(key, before);
  await expect(one.backup.use({ ...made, version: "2" })).resolves.toBeNull();
});
