/** Something that others wait for news of. A listener that fails does not keep the rest from hearing. */
export class Topic<T = void> {
  readonly #listeners = new Set<(news: T) => void>();

  /** Calls the listener with all news from now on; answers what ends that. */
  subscribe(listener: (news: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(news: T): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(news);
      } catch (error) {
        console.error(error);
      }
    }
  }
}
