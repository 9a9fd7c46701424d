// Who is logged in in this browser.

import { openDB, type DBSchema, type IDBPDatabase } from "idb";

import type { Session } from "../session";

interface Schema extends DBSchema {
  sessions: { key: string; value: Session };
}

/** One session at a time; soft logout keeps it, so that its device goes on after a new login. */
export class SessionStore {
  readonly #database: Promise<IDBPDatabase<Schema>>;

  constructor() {
    this.#database = openDB<Schema>("sealpost", 1, {
      upgrade: (database) => void database.createObjectStore("sessions"),
    });
  }

  async load(): Promise<Session | undefined> {
    return (await this.#database).get("sessions", "current");
  }

  async save(session: Session): Promise<void> {
    const transaction = (await this.#database).transaction("sessions", "readwrite", {
      durability: "strict",
    });
    await Promise.all([transaction.store.put(session, "current"), transaction.done]);
  }

  async clear(): Promise<void> {
    await (await this.#database).delete("sessions", "current");
  }
}
