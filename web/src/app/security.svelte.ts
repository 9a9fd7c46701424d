// The passphrase that guards what is kept here, and when it is asked for again.

import type { Extra } from "../matrix/crypto/extra";
import { alone } from "../matrix/owner";
import { relock, type LockRecord } from "../matrix/store/lock";

/** Where locks are kept. */
export interface Locks {
  lock(userId: string): Promise<LockRecord>;
  setLock(userId: string, lock: LockRecord): Promise<void>;
}

const [AFTER, ACTIVE] = ["lock after", "last active"];
const NOTED_MS = 5000;
const LOOKS_MS = 10_000;

export class Security {
  hasPassphrase = $state(false);
  /** After how many minutes without a touch it locks by itself; 0: never. */
  minutes = $state(Number(localStorage.getItem(AFTER)) || 0);

  readonly #locks: Locks;
  readonly #extra: Extra;
  readonly #userId: string;
  readonly #lockNow: () => void;

  constructor(locks: Locks, extra: Extra, userId: string, lockNow: () => void) {
    this.#locks = locks;
    this.#extra = extra;
    this.#userId = userId;
    this.#lockNow = lockNow;
  }

  async load(): Promise<void> {
    this.hasPassphrase = (await this.#locks.lock(this.#userId)).passphrase !== undefined;
  }

  /** Sets, changes or takes away the passphrase. Errors: `WrongPassphrase`, if `old` is not the present one. */
  async change(old: string | undefined, next: string | undefined): Promise<void> {
    const made = next === undefined ? undefined : await this.#extra.newPassphrase(next);
    await alone(this.#userId, "lock", async () => {
      const lock = await this.#locks.lock(this.#userId);
      const key = lock.passphrase === undefined ? undefined : await this.#extra.passphraseKey(old ?? "", lock.passphrase);
      await this.#locks.setLock(this.#userId, await relock(lock, key, made));
    });
    this.hasPassphrase = made !== undefined;
  }

  lockAfter(minutes: number): void {
    this.minutes = minutes;
    localStorage.setItem(AFTER, `${minutes}`);
    localStorage.setItem(ACTIVE, `${Date.now()}`);
  }

  /** Locks, if there is a passphrase by now: another tab may have set one. */
  async lock(): Promise<void> {
    await this.load();
    if (this.hasPassphrase) this.#lockNow();
  }

  /** Looks whether somebody is there, in this tab or another, until the answer is called. */
  watch(): () => void {
    localStorage.setItem(ACTIVE, `${Date.now()}`);
    const idleFor = () => Date.now() - Number(localStorage.getItem(ACTIVE));
    const look = () => {
      const minutes = Number(localStorage.getItem(AFTER)) || 0;
      if (minutes > 0 && idleFor() > minutes * 60_000) void this.lock();
    };
    const touched = () => {
      // Who comes back too late finds it locked, also where the machine slept.
      look();
      if (idleFor() > NOTED_MS) localStorage.setItem(ACTIVE, `${Date.now()}`);
    };
    const kinds = ["pointerdown", "pointermove", "keydown", "wheel"] as const;
    for (const kind of kinds) addEventListener(kind, touched, { capture: true, passive: true });
    const timer = setInterval(look, LOOKS_MS);
    return () => {
      clearInterval(timer);
      for (const kind of kinds) removeEventListener(kind, touched, { capture: true });
    };
  }
}
