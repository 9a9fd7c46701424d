// What is seldom needed of encryption: files of keys, passphrases, codes for cameras. In a worker that lives as long as
// it is used.

import { qrPath, type ExtraModule } from "@e2e/extra";

import type { Derived } from "../store/lock";
import { Caller, type Remote } from "./remote";

export class Extra {
  readonly #makeWorker: () => Worker;

  constructor(makeWorker: () => Worker) {
    this.#makeWorker = makeWorker;
  }

  /** What a new passphrase gives, and how. */
  async newPassphrase(passphrase: string): Promise<Derived> {
    return this.#with(async (module) => {
      const description = await module.describePassphrase();
      return { key: await module.derivePassphrase(passphrase, description), description };
    });
  }

  /** What a passphrase gives by its description. */
  passphraseKey(passphrase: string, description: string): Promise<Uint8Array> {
    return this.#with((module) => module.derivePassphrase(passphrase, description));
  }

  /** A file of keys. */
  sealExport(passphrase: string, keys: Uint8Array): Promise<Uint8Array> {
    return this.#with((module) => module.sealExport(passphrase, keys));
  }

  /** The keys of a file. Errors: `Authentication` another passphrase, `Encoding` no such file. */
  openExport(passphrase: string, file: Uint8Array): Promise<Uint8Array> {
    return this.#with((module) => module.openExport(passphrase, file));
  }

  /** A code that a camera reads, as a path in units of its modules. */
  async qrPath(bytes: Uint8Array): Promise<{ size: number; path: string }> {
    const modules = await this.#with((module) => module.qrModules(bytes));
    return qrPath({ qrModules: () => modules }, bytes);
  }

  async #with<T>(use: (module: Remote<ExtraModule>) => Promise<T>): Promise<T> {
    const worker = this.#makeWorker();
    const caller = new Caller(worker);
    worker.addEventListener("error", () => caller.fail(new Error("the worker failed")));
    try {
      return await use(caller.part<ExtraModule>("extra"));
    } finally {
      worker.terminate();
    }
  }
}
