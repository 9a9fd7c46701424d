// One tab at a time owns an account's keys.

export interface Ownership {
  /** Resolves when another tab took over. */
  lost: Promise<void>;
  release(): void;
}

/** Owns the account in this tab; `undefined` if another tab does. With `takeOver`, that one loses it. */
export async function own(userId: string, takeOver = false): Promise<Ownership | undefined> {
  const name = `sealpost ${userId}`;
  return new Promise((resolve, reject) => {
    let isHeld = false;
    let release: () => void = () => {};
    let lose: () => void = () => {};
    const lost = new Promise<void>((resolve) => (lose = resolve));
    const options = takeOver ? { steal: true } : { ifAvailable: true };
    const ended = navigator.locks.request(name, options, (lock) => {
      if (!lock) return resolve(undefined);
      isHeld = true;
      const held = new Promise<void>((done) => (release = done));
      resolve({ lost, release: () => release() });
      return held;
    });
    // A lock that is stolen ends with an error.
    ended.catch((error: unknown) => (isHeld ? lose() : reject(error)));
  });
}
