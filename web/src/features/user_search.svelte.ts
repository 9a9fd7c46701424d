// People whom the server finds by a few letters, a moment after they were typed.

import type { Api, FoundUser } from "../matrix/api/api";
import { Attempt } from "./attempt.svelte";

const PAUSE_MS = 200;
const SHORTEST = 2;

export class UserSearch {
  /** Those who were found last. */
  found = $state.raw<FoundUser[]>([]);
  /** They are found by what was typed last. */
  isAnswered = $state(false);
  readonly asking = new Attempt();

  readonly #api: Pick<Api, "searchUsers">;
  #term = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(api: Pick<Api, "searchUsers">) {
    this.#api = api;
  }

  /** Something else was typed. */
  look(typed: string): void {
    this.stop();
    this.#term = typed.trim();
    if (this.#term.length < SHORTEST) this.found = [];
    else this.#timer = setTimeout(() => this.ask(), PAUSE_MS);
  }

  /** Now, and again. */
  ask(): void {
    const term = this.#term;
    void this.asking.renew(
      () => this.#api.searchUsers(term),
      (found) => {
        // Each once, whatever the server says.
        this.found = found.filter(({ userId }, at) => found.findIndex((one) => one.userId === userId) === at);
        this.isAnswered = true;
      },
    );
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.asking.drop();
    this.isAnswered = false;
  }
}
