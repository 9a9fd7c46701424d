// Files on their way out: kept until their messages are queued, so that the next tab goes on when this one dies.
//
//   sent ──► kept ──► uploaded ──► its message queued, and it is kept no longer: in one moment
//                        ▲
//   a tab dies: its hold on the upload ends, and another one goes on with what is kept of it

import { ownUpload, type Ownership } from "../owner";
import { TooMuch, type FileStore, type Outgoing } from "../store/files";

/** Why a file is not kept: all of them would be too large, or the disk is full. */
export type NotKept = "large" | "full";

export class OutgoingFiles {
  readonly #store: FileStore;
  readonly #userId: string;
  /** Uploads that are this tab's. */
  readonly #held = new Map<string, Ownership>();

  constructor(store: FileStore, userId: string) {
    this.#store = store;
    this.#userId = userId;
  }

  /** Keeps files of an upload that begins here. Answers why not, if that can't be; what was kept before that stays. */
  async keep(files: readonly (Outgoing & { open: () => Promise<Blob> })[], signal: AbortSignal): Promise<NotKept | undefined> {
    try {
      const [first] = files;
      if (first) await this.#hold(first.upload);
      for (const { open, ...file } of files) await this.#store.keep(file, await open(), signal);
      return undefined;
    } catch (error) {
      if (signal.aborted) return undefined;
      console.warn(error);
      return error instanceof TooMuch ? "large" : "full";
    }
  }

  /** What tabs that are gone left: this one's from now on. */
  async left(): Promise<Outgoing[][]> {
    const found: Outgoing[][] = [];
    for (const upload of await this.#store.uploads()) {
      if (this.#held.has(upload) || !(await this.#hold(upload))) continue;
      await this.#store.dropUpload(upload, false);
      const files = await this.#store.of(upload);
      if (files.length > 0) found.push(files);
      else this.release(upload);
    }
    return found;
  }

  open(file: Outgoing): Promise<Blob> {
    return this.#store.open(file);
  }

  /** A file is not to be sent. */
  async drop(file: Outgoing): Promise<void> {
    await this.#store.drop(file);
  }

  /** Nothing of an upload is to be sent any more. */
  async end(upload: string): Promise<void> {
    await this.#store.dropUpload(upload, true);
    this.release(upload);
  }

  /** Another tab may go on with it. */
  release(upload: string): void {
    this.#held.get(upload)?.release();
    this.#held.delete(upload);
  }

  async #hold(upload: string): Promise<boolean> {
    const ownership = await ownUpload(this.#userId, upload);
    if (ownership) this.#held.set(upload, ownership);
    return ownership !== undefined;
  }
}
