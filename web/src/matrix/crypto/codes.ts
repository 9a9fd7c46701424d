// Codes that a camera sees. The worker that reads them lives as long as somebody looks.

import type { codes, Source } from "./code_worker";
import { Caller, type Remote } from "./remote";

export class CodeReader {
  readonly #worker: Worker;
  readonly #part: Remote<typeof codes>;

  constructor(worker: Worker) {
    this.#worker = worker;
    const caller = new Caller(worker);
    this.#part = caller.part<typeof codes>("codes");
    worker.addEventListener("error", () => caller.fail(new Error("the worker failed")));
  }

  /** What the code in a picture says; `undefined`, if there is none. */
  async read(picture: ImageBitmap, source: Source): Promise<string | undefined> {
    try {
      return await this.#part.read(picture, source);
    } finally {
      picture.close();
    }
  }

  stop(): void {
    this.#worker.terminate();
  }
}
