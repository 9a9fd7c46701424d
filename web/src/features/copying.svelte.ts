// What a person took along from a conversation: said that it is done, or shown to be taken by hand.

const SAID_MS = 2000;

export class Copying {
  /** It was done a moment ago. */
  isDone = $state(false);
  /** What could not be copied. */
  left = $state<string>();

  #timer: ReturnType<typeof setTimeout> | undefined;

  async copy(words: string): Promise<void> {
    clearTimeout(this.#timer);
    this.isDone = false;
    try {
      // Outside a secure context there is no clipboard, and elsewhere it may be forbidden.
      await navigator.clipboard.writeText(words);
      this.isDone = true;
      this.#timer = setTimeout(() => (this.isDone = false), SAID_MS);
    } catch {
      this.left = words;
    }
  }
}
