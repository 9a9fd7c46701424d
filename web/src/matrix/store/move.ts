// What an earlier version sealed under keys of a store's own comes under those of the lock, so that a passphrase guards it.
//
//   each value: opens under the new key, or else under the old one, and is sealed under the new one in its place
//   when all are: the old key of values goes; that of names stays, by which they are found and nothing is opened
//
// A crash leaves some under each key, and both keys: the next start goes on. Another tab of this version may write
// meanwhile; one of the earlier version may not, for it would seal under the old key: before anything is moved the database
// counts up, and who has it open under the old count closes it and can't open it any more.

import { openDB, type DBSchema, type IDBPDatabase } from "idb";

import { open, seal, type VaultKeys } from "./vault";

export interface Part {
  store: string;
  place: (key: string) => string;
  /** Where in a value the sealed bytes are, if they are not all of it. */
  field?: string;
}

const PAGE = 200;

/** What an earlier version left, and this one makes, has the first count; what was moved has the second at least. */
const [FIRST, MOVED] = [1, 2];

/** A store, and the keys that are used in it from now on. */
export async function openStore<S extends DBSchema>(
  name: string,
  stores: readonly string[],
  keys: VaultKeys,
  parts: Part[],
): Promise<[IDBPDatabase<S>, VaultKeys]> {
  let database = await openCounted(name, stores);
  if (database.version === FIRST && (await database.getKey("meta", "vault")) !== undefined) {
    database.close();
    database = await openCounted(name, stores, MOVED);
  }
  if (stores.some((store) => !database.objectStoreNames.contains(store))) {
    // An earlier version made it without some.
    database.close();
    database = await openCounted(name, stores, Math.max(database.version, MOVED) + 1);
  }
  return [database as unknown as IDBPDatabase<S>, await moved(database, keys, parts)];
}

/** Without a count: as it is. */
function openCounted(name: string, stores: readonly string[], count?: number): Promise<IDBPDatabase> {
  return openDB(name, count, {
    upgrade: (database) => {
      for (const store of stores) if (!database.objectStoreNames.contains(store)) database.createObjectStore(store);
    },
    // Another tab logs out, or is of a newer version.
    blocking: (_from, _to, event) => (event.target as IDBDatabase).close(),
  });
}

/** The keys that are used from now on. */
async function moved(database: IDBPDatabase, keys: VaultKeys, parts: Part[]): Promise<VaultKeys> {
  const old = (await database.get("meta", "vault")) as VaultKeys | undefined;
  if (old) {
    for (const part of parts) await movePart(database, part, old.seal, keys.seal);
    const transaction = database.transaction("meta", "readwrite", { durability: "strict" });
    const { store } = transaction;
    await Promise.all([store.put(old.name, "names"), store.delete("vault"), transaction.done]);
  }
  const name = (await database.get("meta", "names")) as CryptoKey | undefined;
  return { seal: keys.seal, name: name ?? keys.name };
}

async function movePart(database: IDBPDatabase, part: Part, from: CryptoKey, to: CryptoKey): Promise<void> {
  for (let after: string | undefined; ; ) {
    const range = after === undefined ? null : IDBKeyRange.lowerBound(after, true);
    const { store } = database.transaction(part.store);
    const [names, values] = await Promise.all([store.getAllKeys(range, PAGE), store.getAll(range, PAGE)]);
    const sealed = await Promise.all(
      names.map(async (name, at): Promise<[IDBValidKey, Uint8Array, Uint8Array] | undefined> => {
        const before = bytesIn(values[at], part.field);
        const now = before && (await resealed(before, part.place(String(name)), from, to));
        return now && [name, before, now];
      }),
    );
    const transaction = database.transaction(part.store, "readwrite", { durability: "strict" });
    const put = async ([name, before, now]: [IDBValidKey, Uint8Array, Uint8Array]): Promise<void> => {
      const value: unknown = await transaction.store.get(name);
      const present = bytesIn(value, part.field);
      if (!present || !isSame(present, before)) return;
      await transaction.store.put(part.field === undefined ? now : { ...(value as object), [part.field]: now }, name);
    };
    await Promise.all([...sealed.filter((one) => one !== undefined).map(put), transaction.done]);
    if (names.length < PAGE) return;
    after = String(names.at(-1));
  }
}

/** `undefined`: it is under the new key, or under none of these. */
async function resealed(bytes: Uint8Array, place: string, from: CryptoKey, to: CryptoKey): Promise<Uint8Array | undefined> {
  const isNew = await open(to, place, bytes).then(() => true, () => false);
  const plaintext = isNew ? undefined : await open(from, place, bytes).catch(() => undefined);
  return plaintext && seal(to, place, plaintext);
}

function bytesIn(value: unknown, field: string | undefined): Uint8Array | undefined {
  const found = field === undefined ? value : (value as Record<string, unknown> | undefined)?.[field];
  return found instanceof Uint8Array ? found : undefined;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
