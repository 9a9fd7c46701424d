// One tab at a time owns an account's keys. What it does for others: `tabs.ts`.

export interface Ownership {
  /** Resolves when another tab took over. */
  lost: Promise<void>;
  release(): void;
}

function nameOf(userId: string): string {
  return `sealpost ${userId}`;
}

/** Owns the account in this tab; `undefined` if another tab does. With `takeOver`, that one loses it. */
export async function own(userId: string, takeOver = false): Promise<Ownership | undefined> {
  return hold(nameOf(userId), takeOver ? { steal: true } : { ifAvailable: true });
}

/** Owns the account when the tab that does is gone; `undefined` if that is waited for no longer. */
export async function inherit(userId: string, signal: AbortSignal): Promise<Ownership | undefined> {
  return hold(nameOf(userId), { signal }).catch((error: unknown) => {
    if (signal.aborted) return undefined;
    throw error;
  });
}

/** Has an upload in this tab; `undefined` if another tab does. */
export function ownUpload(userId: string, upload: string): Promise<Ownership | undefined> {
  return hold(`${nameOf(userId)} upload ${upload}`, { ifAvailable: true });
}

/** One tab at a time does this. */
export function alone<T>(userId: string, what: string, operation: () => Promise<T>): Promise<T> {
  return navigator.locks.request(`${nameOf(userId)} ${what}`, operation) as Promise<T>;
}

/** Somebody does this in another tab just now, or elsewhere in this one. */
export class UnderWay extends Error {
  constructor() {
    super("it is under way already");
    this.name = "UnderWay";
  }
}

/** One tab at a time does this, and none waits for another. Errors: `UnderWay`. */
export async function first<T>(userId: string, what: string, operation: () => Promise<T>): Promise<T> {
  const held = await hold(`${nameOf(userId)} ${what}`, { ifAvailable: true });
  if (!held) throw new UnderWay();
  try {
    return await operation();
  } finally {
    held.release();
  }
}

function hold(name: string, options: LockOptions): Promise<Ownership | undefined> {
  return new Promise((resolve, reject) => {
    let isHeld = false;
    let release: () => void = () => {};
    let lose: () => void = () => {};
    const lost = new Promise<void>((resolve) => (lose = resolve));
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
