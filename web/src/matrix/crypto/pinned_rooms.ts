// Rooms that are sealed whatever their state says: because the machine knows them as such, from what own devices told it,
// from the backup, or from what it read there.

import type { Remote } from "./remote";
import type { SessionManager } from "./session_manager";

const KNOWN = "are pins known";

interface Store {
  meta(key: string): Promise<unknown>;
  setMeta(key: string, value: unknown): Promise<void>;
}

export class PinnedRooms {
  readonly #store: Store;
  readonly #ids = new Set<string>();
  /** Those of them that are kept as sealed. */
  readonly #kept = new Set<string>();
  #areKnown = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The machine was asked at least once on this device: rooms that it knew are kept as sealed. */
  get areKnown(): boolean {
    return this.#areKnown;
  }

  has(roomId: string): boolean {
    return this.#ids.has(roomId);
  }

  async restore(): Promise<void> {
    this.#areKnown = (await this.#store.meta(KNOWN)) === true;
  }

  /** Asks the machine. Answers those that are new: to be kept as sealed before `learned`. */
  async ask(sessions: Remote<SessionManager>): Promise<string[]> {
    const all = await sessions.encryptedRooms();
    for (const id of all) this.#ids.add(id);
    return all.filter((id) => !this.#kept.has(id));
  }

  /** These, which the machine told, are kept. */
  async learned(roomIds: readonly string[]): Promise<void> {
    for (const id of roomIds) this.#kept.add(id);
    if (this.#areKnown) return;
    this.#areKnown = true;
    await this.#store.setMeta(KNOWN, true);
  }
}
