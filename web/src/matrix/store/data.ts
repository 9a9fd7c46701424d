// What is kept of an account between visits, but keys: rooms, account data, positions, messages that wait.

import { deleteDB, type DBSchema, type IDBPDatabase } from "idb";

import type { JsonObject } from "../json";
import type { Opened } from "../room/opened";
import { Room, type Snapshot } from "../room/room";
import { closed } from "./closed";
import { FileStore, piecesOf } from "./files";
import { openStore, type Part } from "./move";
import { Vault, type VaultKeys } from "./vault";

interface Schema extends DBSchema {
  rooms: { key: string; value: Snapshot & { opened?: Uint8Array } };
  accountData: { key: string; value: JsonObject };
  meta: { key: string; value: unknown };
  /** Sealed under the vault: words that were not sent yet. */
  queue: { key: string; value: Uint8Array };
  /** Sealed under the vault: what files are that were not sent yet; and what is in them, each under a key of its own. */
  files: { key: string; value: Uint8Array };
  pieces: { key: [string, number]; value: Uint8Array };
}

const STORES = ["rooms", "accountData", "meta", "queue", "files", "pieces"] as const;
const PARTS: Part[] = [
  { store: "rooms", place: (id) => `room ${id}`, field: "opened" },
  { store: "queue", place: (id) => `queue ${id}` },
  { store: "meta", place: (key) => `meta ${key}` },
];

const FORGOTTEN = "forgotten";

function dataName(userId: string): string {
  return `sealpost data ${userId}`;
}

export class DataStore {
  #database: IDBPDatabase<Schema>;
  readonly #vault: Vault;
  readonly files: FileStore;

  private constructor(database: IDBPDatabase<Schema>, keys: VaultKeys) {
    this.#database = database;
    this.#vault = new Vault(keys);
    this.files = new FileStore(database as unknown as IDBPDatabase, this.#vault);
  }

  static async open(userId: string, keys: VaultKeys): Promise<DataStore> {
    return new DataStore(...(await openStore<Schema>(dataName(userId), STORES, keys, PARTS)));
  }

  /** With what was opened of their last words: so they are there before the keys are. */
  async rooms(): Promise<Room[]> {
    const rooms = await this.#database.getAll("rooms");
    return Promise.all(
      rooms.map(async ({ opened, ...snapshot }) => {
        const room = Room.restore(snapshot);
        if (!opened) return room;
        const entries = await this.#vault.openJson<[string, Opened][]>(`room ${room.id}`, opened);
        for (const [id, one] of entries) room.opened.set(id, one);
        return room;
      }),
    );
  }

  async accountData(): Promise<Map<string, JsonObject>> {
    const [types, contents] = await Promise.all([
      this.#database.getAllKeys("accountData"),
      this.#database.getAll("accountData"),
    ]);
    return new Map(types.map((type, at) => [type, contents[at] ?? {}]));
  }

  async meta(key: string): Promise<unknown> {
    return this.#database.get("meta", key);
  }

  async setMeta(key: string, value: unknown): Promise<void> {
    await this.#database.put("meta", value, key);
  }

  async deleteMeta(key: string): Promise<void> {
    await this.#database.delete("meta", key);
  }

  /** As `meta`, of what somebody wrote. */
  async sealedMeta<T>(key: string): Promise<T | undefined> {
    const sealed = await this.meta(key);
    return sealed instanceof Uint8Array ? this.#vault.openJson<T>(`meta ${key}`, sealed) : undefined;
  }

  async setSealedMeta(key: string, value: unknown): Promise<void> {
    await this.setMeta(key, await this.#vault.sealJson(`meta ${key}`, value));
  }

  /** Writes what a sync changed, whole or not at all. */
  async write(rooms: Room[], accountData: [string, JsonObject][]): Promise<void> {
    const snapshots = await Promise.all(rooms.map((room) => this.#snapshot(room)));
    const transaction = this.#database.transaction(["rooms", "accountData"], "readwrite");
    const [roomStore, dataStore] = [
      transaction.objectStore("rooms"),
      transaction.objectStore("accountData"),
    ];
    // One of them may have been forgotten meanwhile.
    snapshots.forEach((snapshot, at) => {
      if (rooms[at]?.isForgotten === false) void roomStore.put(snapshot, snapshot.id);
    });
    for (const [type, content] of accountData) void dataStore.put(content, type);
    await transaction.done;
  }

  /** Keeps nothing of a room, but that what is kept of it with the keys is to go, too. */
  async forget(roomId: string): Promise<void> {
    const transaction = this.#database.transaction(["rooms", "meta"], "readwrite");
    void transaction.objectStore("rooms").delete(roomId);
    const meta = transaction.objectStore("meta");
    const before = ((await meta.get(FORGOTTEN)) as string[] | undefined) ?? [];
    void meta.put([...new Set([...before, roomId])], FORGOTTEN);
    await transaction.done;
  }

  /** Rooms of which something may still be kept with the keys. */
  async forgotten(): Promise<string[]> {
    return ((await this.meta(FORGOTTEN)) as string[] | undefined) ?? [];
  }

  /** Nothing is kept of it any more. */
  async forgottenWholly(roomId: string): Promise<void> {
    const { store, done } = this.#database.transaction("meta", "readwrite");
    const before = ((await store.get(FORGOTTEN)) as string[] | undefined) ?? [];
    void store.put(before.filter((one) => one !== roomId), FORGOTTEN);
    await done;
  }

  async #snapshot(room: Room): Promise<Snapshot & { opened?: Uint8Array }> {
    const snapshot = room.snapshot();
    const opened = snapshot.entries.flatMap((entry): [string, Opened][] => {
      const found = entry.kind === "event" && room.opened.get(entry.event.event_id);
      return found && found.status === "read" ? [[entry.event.event_id, found]] : [];
    });
    if (opened.length === 0) return snapshot;
    return { ...snapshot, opened: await this.#vault.sealJson(`room ${room.id}`, opened) };
  }

  async queued<T>(): Promise<T[]> {
    const [ids, sealed] = await Promise.all([
      this.#database.getAllKeys("queue"),
      this.#database.getAll("queue"),
    ]);
    const opened = sealed.map((bytes, at) => this.#vault.openJson<T>(`queue ${ids[at]}`, bytes));
    return Promise.all(opened);
  }

  /** `file`: the one that it is about goes in the same moment. */
  async enqueue(id: string, value: unknown, file?: string): Promise<void> {
    const sealed = await this.#vault.sealJson(`queue ${id}`, value);
    const transaction = this.#database.transaction(["queue", "files", "pieces"], "readwrite");
    const changed: Promise<unknown>[] = [transaction.objectStore("queue").put(sealed, id)];
    if (file !== undefined) {
      changed.push(transaction.objectStore("files").delete(file), transaction.objectStore("pieces").delete(piecesOf(file)));
    }
    await Promise.all([...changed, transaction.done]);
  }

  async isQueued(id: string): Promise<boolean> {
    return (await this.#database.getKey("queue", id)) !== undefined;
  }

  async dequeue(id: string): Promise<void> {
    await this.#database.delete("queue", id);
  }

  /** What is still asked of it is never answered. */
  close(): void {
    this.#database.close();
    this.#database = closed();
    this.files.close();
  }

  static async delete(userId: string): Promise<void> {
    await deleteDB(dataName(userId));
  }
}
