import "fake-indexeddb/auto";

import { openDB, type IDBPDatabase } from "idb";
import { afterEach, expect, test, vi } from "vitest";

import { CryptoStorage } from "../crypto/storage";
import { DataStore } from "./data";
import { unlock } from "./lock";
import { SessionStore } from "./sessions";
import { Vault, type VaultKeys } from "./vault";

afterEach(() => vi.restoreAllMocks());

/** Keys of a store's own, as an earlier version made them. */
async function oldKeys(): Promise<VaultKeys> {
  const seal = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  const name = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256", length: 256 }, false, ["sign"]);
  return { seal: seal as CryptoKey, name: name as CryptoKey };
}

/** Both stores, as an earlier version left them. */
async function left(user: string): Promise<void> {
  const [data, keys] = [await oldKeys(), await oldKeys()];
  const dataStore = await DataStore.open(user, data);
  await dataStore.setSealedMeta("readers !a", ["@lena:a"]);
  await dataStore.setMeta("since", "s1");
  for (let at = 0; at < 250; at += 1) await dataStore.enqueue(`t${at}`, { body: `words ${at}` });
  dataStore.close();
  const storage = await CryptoStorage.open(user, "DEVICE", keys);
  await storage.write({ values: [["opened", "!a $1", "plaintext"], ["kept", "newBackup", ["x"]]], rows: [[1, Uint8Array.of(7), Uint8Array.of(8)]] });
  for (const [name, vault] of [[`sealpost data ${user}`, data], [CryptoStorage.name(user, "DEVICE"), keys]] as const) {
    const database = await openDB(name);
    await database.put("meta", vault, "vault");
    database.close();
  }
}

/** Both stores, as after a start. */
async function start(user: string) {
  const { data, keys } = await unlock(await new SessionStore().lock(user));
  return { data: await DataStore.open(user, data), keys: await CryptoStorage.open(user, "DEVICE", keys), vaults: { data, keys } };
}

async function holds({ data, keys }: Awaited<ReturnType<typeof start>>): Promise<void> {
  expect(await data.sealedMeta("readers !a")).toEqual(["@lena:a"]);
  expect(await data.meta("since")).toBe("s1");
  expect(new Set((await data.queued<{ body: string }>()).map(({ body }) => body)).size).toBe(250);
  expect(await keys.get("opened", "!a $1")).toBe("plaintext");
  expect(await keys.get("kept", "newBackup")).toEqual(["x"]);
  expect(await keys.rows()).toEqual([[1, Uint8Array.of(7), Uint8Array.of(8)]]);
}

/** What of a store opens neither under keys of the lock nor is clear; and whether the old keys are there. */
async function looked(name: string, keys: VaultKeys, place: (store: string, key: string) => string) {
  const database: IDBPDatabase = await openDB(name);
  const strange: string[] = [];
  for (const store of database.objectStoreNames) {
    for (const key of await database.getAllKeys(store)) {
      const value: unknown = await database.get(store, key);
      if (!(value instanceof Uint8Array)) continue;
      await new Vault(keys).open(place(store, String(key)), value).catch(() => strange.push(`${store} ${String(key)}`));
    }
  }
  const isOld = (await database.getKey("meta", "vault")) !== undefined;
  database.close();
  return { strange, isOld };
}

test("stores of an earlier version come under the lock whole, and go on after it", async () => {
  const user = "@moves:a";
  await left(user);
  const first = await start(user);
  await holds(first);
  await first.data.enqueue("t0", { body: "words 0" });
  await first.keys.write({ values: [["opened", "!a $2", "later"]] });
  const { vaults } = first;
  const clean = { strange: [], isOld: false };
  expect(await looked(`sealpost data ${user}`, vaults.data, (store, key) => `${store} ${key}`)).toEqual(clean);
  expect(await looked(CryptoStorage.name(user, "DEVICE"), vaults.keys, (store, key) => `${store} ${key}`)).toEqual(clean);
  const again = await start(user);
  await holds(again);
  expect(await again.keys.get("opened", "!a $2")).toBe("later");
});

test("a tab of an earlier version writes nothing that nobody could open afterwards", async () => {
  const user = "@old:a";
  await left(user);
  await new SessionStore().lock(user);
  const names = [`sealpost data ${user}`, CryptoStorage.name(user, "DEVICE")];
  const old = await Promise.all(names.map(async (name) => {
    const database = await openDB(name, 1, { blocking: (_from, _to, event) => (event.target as IDBDatabase).close() });
    return { database, keys: (await database.get("meta", "vault")) as VaultKeys };
  }));
  let isOver = false;
  /** Writes until it can't. Answers how much was kept. */
  const writing = async (store: string, { database, keys }: (typeof old)[number]): Promise<number> => {
    for (let at = 0; !isOver; at += 1) {
      const sealed = await new Vault(keys).sealJson(`${store} late${at}`, { body: `late ${at}` });
      const isKept = await database.put(store, sealed, `late${at}`).then(() => true, () => false);
      if (!isKept) return at;
    }
    return Infinity;
  };
  const written = Promise.all(old.map((one, at) => writing(["queue", "opened"][at] ?? "", one)));
  const { data, keys } = await start(user);
  isOver = true;
  const [queued = 0, opened = 0] = await written;
  expect((await data.queued()).length).toBe(250 + queued);
  expect((await keys.page("opened", undefined, 10_000)).values.length).toBe(1 + opened);
  for (const name of names) await expect(openDB(name, 1)).rejects.toThrow();
});

test("a crash while they are moved loses nothing", async () => {
  const user = "@crashes:a";
  await left(user);
  await new SessionStore().lock(user);
  for (const writes of [1, 100, 230, 251]) {
    let count = 0;
    const { put } = IDBObjectStore.prototype;
    vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(function (this: IDBObjectStore, ...args) {
      const request = put.apply(this, args);
      count += 1;
      if (count === writes) this.transaction.abort();
      return request;
    });
    await start(user).catch(() => {});
    vi.restoreAllMocks();
  }
  await holds(await start(user));
});
