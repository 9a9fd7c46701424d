// Of whom somebody knows that they read in a sealed room. Membership is what servers say: whoever is new among the
// readers is told before the first message that they could read.

import type { Room } from "./room";

export interface KnownStore {
  sealedMeta<T>(key: string): Promise<T | undefined>;
  setSealedMeta(key: string, value: unknown): Promise<void>;
  deleteMeta(key: string): Promise<void>;
}

const nameOf = (roomId: string) => `readers ${roomId}`;
/** In larger rooms nobody looks at each. */
const MOST = 500;

export class KnownReaders {
  readonly #store: KnownStore;
  readonly #byRoom = new Map<string, Set<string>>();

  constructor(store: KnownStore) {
    this.#store = store;
  }

  /** Those who are in a room, or asked into it; `undefined` where not all of them are known, or they are too many. */
  static in(room: Room): string[] | undefined {
    if (room.sealing !== "ours" || !room.hasAllMembers) return undefined;
    const members = room.states("m.room.member").filter(({ content: { membership } }) => {
      return membership === "join" || membership === "invite";
    });
    return members.length > MOST ? undefined : members.map((event) => event.state_key);
  }

  /**
   * Who is shown as readers now. While the members of a room are fetched anew it is those of whom somebody knows: whoever
   * came meanwhile was shown to nobody yet.
   */
  shown(room: Room): string[] | undefined {
    if (room.sealing !== "ours" || room.joined + room.invited > MOST) return undefined;
    const known = this.#byRoom.get(room.id);
    return KnownReaders.in(room) ?? (known && [...known]);
  }

  /** What is kept of a room. At first sight of it nobody in it is new. */
  async load(room: Room): Promise<void> {
    if (this.#byRoom.has(room.id)) return;
    const kept = await this.#store.sealedMeta<string[]>(nameOf(room.id));
    const known = kept ?? KnownReaders.in(room);
    if (!known || this.#byRoom.has(room.id)) return;
    this.#byRoom.set(room.id, new Set(known));
    if (!kept) await this.#store.setSealedMeta(nameOf(room.id), known);
  }

  /** Of these people, those whom nobody has seen as readers yet. */
  fresh(roomId: string, userIds: readonly string[]): string[] {
    const known = this.#byRoom.get(roomId);
    return known ? userIds.filter((id) => !known.has(id)) : [];
  }

  /** This user made the room, with these people. */
  async begin(roomId: string, userIds: readonly string[]): Promise<void> {
    this.#byRoom.set(roomId, new Set(userIds));
    await this.#store.setSealedMeta(nameOf(roomId), userIds);
  }

  /** Nothing of a room is kept. */
  async forget(roomId: string): Promise<void> {
    this.#byRoom.delete(roomId);
    await this.#store.deleteMeta(nameOf(roomId));
  }

  /** This user asked them in, or was told of them. Where nobody is known yet, first sight will know them too. */
  async add(roomId: string, userIds: readonly string[]): Promise<void> {
    const kept = this.#byRoom.get(roomId) ?? (await this.#store.sealedMeta<string[]>(nameOf(roomId)));
    // Meanwhile it may have been loaded.
    const known = this.#byRoom.get(roomId) ?? (kept && new Set(kept));
    if (!known || (this.#byRoom.has(roomId) && userIds.every((id) => known.has(id)))) return;
    for (const id of userIds) known.add(id);
    this.#byRoom.set(roomId, known);
    await this.#store.setSealedMeta(nameOf(roomId), [...known]);
  }
}
