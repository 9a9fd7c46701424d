// Rooms that are forgotten: nothing that was said there stays on this device.
//
//   rooms ── drafts, readers, what waits to be sent ──► gone at once
//   what was read, beside the keys ──► gone when the module is there, perhaps in a later visit

import type { Crypto } from "./crypto/crypto";
import type { KnownReaders } from "./room/known_readers";
import type { Room } from "./room/room";
import type { SendQueue } from "./send/queue";
import type { DataStore } from "./store/data";
import type { Drafts } from "./store/drafts";

/** Where something of rooms is. */
export interface Places {
  readonly rooms: Map<string, Room>;
  readonly crypto: Crypto;
  readonly drafts: Drafts;
  readonly known: KnownReaders;
  readonly queue: SendQueue;
  /** Another tab owns the keys, and sends. */
  readonly isGuest: boolean;
}

export class Forgetting {
  readonly #store: DataStore;
  readonly #places: Places;
  /** Waits for the encryption module; `false` if it could not be loaded. */
  readonly #hasModule: () => Promise<boolean>;

  constructor(store: DataStore, places: Places, hasModule: () => Promise<boolean>) {
    this.#store = store;
    this.#places = places;
    this.#hasModule = hasModule;
  }

  async forget(roomId: string): Promise<void> {
    const { rooms, drafts, known, queue, isGuest } = this.#places;
    const room = rooms.get(roomId);
    if (room) room.isForgotten = true;
    rooms.delete(roomId);
    await this.#store.forget(roomId);
    await Promise.all([this.#store.files.forget(roomId), drafts.forget(roomId), known.forget(roomId), !isGuest && queue.forget(roomId)]);
    void this.goOn();
  }

  /** Takes away what is left of rooms that were forgotten. */
  async goOn(): Promise<void> {
    if (this.#places.isGuest || !(await this.#hasModule())) return;
    try {
      for (const roomId of await this.#store.forgotten()) {
        // Somebody may be in it again.
        if (!this.#places.rooms.has(roomId)) await this.#places.crypto.sessions.forgetRoom(roomId);
        await this.#store.forgottenWholly(roomId);
      }
    } catch (error) {
      console.error(error);
    }
  }
}
