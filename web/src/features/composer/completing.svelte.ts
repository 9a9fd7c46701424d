// What the word at the caret may become, while somebody writes.

import type { Room } from "../../matrix/room/room";
import type { Live } from "../live.svelte";
import { candidates } from "./candidates";
import { tokenAt, type Candidate, type Token } from "./complete";

export class Completing {
  token = $state.raw<Token>();
  offered = $state.raw<Candidate[]>([]);
  chosen = $state(0);

  readonly #live: Live;
  readonly #room: Room;
  #isAsked = false;

  constructor(live: Live, room: Room) {
    this.#live = live;
    this.#room = room;
  }

  get candidate(): Candidate | undefined {
    return this.offered[this.chosen];
  }

  /** Everything of it is written: Enter sends. */
  get isWhole(): boolean {
    return this.token?.kind === "command" && this.candidate?.id === this.token.term;
  }

  /** `again` asks for what is written by then. */
  async look(written: string, caret: number | undefined, again: () => void): Promise<void> {
    const { client } = this.#live;
    const token = (this.token = caret === undefined ? undefined : tokenAt(written, caret));
    this.chosen = 0;
    if (!token) {
      this.offered = [];
      return;
    }
    if (token.kind === "person" && !this.#isAsked) {
      // People who said nothing yet are not known before.
      this.#isAsked = true;
      void client.loadMembers(this.#room).then(again, console.error);
    }
    const all = await candidates(token, this.#room, this.#live.rooms, client.me);
    if (this.token === token) this.offered = all;
  }

  step(by: number): void {
    this.chosen = (this.chosen + by + this.offered.length) % this.offered.length;
  }

  clear(): void {
    this.token = undefined;
    this.offered = [];
  }
}
