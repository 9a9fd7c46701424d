// The rooms that are known: as they are shown, and as the tab that owns the keys keeps them.

import type { PinnedRooms } from "./crypto/pinned_rooms";
import { predecessorOf } from "./room/predecessor";
import { Room } from "./room/room";
import type { DataStore } from "./store/data";
import { Topic } from "./topic";

export class KnownRooms {
  /** Something in these rooms changed; of all, when none is named. */
  readonly changed = new Topic<ReadonlySet<string>>();
  readonly all = new Map<string, Room>();
  readonly #store: DataStore;
  readonly #pinned: PinnedRooms;
  readonly #isGuest: () => boolean;

  constructor(store: DataStore, pinned: PinnedRooms, isGuest: () => boolean) {
    this.#store = store;
    this.#pinned = pinned;
    this.#isGuest = isGuest;
  }

  async restore(): Promise<void> {
    for (const room of await this.#store.rooms()) this.all.set(room.id, room);
  }

  find(id: string): Room | undefined {
    return this.all.get(id);
  }

  /** Known from now on. */
  room(id: string): Room {
    const found = this.all.get(id) ?? new Room(id);
    this.all.set(id, found);
    if (this.#pinned.has(id)) found.pinSealed();
    return found;
  }

  tell(room: Room): void {
    room.changed();
    this.changed.emit(new Set([room.id]));
  }

  /** The tab that owns the keys keeps rooms: another one may know less of them. */
  async keep(rooms: Room[]): Promise<void> {
    if (!this.#isGuest() && rooms.length > 0) await this.#store.write(rooms, []);
  }

  async keepSealed(roomId: string): Promise<void> {
    const made = this.room(roomId);
    made.pinSealed();
    await this.keep([made]);
  }

  /** What took the place of a sealed room is sealed. */
  inherit(room: Room): void {
    const before = predecessorOf(room.known("m.room.create")?.content);
    if (before !== undefined && this.all.get(before)?.sealing === "ours") room.pinSealed();
  }
}
