// CryptoStorage: what the machine stores, in IndexedDB, sealed at rest.
//
// Every write is one transaction of strict durability with a generation number: a second owner that wrote in between is
// noticed, and neither goes on from what the other does not know. "The ratchet advanced" and "this is the plaintext" are
// in the same transaction.

import type { Row } from "@e2e/machine";
import { deleteDB, type DBSchema, type IDBPDatabase } from "idb";

import { openStore, type Part } from "../store/move";
import { Vault, type VaultKeys } from "../store/vault";

interface Schema extends DBSchema {
  rows: { key: string; value: Uint8Array };
  /** Plaintexts by room and event. */
  opened: { key: string; value: Uint8Array };
  /** What was sealed and perhaps not sent, by transaction id. */
  sealed: { key: string; value: Uint8Array };
  /** What is kept by name: see `Kept`. */
  kept: { key: string; value: Uint8Array };
  meta: { key: string; value: unknown };
}

const SEALED = ["rows", "opened", "sealed", "kept"] as const;
const STORES = [...SEALED, "meta"] as const;
type ValueStore = "opened" | "sealed" | "kept";

/** A value of `undefined` deletes. */
export type Values = [store: ValueStore, key: string, value: unknown][];

/** What goes into one transaction. */
export interface Batch {
  rows?: Row[];
  values?: Values;
}

/** Somebody else wrote: this owner knows the store no longer. */
export class NotOwner extends Error {
  constructor() {
    super("another owner wrote to the store");
    this.name = "NotOwner";
  }
}

export class CryptoStorage {
  readonly #database: IDBPDatabase<Schema>;
  readonly #vault: Vault;
  #generation: number;

  private constructor(database: IDBPDatabase<Schema>, vault: Vault, generation: number) {
    this.#database = database;
    this.#vault = vault;
    this.#generation = generation;
  }

  static name(userId: string, deviceId: string): string {
    return `sealpost keys ${userId} ${deviceId}`;
  }

  static async open(userId: string, deviceId: string, keys: VaultKeys): Promise<CryptoStorage> {
    const parts = SEALED.map((store): Part => ({ store, place: (name) => `${store} ${name}` }));
    const [database, moved] = await openStore<Schema>(CryptoStorage.name(userId, deviceId), STORES, keys, parts);
    const generation = ((await database.get("meta", "generation")) as number | undefined) ?? 0;
    return new CryptoStorage(database, new Vault(moved), generation);
  }

  static async delete(userId: string, deviceId: string): Promise<void> {
    await deleteDB(CryptoStorage.name(userId, deviceId));
  }

  async rows(): Promise<Row[]> {
    const [names, sealed] = await Promise.all([
      this.#database.getAllKeys("rows"),
      this.#database.getAll("rows"),
    ]);
    const opened = sealed.map((bytes, at) => this.#vault.open(`rows ${names[at]}`, bytes));
    return (await Promise.all(opened)).map(unpack);
  }

  async get<T>(store: ValueStore, key: string): Promise<T | undefined> {
    return (await this.getAll<T>(store, [key]))[0];
  }

  async getAll<T>(store: ValueStore, keys: string[]): Promise<(T | undefined)[]> {
    const names = await Promise.all(keys.map((key) => this.#vault.name(`${store} ${key}`)));
    const { store: values } = this.#database.transaction(store);
    const found = await Promise.all(names.map((name) => values.get(name)));
    return Promise.all(
      found.map((bytes, at) => bytes && this.#vault.openJson<T>(`${store} ${names[at]}`, bytes)),
    );
  }

  /** Some values of a store, in an order that means nothing: those after a place, and where to go on. */
  async page<T>(store: ValueStore, after: string | undefined, count: number): Promise<{ values: T[]; next: string | undefined }> {
    const range = after === undefined ? null : IDBKeyRange.lowerBound(after, true);
    const { store: values } = this.#database.transaction(store);
    const [names, sealed] = await Promise.all([values.getAllKeys(range, count), values.getAll(range, count)]);
    const opened = sealed.map((bytes, at) => this.#vault.openJson<T>(`${store} ${names[at]}`, bytes));
    return { values: await Promise.all(opened), next: names.length < count ? undefined : names.at(-1) };
  }

  count(store: ValueStore): Promise<number> {
    return this.#database.count(store);
  }

  /** Resolves when everything is on the disk. */
  async write({ rows = [], values = [] }: Batch): Promise<void> {
    if (rows.length + values.length === 0) return;
    // A transaction ends when nothing of it is under way: so everything is sealed before.
    const ready = await Promise.all([
      ...rows.map(async (row): Promise<Put> => {
        const name = await this.#vault.name(`rows ${row[0]} ${hex(row[1])}`);
        const value = row[2] && (await this.#vault.seal(`rows ${name}`, pack(row)));
        return ["rows", name, value];
      }),
      ...values.map(async ([store, key, value]): Promise<Put> => {
        const name = await this.#vault.name(`${store} ${key}`);
        const sealed = value === undefined ? undefined : this.#vault.sealJson(`${store} ${name}`, value);
        return [store, name, await sealed];
      }),
    ]);
    const transaction = this.#database.transaction(STORES, "readwrite", { durability: "strict" });
    const meta = transaction.objectStore("meta");
    const generation = ((await meta.get("generation")) as number | undefined) ?? 0;
    if (generation !== this.#generation) {
      transaction.abort();
      await transaction.done.catch(() => {});
      throw new NotOwner();
    }
    for (const [store, name, value] of ready) {
      if (value) void transaction.objectStore(store).put(value, name);
      else void transaction.objectStore(store).delete(name);
    }
    void meta.put(generation + 1, "generation");
    await transaction.done;
    this.#generation = generation + 1;
  }
}

type Put = [store: "rows" | ValueStore, name: string, value: Uint8Array | undefined];

/** Table, length of the key, key, value. */
function pack([table, key, value = new Uint8Array()]: Row): Uint8Array {
  const packed = new Uint8Array(5 + key.length + value.length);
  packed[0] = table;
  new DataView(packed.buffer).setUint32(1, key.length);
  packed.set(key, 5);
  packed.set(value, 5 + key.length);
  return packed;
}

function unpack(packed: Uint8Array): Row {
  const length = new DataView(packed.buffer, packed.byteOffset).getUint32(1);
  return [packed[0] ?? 0, packed.slice(5, 5 + length), packed.slice(5 + length)];
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
