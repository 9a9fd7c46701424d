// What a person did at once, and the server did not: told with a way to try again, wherever they are by now.

import { saidBy } from "./refused";

export interface Trouble {
  /** In the language of now. */
  words: () => string;
  again: () => void;
}

const MOST = 3;

export class Troubles {
  /** The newest last. */
  all = $state.raw<Trouble[]>([]);

  /** Does something that shows at once where it worked; `words` tell that it did not, and why. Resolves when it is over. */
  try(operation: () => Promise<void>, words: (why: string) => string): Promise<void> {
    return operation().catch((failure: unknown) => {
      console.error(failure);
      const trouble: Trouble = {
        words: () => words(saidBy(failure)),
        again: () => {
          this.drop(trouble);
          void this.try(operation, words);
        },
      };
      this.all = [...this.all, trouble].slice(-MOST);
    });
  }

  drop(trouble: Trouble): void {
    this.all = this.all.filter((one) => one !== trouble);
  }
}
