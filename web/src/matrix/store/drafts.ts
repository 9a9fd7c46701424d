// What somebody began to write, by room: kept sealed, a moment after the last letter.

import type { DataStore } from "./data";

const PAUSE_MS = 400;
const KEY = "drafts";

export class Drafts {
  readonly #store: DataStore;
  readonly #all = new Map<string, string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(store: DataStore) {
    this.#store = store;
  }

  /** By room. */
  get all(): ReadonlyMap<string, string> {
    return this.#all;
  }

  async restore(): Promise<void> {
    const kept = (await this.#store.sealedMeta<[string, string][]>(KEY)) ?? [];
    for (const [roomId, draft] of kept) this.#all.set(roomId, draft);
  }

  set(roomId: string, draft: string): void {
    if (draft.trim()) this.#all.set(roomId, draft);
    else this.#all.delete(roomId);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.keep(), PAUSE_MS);
  }

  async keep(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#store.setSealedMeta(KEY, [...this.#all]).catch((error: unknown) => console.error(error));
  }
}
