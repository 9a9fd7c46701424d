// Something that a person started, as a form shows it.

import { MatrixError } from "../matrix/api/error";
import { t } from "../ui/words.svelte";

export class Attempt {
  /** It is under way. */
  busy = $state(false);
  /** Why it did not work. */
  error = $state<string>();

  /** `words` are those for a failure. While one is under way, no second begins. */
  async run(operation: () => Promise<void>, words = saidBy): Promise<void> {
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
}

/** The server's own words, if it was there to refuse. */
function saidBy(failure: unknown): string {
  return failure instanceof MatrixError ? failure.message : t.unreachable;
}
