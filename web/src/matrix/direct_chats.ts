// Which rooms are chats with whom, as the account data say.

import type { Api } from "./api/api";
import { list, type JsonObject } from "./json";
import type { KnownRooms } from "./known_rooms";
import { directWith } from "./room/direct";
import type { Room } from "./room/room";

export class DirectChats {
  readonly #api: Api;
  readonly #me: string;
  readonly #rooms: KnownRooms;
  readonly #accountData: () => Map<string, JsonObject>;

  constructor(api: Api, me: string, rooms: KnownRooms, accountData: () => Map<string, JsonObject>) {
    this.#api = api;
    this.#me = me;
    this.#rooms = rooms;
    this.#accountData = accountData;
  }

  /** One that is there already. */
  with(userId: string): Room | undefined {
    return directWith(this.#rooms.all, this.#accountData().get("m.direct"), userId, this.#me);
  }

  async add(userId: string, roomId: string): Promise<void> {
    const accountData = this.#accountData();
    const present = accountData.get("m.direct") ?? {};
    const content = { ...present, [userId]: [...list(present[userId]), roomId] };
    accountData.set("m.direct", content);
    await this.#api.setAccountData("m.direct", content);
  }
}
