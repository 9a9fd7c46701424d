// Something that a person started, as a form shows it.

import { saidBy } from "./refused";

export class Attempt {
  /** It is under way. */
  busy = $state(false);
  /** Why it did not work. */
  error = $state<string>();

  #newest = 0;

  /** `words` are those for a failure. While one is under way, no second begins. */
  async run(operation: () => Promise<void>, words: (failure: unknown) => string = saidBy): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.error = undefined;
    try {
      await operation();
    } catch (failure) {
      this.error = words(failure);
    } finally {
      this.busy = false;
    }
  }

  /**
   * As `run`, but a newer one takes the place of one that is under way, whose answer is left out. Why one did not work
   * stays until another did: who tries again is not to lose the button.
   */
  async renew<T>(ask: () => Promise<T>, take: (answer: T) => void, words: (failure: unknown) => string = saidBy): Promise<void> {
    const mine = (this.#newest += 1);
    const isNewest = () => mine === this.#newest;
    this.busy = true;
    try {
      const answer = await ask();
      if (!isNewest()) return;
      this.error = undefined;
      take(answer);
    } catch (failure) {
      if (isNewest()) this.error = words(failure);
    } finally {
      if (isNewest()) this.busy = false;
    }
  }

  /** What is under way is of no interest any more. */
  drop(): void {
    this.#newest += 1;
    this.busy = false;
    this.error = undefined;
  }
}
