// What the machine is told of rooms, and what it opens of what was said there.

import type { Crypto } from "./crypto/crypto";
import type { RoomEvent } from "./event";
import { isPending } from "./room/opened";
import { Removed } from "./room/removed";
import type { Room } from "./room/room";
import { warn } from "./room/warned";
import type { RoomUpdate } from "./sync/update";

const STATE_OF_MACHINE = new Set(["m.room.encryption", "m.room.history_visibility", "m.room.member"]);

/** What is wanted to know of the client, and what it is told. */
export interface Around {
  /** Another tab owns the keys: that one tells the machine. */
  isGuest(): boolean;
  /** Waits for the encryption module; `false` if it could not be loaded. */
  hasModule(): Promise<boolean>;
  /** Something in a room changed. */
  changed(room: Room): void;
  /** Messages were looked at by the machine. */
  opened(): void;
}

export class SealedRooms {
  readonly #crypto: Crypto;
  readonly #rooms: ReadonlyMap<string, Room>;
  readonly #around: Around;
  readonly #removed = new Removed();
  /** Counts news of keys and devices. */
  #keyNews = 0;

  constructor(crypto: Crypto, rooms: ReadonlyMap<string, Room>, around: Around) {
    this.#crypto = crypto;
    this.#rooms = rooms;
    this.#around = around;
  }

  /** Keys came for these rooms. */
  async keysCame(roomIds: string[]): Promise<void> {
    this.#keyNews += 1;
    await this.openAgain(roomIds);
  }

  /** More is known of people's devices: what could not be read may be readable. */
  async devicesCame(): Promise<void> {
    this.#keyNews += 1;
    await this.openAgain([...this.#rooms.values()].filter((room) => [...room.opened.values()].some(isPending)).map(({ id }) => id));
  }

  async openAgain(roomIds: string[]): Promise<void> {
    for (const id of roomIds) {
      const room = this.#rooms.get(id);
      if (room && (await this.open(room, room.timeline.events))) this.#around.changed(room);
    }
  }

  /** Opens those of the events that are sealed and were not opened yet. */
  async open(room: Room, events: readonly RoomEvent[]): Promise<boolean> {
    const sealed = events.filter(
      (event) =>
        event.type === "m.room.encrypted" &&
        !event.unsigned?.["redacted_because"] &&
        (!room.opened.has(event.event_id) || isPending(room.opened.get(event.event_id))),
    );
    await this.#forgetRemoved(room, events);
    if (sealed.length === 0 || !(await this.#around.hasModule())) return false;
    const before = this.#keyNews;
    const opened = await this.#crypto.sessions.open(room.id, sealed, room.live());
    sealed.forEach((event, at) => {
      const found = opened[at];
      // Meanwhile it may have been removed.
      if (!found || room.timeline.find(event.event_id)?.unsigned?.["redacted_because"]) return;
      room.opened.set(event.event_id, found);
      if (found.status === "read") room.pinSealed();
    });
    room.changed();
    this.#around.opened();
    void this.#crypto.flush().catch((error: unknown) => console.error(error));
    // News that came meanwhile found nothing that waited for it yet.
    if (before !== this.#keyNews && opened.some(isPending)) await this.open(room, sealed);
    return true;
  }

  /** What was removed is kept no longer. */
  async #forgetRemoved(room: Room, events: readonly RoomEvent[]): Promise<void> {
    if (this.#around.isGuest() || room.sealing !== "ours") return;
    await this.#removed.among(events, async (ids) => {
      if (!(await this.#around.hasModule())) return false;
      await this.#crypto.sessions.forgetOpened(room.id, ids);
      return true;
    });
  }

  /** Finds out anew who should not be among the readers of what was said. */
  warn(room: Room): Promise<void> {
    return warn(room, async () => ((await this.#around.hasModule()) ? this.#crypto.sessions : undefined));
  }

  /** Something was fetched that was missing. */
  async tellGap(room: Room): Promise<void> {
    const isTold = room.sealing === "ours" && !this.#around.isGuest() && (await this.#around.hasModule());
    if (isTold) await this.#crypto.sessions.setGap(room.id, room.timeline.isTorn);
  }

  /** News of a room. `isApart`: changes of members may have been missed before it; `hasKeys`: the machine is there. */
  async tell(room: Room, update: RoomUpdate, fresh: RoomEvent[], isApart: boolean, hasKeys: boolean): Promise<void> {
    const isOfMachine = ({ type }: RoomEvent) => STATE_OF_MACHINE.has(type);
    // A guest may be behind the owner: what it knows of members is not the last.
    if (!hasKeys || this.#around.isGuest()) {
      if (isApart || [...(update.state ?? []), ...fresh].some(isOfMachine)) room.isUntold = true;
      return;
    }
    if (room.sealing !== "ours") return;
    await this.tellMissed(room);
    if (isApart) {
      await this.#crypto.sessions.forgetMembers(room.id);
      await this.#crypto.sessions.setGap(room.id, room.timeline.isTorn);
    }
    const members = isApart ? room.states("m.room.member") : [];
    const isCurrent = (event: RoomEvent) =>
      event.state_key !== undefined && room.state(event.type, event.state_key)?.event_id === event.event_id;
    const told = [...members, ...(update.state ?? []), ...fresh.filter(isCurrent)].filter(isOfMachine);
    if (told.length > 0) await this.#crypto.sessions.pushState(room.id, told, false);
  }

  /**
   * What went by while another tab had the machine, or while there was none, also in an earlier visit: a room's members are
   * fetched anew.
   */
  async tellMissed(room: Room, isInherited = false): Promise<void> {
    if (!room.isUntold || this.#around.isGuest()) return;
    // Before it is told: more may go by meanwhile.
    room.isUntold = false;
    try {
      await this.#crypto.sessions.forgetMembers(room.id);
      // Another tab may have known a later one: the next sync tells it again.
      const visibility = isInherited ? [] : room.states("m.room.history_visibility");
      if (visibility.length > 0) await this.#crypto.sessions.pushState(room.id, visibility, false);
    } catch (error) {
      room.isUntold = true;
      throw error;
    }
  }

  /** The same for all sealed rooms: what fails is done before something is sealed there. Answers those that were told. */
  async tellAllMissed(isInherited: boolean): Promise<Room[]> {
    const told: Room[] = [];
    for (const room of [...this.#rooms.values()].filter((one) => one.isUntold && one.sealing === "ours")) {
      try {
        await this.tellMissed(room, isInherited);
        told.push(room);
      } catch (error) {
        console.error(error);
      }
    }
    return told;
  }
}
