// Another recovery key and another identity, as a client asks its server for them.

import { SECRETS, type JsonObject } from "@e2e/machine";
import * as module from "sealpost-e2e";
import { expect, test, vi } from "vitest";

import { Unreachable } from "../api/error";
import { Cancelled, type Asked } from "../auth/uia";
import type { Client } from "../client";
import { saying, Somebody, until, wantsPassword } from "../client.test-support";
import { UnderWay } from "../owner";
import { Tabs } from "../tabs";
import { KeyServer } from "./key_server.test-support";
import { DEFAULT_KEY, keyType, PUBLIC_MASTER } from "./secrets";

const UPLOAD = "/keys/device_signing/upload";

/** Somebody whose device is approved, and whose recovery key is kept. */
async function ready(name: string, keys = new KeyServer(), tabs?: Tabs): Promise<Somebody> {
  const lena = new Somebody(`@lena:${name}.test`, keys);
  const { crypto } = await lena.open(tabs);
  await until(() => crypto.standing === "ready");
  await crypto.recovery.keySaved();
  lena.server.asked.length = 0;
  return lena;
}

/** What was stored last, by type. */
function stored({ server }: Somebody): Record<string, JsonObject> {
  return Object.fromEntries(server.of("PUT", "/account_data/").map(({ path, body }) => [path.split("/account_data/")[1] ?? "", body]));
}

const without = ({ auth, ...body }: JsonObject) => (void auth, body);

test("a wrong password leaves all as it was, and a right one makes another identity and recovery key", async () => {
  const lena = await ready("wrong");
  const { crypto } = lena.client;
  lena.server.instead = wantsPassword;
  const { pinned_key: before } = await crypto.keys.user(lena.user);
  await expect(lena.client.renewIdentity(saying("wrong"))).rejects.toBeInstanceOf(Cancelled);
  expect(await crypto.identity.isPrepared()).toBe(false);
  expect(stored(lena)).toEqual({});
  expect([crypto.standing, (await crypto.keys.user(lena.user)).pinned_key]).toEqual(["ready", before]);
  await lena.client.renewIdentity(saying("right"));
  expect(crypto.standing).toBe("ready");
  expect((await crypto.keys.user(lena.user)).pinned_key).not.toBe(before);
  expect(Object.keys(stored(lena))).toEqual(expect.arrayContaining([SECRETS.master, SECRETS.backupPrivate, DEFAULT_KEY]));
  expect(await crypto.recovery.key()).toBeDefined();
  expect(lena.server.of("POST", "/room_keys/version").length).toBe(1);
});

test("an identity of which no answer came is sent once more, and no other in its place", async () => {
  const lena = await ready("unanswered");
  let isGone = true;
  lena.server.instead = (asked) => {
    if (asked.path === UPLOAD && isGone) throw new TypeError("gone");
    return undefined;
  };
  await expect(lena.client.renewIdentity(saying("right"))).rejects.toBeInstanceOf(Unreachable);
  expect(await lena.client.crypto.identity.isPrepared()).toBe(true);
  isGone = false;
  await lena.client.renewIdentity(saying("right"));
  const uploads = lena.server.of("POST", UPLOAD).map(({ body }) => without(body));
  expect(uploads.length).toBeGreaterThan(1);
  for (const upload of uploads) expect(upload).toEqual(uploads[0]);
  expect(await lena.client.crypto.identity.isPrepared()).toBe(false);
});

test("an identity that the server took without an answer is gone on with, whatever becomes of the next attempt", async () => {
  const keys = new KeyServer();
  const lena = await ready("taken", keys);
  let isGone = true;
  lena.server.instead = (asked) => {
    const refused = wantsPassword(asked);
    if (refused || asked.path !== UPLOAD || !isGone) return refused;
    keys.answer(lena.user, { id: 0, kind: "signing_keys_upload", method: "POST", path: "", body: without(asked.body) });
    throw new TypeError("gone");
  };
  const { crypto } = lena.client;
  await expect(lena.client.renewIdentity(saying("right"))).rejects.toBeInstanceOf(Unreachable);
  const taken = (await crypto.identity.prepare())["master_key"] as { keys: JsonObject };
  isGone = false;
  await lena.client.renewIdentity(saying("wrong"));
  expect(crypto.standing).toBe("ready");
  expect(Object.values(taken.keys)).toEqual([(await crypto.keys.user(lena.user)).pinned_key]);
  expect(await crypto.recovery.key()).toBeDefined();
});

