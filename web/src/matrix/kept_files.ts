// Files that were opened lately, in memory: who scrolls back and forth fetches each once.

const MOST_BYTES = 64 * 1024 * 1024;
/** Larger ones are not kept. */
const LARGEST = 8 * 1024 * 1024;

export class KeptFiles {
  /** The one that was wanted last comes last. */
  readonly #blobs = new Map<string, Blob>();
  #bytes = 0;

  get(name: string): Blob | undefined {
    const found = this.#blobs.get(name);
    if (found) {
      this.#blobs.delete(name);
      this.#blobs.set(name, found);
    }
    return found;
  }

  keep(name: string, blob: Blob): Blob {
    if (blob.size > LARGEST || this.#blobs.has(name)) return blob;
    this.#blobs.set(name, blob);
    this.#bytes += blob.size;
    for (const [oldest, { size }] of this.#blobs) {
      if (this.#bytes <= MOST_BYTES) break;
      this.#blobs.delete(oldest);
      this.#bytes -= size;
    }
    return blob;
  }
}
