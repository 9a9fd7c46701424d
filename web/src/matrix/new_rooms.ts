// Rooms that somebody makes, or goes on to: sealed before the first word, where they are to be.

import type { Api, CreateRoom } from "./api/api";
import { stateContent } from "./api/rooms";
import type { DirectChats } from "./direct_chats";
import type { KnownRooms } from "./known_rooms";
import type { KnownReaders } from "./room/known_readers";
import { predecessorOf } from "./room/predecessor";
import { ALGORITHM, isOurs, type Room } from "./room/room";

/** What is wanted of the client. */
export interface Around {
  me: string;
  directs: DirectChats;
  known: KnownReaders;
  /** Another tab is told that a room was made, which it keeps as sealed. */
  tellMade(roomId: string): void;
  /** Has the server's state say that a room is sealed by us. */
  stateOurs(roomId: string): Promise<void>;
}

export class NewRooms {
  readonly #api: Api;
  readonly #rooms: KnownRooms;
  readonly #around: Around;

  constructor(api: Api, rooms: KnownRooms, around: Around) {
    this.#api = api;
    this.#rooms = rooms;
    this.#around = around;
  }

  async create(wanted: Omit<CreateRoom, "algorithm"> & { isSealed: boolean }): Promise<string> {
    const { isSealed, ...room } = wanted;
    const { me, directs, known } = this.#around;
    const roomId = await this.#api.createRoom({ ...room, ...(isSealed && { algorithm: ALGORITHM }) });
    if (wanted.isDirect) for (const userId of wanted.invite ?? []) await directs.add(userId, roomId);
    // What is written at once is sealed, before the sync says so.
    if (isSealed) {
      await this.#beginSealed(roomId);
      await known.begin(roomId, [me, ...(wanted.invite ?? [])]);
    } else await this.#rooms.keep([this.#rooms.room(roomId)]);
    this.#rooms.tell(this.#rooms.room(roomId));
    return roomId;
  }

  /**
   * Somebody goes on in a room that took the place of another: of a sealed one in seal, whatever the server made of it.
   * `false`: that room is not sealed, nor does it say itself that it is the next one.
   */
  async goOnIn(roomId: string, from: Room): Promise<boolean> {
    if (from.sealing !== "ours" || this.#rooms.find(roomId)?.sealing === "ours") return true;
    const { http } = this.#api;
    const isNext = predecessorOf(await stateContent(http, roomId, "m.room.create")) === from.id;
    if (!isNext && !isOurs((await stateContent(http, roomId, "m.room.encryption"))?.["algorithm"])) return false;
    await this.#beginSealed(roomId);
    this.#rooms.tell(this.#rooms.room(roomId));
    return true;
  }

  async #beginSealed(roomId: string): Promise<void> {
    await this.#rooms.keepSealed(roomId);
    this.#around.tellMade(roomId);
    // If it can't be now, it is before the first message.
    await this.#around.stateOurs(roomId).catch(console.error);
  }
}