test("what the server took before a crash is gone on with, and what it did not take is forgotten", async () => {
  const lena = await ready("crash");
  const keys = lena.client.crypto.keys;
  const { pinned_key: before } = await keys.user(lena.user);
  await lena.client.crypto.identity.prepare();
  await lena.open();
  await until(() => lena.client.crypto.standing === "ready");
  expect(await lena.client.crypto.identity.isPrepared()).toBe(false);
  expect((await lena.client.crypto.keys.user(lena.user)).pinned_key).toBe(before);

  const upload = await lena.client.crypto.identity.prepare();
  await lena.client.api.http.call("POST", `/_matrix/client/v3${UPLOAD}`, { body: upload });
  lena.server.asked.length = 0;
  await lena.open();
  await until(() => lena.client.crypto.standing === "ready");
  expect(await lena.client.crypto.recovery.key()).toBeDefined();
  expect((await lena.client.crypto.keys.user(lena.user)).pinned_key).not.toBe(before);
  expect(stored(lena)[SECRETS.master]).toBeDefined();
});

test("another client's backup stays when there is another recovery key", async () => {
  const lena = await ready("foreign");
  lena.server.instead = ({ method, path }) =>
    method === "GET" && path === "/room_keys/version" ? { algorithm: "m.megolm_backup.v1.curve25519-aes-sha2", version: "7", auth_data: {} } : undefined;
  await lena.client.crypto.renewRecoveryKey();
  expect(lena.server.of("POST", "/room_keys/version")).toEqual([]);
  expect(Object.keys(stored(lena))).toEqual(expect.arrayContaining([PUBLIC_MASTER, SECRETS.selfSigning, DEFAULT_KEY]));
  expect(stored(lena)[SECRETS.backupPrivate]).toBeUndefined();
});

test("a recovery key that could not be stored is the one that is stored later", async () => {
  const lena = await ready("unstored");
  let isGone = true;
  lena.server.instead = ({ method, path }) => {
    if (isGone && method === "PUT" && path.endsWith(DEFAULT_KEY)) throw new TypeError("gone");
    return undefined;
  };
  await expect(lena.client.crypto.renewRecoveryKey()).rejects.toBeInstanceOf(Unreachable);
  const made = await lena.client.crypto.recovery.key();
  isGone = false;
  await lena.client.crypto.renewRecoveryKey();
  expect(await lena.client.crypto.recovery.key()).toBe(made);
  expect(stored(lena)[DEFAULT_KEY]).toBeDefined();
});

test("an identity that was never published makes way for one that another own device published", async () => {
  const keys = new KeyServer();
  const lena = new Somebody("@lena:late.test", keys);
  lena.server.instead = wantsPassword;
  const { crypto } = await lena.open();
  await until(() => crypto.standing === "unpublished");
  const waiting = await crypto.recovery.accountData();
  expect(waiting.length).toBeGreaterThan(0);
  keys.answer(lena.user, { id: 0, kind: "signing_keys_upload", method: "POST", path: "", body: await crypto.identity.prepare() });
  lena.server.push({});
  await until(() => crypto.standing === "unapproved");
  expect((await crypto.keys.requests()).map(({ kind }) => kind)).not.toContain("signing_keys_upload");
  // Approved by that identity, this device overwrites nothing of it.
  await crypto.identity.take(false);
  const theirs = await crypto.recovery.accountData();
  expect(theirs.length).toBeGreaterThan(0);
  expect(theirs).not.toEqual(waiting);
});

