// What a sync brings, taken in: keys first, then rooms, which are opened, kept and told of.

import type { Crypto } from "./crypto/crypto";
import type { RoomEvent } from "./event";
import { text, type JsonObject } from "./json";
import type { KnownRooms } from "./known_rooms";
import type { Members } from "./members";
import type { OthersPresence } from "./presence/others";
import type { OwnPresence } from "./presence/own";
import type { State } from "./presence/presence";
import type { CatchingUp } from "./room/catching_up";
import { leftElsewhere } from "./room/elsewhere";
import type { Room } from "./room/room";
import type { SealedRooms } from "./sealed_rooms";
import type { SendQueue } from "./send/queue";
import type { DataStore } from "./store/data";
import type { RoomUpdate, SyncUpdate } from "./sync/update";

/** Where what came goes. */
export interface Places {
  readonly me: string;
  readonly store: DataStore;
  readonly rooms: KnownRooms;
  readonly crypto: Crypto;
  readonly sealed: SealedRooms;
  readonly members: Members;
  readonly queue: SendQueue;
  readonly presence: OthersPresence;
  readonly here: OwnPresence;
  readonly catchingUp: CatchingUp;
}

/** What is wanted to know of the client, and what it is told. */
export interface Around {
  /** Another tab owns the keys, and keeps rooms. */
  isGuest(): boolean;
  /** Waits for the encryption module; `false` if it could not be loaded. */
  hasModule(): Promise<boolean>;
  accountData(): Map<string, JsonObject>;
  /** The room that somebody looks at. */
  looked(): string | undefined;
  /** What the next question says of this person. */
  be(state: State): void;
}

export class Incoming {
  readonly #places: Places;
  readonly #around: Around;
  /** Changes of devices went by that the machine was not told of. */
  #areNewsMissed = true;

  constructor(places: Places, around: Around) {
    this.#places = places;
    this.#around = around;
  }

  /** Takes in a sync. Answers whether its messages to the device are kept. */
  async take(update: SyncUpdate): Promise<boolean> {
    const { me, store, rooms, crypto, sealed, members, queue, presence, here, catchingUp } = this.#places;
    const hasKeys = await this.#takeKeys(update);
    const changed = new Set<string>();
    const news: [Room, RoomEvent[]][] = [];
    const kept: Room[] = [];
    for (const [id, roomUpdate] of update.rooms) {
      const room = rooms.room(id);
      const isApart = this.#isApart(room, roomUpdate);
      if (isApart) room.hasAllMembers = false;
      const isKept = room.isKept(roomUpdate);
      const fresh = room.update(roomUpdate);
      rooms.inherit(room);
      news.push([room, fresh]);
      changed.add(id);
      if (isApart && id === this.#around.looked()) members.meet(room);
      await sealed.tell(room, roomUpdate, fresh, isApart, hasKeys);
      if (!this.#around.isGuest() && (isKept || room.isUntold)) kept.push(room);
      for (const event of fresh) {
        queue.arrived(text(event.unsigned?.["transaction_id"]), event.event_id);
      }
      for (const userId of [...fresh.map(({ sender }) => sender), ...(roomUpdate.typing ?? [])]) presence.heard(userId);
    }
    for (const room of update.all ? leftElsewhere(rooms.all.values(), update.all, me) : []) {
      if (!this.#around.isGuest()) kept.push(room);
      changed.add(room.id);
    }
    const accountData = this.#around.accountData();
    for (const { type, content } of update.accountData) accountData.set(type, content);
    presence.take(update.presence);
    if (!this.#around.isGuest()) {
      void here.beat();
      this.#around.be(here.state);
    }
    if (hasKeys) {
      void crypto.flush().catch((error: unknown) => console.error(error));
      for (const [room, fresh] of news) await sealed.open(room, fresh);
    }
    if (kept.length + update.accountData.length > 0) {
      await store.write(kept, update.accountData.map(({ type, content }) => [type, content]));
    }
    if (changed.size > 0 || update.accountData.length > 0) rooms.changed.emit(changed);
    if (update.isFirst) catchingUp.again();
    if (hasKeys) catchingUp.consider(news.map(([room]) => room));
    return hasKeys;
  }

  async #takeKeys(update: SyncUpdate): Promise<boolean> {
    const isNothing = update.toDevice.length === 0 && Object.keys(update.e2ee).length === 0;
    if (this.#around.isGuest() && isNothing) return true;
    const areMissed = update.isFirst || this.#areNewsMissed;
    this.#areNewsMissed = true;
    if (!(await this.#around.hasModule())) return false;
    await this.#places.crypto.pushSync({ ...update.e2ee, to_device: { events: update.toDevice } }, areMissed);
    this.#areNewsMissed = false;
    return true;
  }

  /** Whether changes of members may have been missed. */
  #isApart(room: Room, update: RoomUpdate): boolean {
    if (!update.isLimited && !update.isInitial) return false;
    return !update.timeline?.some((event) => room.timeline.find(event.event_id));
  }
}
