// Web Locks of one browser, as far as they are used here, for tests where there are none.

import { vi } from "vitest";

class Locks {
  readonly #held = new Map<string, Promise<unknown>>();

  async request<T>(name: string, ...rest: [(lock: object | null) => T] | [{ ifAvailable?: boolean }, (lock: object | null) => T]): Promise<T> {
    const [options, operate] = rest.length === 1 ? [{}, rest[0]] : rest;
    const before = this.#held.get(name);
    if (before && options.ifAvailable) return operate(null);
    const run = (before ?? Promise.resolve()).catch(() => {}).then(() => operate({ name }));
    this.#held.set(name, run);
    try {
      return await run;
    } finally {
      if (this.#held.get(name) === run) this.#held.delete(name);
    }
  }
}

if (!("navigator" in globalThis) || !("locks" in navigator)) vi.stubGlobal("navigator", { locks: new Locks() });
