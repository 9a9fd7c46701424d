// Who is logged in in this browser, and what guards what is kept of them.

import { openDB, type DBSchema, type IDBPDatabase } from "idb";

import type { Session } from "../session";
import { makeLock, type LockRecord } from "./lock";

interface Schema extends DBSchema {
  /** The session as `current`; the locks of accounts by their names. */
  sessions: { key: string; value: Session | LockRecord };
}

/** Fails, and does not throw, where a browser keeps nothing. */
async function open(): Promise<IDBPDatabase<Schema>> {
  return openDB<Schema>("sealpost", 1, {
    upgrade: (database) => void database.createObjectStore("sessions"),
  });
}

const lockOf = (userId: string) => `lock ${userId}`;

/** One session at a time; soft logout keeps it, so that its device goes on after a new login. */
export class SessionStore {
  readonly #database = open();

  async load(): Promise<Session | undefined> {
    return (await (await this.#database).get("sessions", "current")) as Session | undefined;
  }

  save(session: Session): Promise<void> {
    return this.#put("current", session);
  }

  /** The lock of an account; a new one without a passphrase, if there is none. */
  async lock(userId: string): Promise<LockRecord> {
    const database = await this.#database;
    const kept = (await database.get("sessions", lockOf(userId))) as LockRecord | undefined;
    if (kept) return kept;
    const made = await makeLock();
    // Another tab may have been quicker.
    const transaction = database.transaction("sessions", "readwrite", { durability: "strict" });
    const found = (await transaction.store.get(lockOf(userId))) as LockRecord | undefined;
    if (!found) void transaction.store.put(made, lockOf(userId));
    await transaction.done;
    return found ?? made;
  }

  setLock(userId: string, lock: LockRecord): Promise<void> {
    return this.#put(lockOf(userId), lock);
  }

  /** With its lock: what was sealed under that opens to nobody any more. */
  async clear(userId: string): Promise<void> {
    const transaction = (await this.#database).transaction("sessions", "readwrite", { durability: "strict" });
    void transaction.store.delete("current");
    void transaction.store.delete(lockOf(userId));
    await transaction.done;
  }

  async #put(key: string, value: Session | LockRecord): Promise<void> {
    const transaction = (await this.#database).transaction("sessions", "readwrite", { durability: "strict" });
    await Promise.all([transaction.store.put(value, key), transaction.done]);
  }
}
