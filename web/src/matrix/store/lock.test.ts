import "fake-indexeddb/auto";

import { afterEach, expect, test, vi } from "vitest";

import { relock, unlock, WrongPassphrase, type Derived } from "./lock";
import { SessionStore } from "./sessions";
import { Vault } from "./vault";

afterEach(() => vi.restoreAllMocks());

/** What argon2id would give. */
const derived = (passphrase: string): Derived => ({
  key: Uint8Array.from({ length: 32 }, (_, at) => passphrase.charCodeAt(at % passphrase.length) ^ at),
  description: passphrase.length.toString(),
});
const keyOf = (passphrase: string | undefined) => passphrase && derived(passphrase).key;
const PLACE = "somewhere";

async function account(user: string) {
  const store = new SessionStore();
  const { data } = await unlock(await store.lock(user));
  return { store, sealed: await new Vault(data).seal(PLACE, new TextEncoder().encode("needle")) };
}

async function change(store: SessionStore, user: string, old: string | undefined, next: string | undefined): Promise<void> {
  await store.setLock(user, await relock(await store.lock(user), keyOf(old) || undefined, next ? derived(next) : undefined));
}

/** What a passphrase opens, as after a start. */
async function opened(user: string, sealed: Uint8Array, passphrase: string | undefined): Promise<string> {
  const { data } = await unlock(await new SessionStore().lock(user), keyOf(passphrase) || undefined);
  return new TextDecoder().decode(await new Vault(data).open(PLACE, sealed));
}

test("what was sealed before opens with each passphrase that is set after the other, and with none when it is taken away", async () => {
  const { store, sealed } = await account("@a:a");
  let old: string | undefined;
  for (const next of ["first words", "other words", undefined, "third"]) {
    await change(store, "@a:a", old, next);
    expect(await opened("@a:a", sealed, next)).toBe("needle");
    old = next;
  }
  for (const wrong of ["first words", "x", undefined]) {
    await expect(opened("@a:a", sealed, wrong)).rejects.toThrow(WrongPassphrase);
    await expect(change(store, "@a:a", wrong, "mine")).rejects.toThrow(WrongPassphrase);
  }
});

test("the two stores have keys of their own, and none can be read out", async () => {
  const { data, keys } = await unlock(await new SessionStore().lock("@b:a"));
  const sealed = await new Vault(data).seal(PLACE, new Uint8Array(3));
  await expect(new Vault(keys).open(PLACE, sealed)).rejects.toThrow();
  for (const key of [...Object.values(data), ...Object.values(keys)] as CryptoKey[]) {
    expect(key.extractable).toBe(false);
    await expect(crypto.subtle.exportKey("raw", key)).rejects.toThrow();
  }
});

// Each write of a change: it fails, or it was made and the whole is not kept, or all is kept and nobody was told.
const crashes = {
  "before the write": () => vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(() => {
    throw new Error("crash");
  }),
  "after the write, before it is kept": () => {
    const { put } = IDBObjectStore.prototype;
    return vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(function (this: IDBObjectStore, ...args) {
      const request = put.apply(this, args);
      this.transaction.abort();
      return request;
    });
  },
  "when it is kept": () => undefined,
};

for (const [when, crash] of Object.entries(crashes)) {
  test(`a crash ${when} leaves what opens with the old passphrase or the new one`, async () => {
    for (const [old, next] of [[undefined, "one"], ["one", "two"], ["two", undefined]] as const) {
      const user = `@${when} ${old}:a`;
      const { store, sealed } = await account(user);
      if (old) await change(store, user, undefined, old);
      crash();
      await change(store, user, old, next).catch(() => {});
      vi.restoreAllMocks();
      const [now, other] = when === "when it is kept" ? [next, old] : [old, next];
      expect(await opened(user, sealed, now)).toBe("needle");
      // Without a passphrase none is asked for.
      if (now) await expect(opened(user, sealed, other)).rejects.toThrow(WrongPassphrase);
    }
  });
}

test("with a passphrase nothing on the disk opens what is sealed, and logging out leaves no lock", async () => {
  const { store, sealed } = await account("@c:a");
  await change(store, "@c:a", undefined, "one");
  const record = await store.lock("@c:a");
  expect(record.device.extractable).toBe(false);
  await expect(unlock(record)).rejects.toThrow(WrongPassphrase);
  // Whoever takes the word away that there is a passphrase gets another key.
  const { device, sealed: secret } = record;
  const { data } = await unlock({ device, sealed: secret });
  await expect(new Vault(data).open(PLACE, sealed)).rejects.toThrow();
  await store.clear("@c:a");
  expect((await store.lock("@c:a")).passphrase).toBeUndefined();
  await expect(opened("@c:a", sealed, "one")).rejects.toThrow();
});
