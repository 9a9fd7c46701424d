// A step of a comparison: taken by the machine, then told to the server.

import { isOutside } from "../../matrix/api/error";
import { t } from "../../ui/words.svelte";
import { saidBy } from "../refused";

export class Step {
  isBusy = $state(false);
  /** Why it did not work. */
  error = $state<string>();

  readonly #flush: () => Promise<unknown>;
  /** What is still to be done: what the machine has taken, it takes no second time. */
  #left: (() => Promise<unknown>)[] = [];
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(flush: () => Promise<unknown>) {
    this.#flush = flush;
  }

  /** After what is under way; in the place of what failed. */
  run(operation: () => Promise<unknown>): Promise<void> {
    return this.#queue(() => [operation, this.#flush]);
  }

  /** Goes on with what failed. */
  retry(): Promise<void> {
    return this.#queue(() => this.#left);
  }

  #queue(what: () => (() => Promise<unknown>)[]): Promise<void> {
    this.#waiting += 1;
    this.isBusy = true;
    return (this.#last = this.#last.then(async () => {
      this.#left = what();
      this.error = undefined;
      try {
        for (let [next] = this.#left; next; [next] = this.#left) {
          await next();
          this.#left = this.#left.slice(1);
        }
      } catch (failure) {
        console.error(failure);
        this.error = isOutside(failure) ? saidBy(failure) : t.stepFailed;
      }
      this.#waiting -= 1;
      this.isBusy = this.#waiting > 0;
    }));
  }
}
