// Members of rooms, fetched where not all are known: who reads in a sealed room is to be known before something is written.

import type { Api } from "./api/api";
import { isOutside } from "./api/error";
import { knocking } from "./api/rooms";
import type { Crypto } from "./crypto/crypto";
import type { KnownRooms } from "./known_rooms";
import type { KnownReaders } from "./room/known_readers";
import type { Room } from "./room/room";

/** Of a larger room the members are fetched when they are asked for. */
const MOST_MET = 500;

/** What is wanted to know of the client. */
export interface Around {
  /** Another tab owns the keys: that one tells the machine. */
  isGuest(): boolean;
  /** Resolves when the encryption module is there. */
  loaded(): Promise<void>;
}

export class Members {
  readonly #api: Api;
  readonly #crypto: Crypto;
  readonly #rooms: KnownRooms;
  readonly #known: KnownReaders;
  readonly #around: Around;

  constructor(api: Api, crypto: Crypto, rooms: KnownRooms, known: KnownReaders, around: Around) {
    this.#api = api;
    this.#crypto = crypto;
    this.#rooms = rooms;
    this.#known = known;
    this.#around = around;
  }

  /** All of a room, from the server. */
  async load(room: Room): Promise<void> {
    const members = await this.#api.members(room.id);
    room.learnMembers(members, true);
    if (this.#around.isGuest()) await this.#crypto.desk.loadMembers(room.id);
    else if (room.sealing === "ours") {
      await this.#around.loaded().then(() => this.#crypto.sessions.pushState(room.id, members, true));
    }
    this.#rooms.tell(room);
  }

  /** Who asks to come into a room, from the server. */
  async loadAsking(room: Room): Promise<void> {
    room.learnMembers(await knocking(this.#api.http, room.id));
    this.#rooms.tell(room);
  }

  /** Has known who reads in a sealed room, as far as it can be. */
  meet(room: Room): void {
    void this.#meet(room).catch((error: unknown) => {
      if (!isOutside(error)) console.error(error);
    });
  }

  async #meet(room: Room): Promise<void> {
    if (room.sealing !== "ours" || room.membership !== "join") return;
    if (!room.hasAllMembers && room.joined + room.invited <= MOST_MET) await this.load(room);
    await this.#known.load(room);
    this.#rooms.tell(room);
  }
}