test("an identity that the server refuses is said not to be published, and is when it takes it", async () => {
  const lena = new Somebody("@lena:refused.test", new KeyServer());
  let isRefused = true;
  lena.server.instead = ({ path }) => (path === UPLOAD && isRefused ? { status: 403, errcode: "M_FORBIDDEN" } : undefined);
  const { crypto } = await lena.open();
  await until(() => crypto.standing === "unpublished");
  expect(await crypto.publish(saying("right"))).toBe(false);
  expect(stored(lena)).toEqual({});
  isRefused = false;
  expect(await crypto.publish(saying("right"))).toBe(true);
  expect(crypto.standing).toBe("ready");
  expect(stored(lena)[SECRETS.master]).toBeDefined();
});

test("what waits to be stored of an identity is not stored under another one", async () => {
  const lena = await ready("stale");
  const { crypto } = lena.client;
  await crypto.identity.renewRecoveryKey(false);
  expect((await crypto.recovery.accountData()).length).toBeGreaterThan(0);
  const upload = await crypto.identity.prepare();
  await lena.client.api.http.call("POST", `/_matrix/client/v3${UPLOAD}`, { body: upload });
  lena.server.push({});
  await until(() => crypto.standing === "unapproved");
  expect(await crypto.recovery.accountData()).toEqual([]);
  await crypto.settle();
  expect(stored(lena)).toEqual({});
});

/** Somebody with two tabs. */
async function twice(name: string): Promise<[Somebody, Client]> {
  const lena = await ready(name, new KeyServer(), new Tabs(`@lena:${name}.test`));
  const beside = await lena.beside(new Tabs(lena.user));
  await until(() => beside.crypto.standing === "ready");
  return [lena, beside];
}

test("while one tab begins another identity no other one does, nor undoes it", async () => {
  const [lena, beside] = await twice("at-once");
  lena.server.instead = wantsPassword;
  let say: (password: string) => void = () => {};
  let isAsked = false;
  const asked: Asked = {
    ask: () => new Promise((resolve) => {
      isAsked = true;
      say = (password) => resolve({ password });
    }),
    supported: ["m.login.password"],
  };
  const { crypto } = lena.client;
  const { pinned_key: before } = await crypto.keys.user(lena.user);
  const begun = lena.client.renewIdentity(asked);
  await until(() => isAsked);
  await expect(beside.renewIdentity(saying("wrong"))).rejects.toBeInstanceOf(UnderWay);
  await expect(beside.crypto.renewRecoveryKey()).rejects.toBeInstanceOf(UnderWay);
  expect(await crypto.identity.isPrepared()).toBe(true);
  say("right");
  await begun;
  expect([crypto.standing, await crypto.identity.isPrepared()]).toEqual(["ready", false]);
  expect((await crypto.keys.user(lena.user)).pinned_key).not.toBe(before);
  expect(await crypto.recovery.key()).toBeDefined();
  for (const one of [beside, lena.client]) one.stop();
});

test("what two tabs store is of the recovery key that was made last", async () => {
  const [lena, beside] = await twice("stored");
  const { api, crypto } = lena.client;
  let goOn: () => void = () => {};
  const held = new Promise<void>((resolve) => (goOn = resolve));
  const set = api.setAccountData.bind(api);
  const slow = vi.spyOn(api, "setAccountData").mockImplementation((...args) => held.then(() => set(...args)));
  await crypto.identity.renewRecoveryKey(false);
  const first = crypto.storeAccountData();
  await until(() => slow.mock.calls.length > 0);
  await beside.crypto.identity.renewRecoveryKey(false);
  const second = beside.crypto.storeAccountData();
  // It waits for the first; if it did not, it were through by then.
  await Promise.race([second, new Promise((resolve) => setTimeout(resolve, 100))]);
  goOn();
  await Promise.all([first, second]);
  const all = stored(lena);
  const id = all[DEFAULT_KEY]?.["key"] as string;
  const key = module.RecoveryKey.parse((await crypto.recovery.key()) ?? "");
  expect(key.check(JSON.stringify(all[keyType(id)]))).toBe(true);
  for (const name of [PUBLIC_MASTER, SECRETS.selfSigning]) expect(all[name]?.["encrypted"]).toHaveProperty([id]);
  for (const one of [beside, lena.client]) one.stop();
});
