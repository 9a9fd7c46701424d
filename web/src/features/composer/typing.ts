// Tells the others in a room that somebody writes; seldom enough.

import type { Client } from "../../matrix/client";

const AGAIN_MS = 10_000;

export class Typing {
  readonly #client: Client;
  readonly #roomId: string;
  /** 0: they were told of nothing. */
  #toldAt = 0;

  constructor(client: Client, roomId: string) {
    this.#client = client;
    this.#roomId = roomId;
  }

  tell(isTyping: boolean): void {
    const now = Date.now();
    if (isTyping ? now - this.#toldAt < AGAIN_MS : this.#toldAt === 0) return;
    this.#toldAt = isTyping ? now : 0;
    void this.#client.api.typing(this.#roomId, isTyping).catch(() => {});
  }
}
