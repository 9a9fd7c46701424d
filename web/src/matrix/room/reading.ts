// How far this person has read: told to the server, to others too unless they do not want that, and again when that failed.

import type { Api } from "../api/api";
import { isRefusal } from "../api/error";
import type { Client } from "../client";
import type { JsonObject } from "../json";
import type { Room } from "./room";
import { passOver } from "./unread";

/** Account data: so that it holds for all own devices of this client. */
export const RECEIPTS = "org.sealpost.receipts";

/** Whether others are told how far this person has read. */
export function arePublic(content: JsonObject | undefined): boolean {
  return content?.["are_public"] !== false;
}

export async function setPublic(client: Client, are_public: boolean): Promise<void> {
  await client.api.setAccountData(RECEIPTS, { are_public });
  client.accountData.set(RECEIPTS, { are_public });
  client.changed.emit(new Set());
}

export class Reading {
  readonly #api: Api;
  readonly #me: string;
  readonly #isPrivate: () => boolean;
  /** By room: what the server was not told yet. */
  readonly #untold = new Map<string, string>();

  constructor(api: Api, me: string, isPrivate: () => boolean) {
    this.#api = api;
    this.#me = me;
    this.#isPrivate = isPrivate;
  }

  /** The room was read to its end. Answers whether that is news. */
  markRead(room: Room): boolean {
    const last = room.timeline.last;
    if (!last || room.receipts.get(this.#me)?.eventId === last.event_id) return false;
    passOver(room, this.#me);
    room.receipts.set(this.#me, { eventId: last.event_id, ts: Date.now() });
    room.notifications = room.highlights = 0;
    this.#untold.set(room.id, last.event_id);
    void this.tell();
    return true;
  }

  /** Tells what was not told yet: there is a connection, perhaps again. */
  async tell(): Promise<void> {
    for (const [roomId, eventId] of [...this.#untold]) {
      this.#untold.delete(roomId);
      try {
        await this.#api.read(roomId, eventId, this.#isPrivate());
      } catch (error) {
        // A server that refuses once refuses again.
        if (isRefusal(error)) continue;
        if (!this.#untold.has(roomId)) this.#untold.set(roomId, eventId);
        return;
      }
    }
  }
}
