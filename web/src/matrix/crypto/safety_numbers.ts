// Safety numbers: sixty digits by which two people see that they have each other's keys, and no one else's.

import type { Machine, Step } from "@e2e/machine";

import { fromBase64 } from "../base64";
import type { Device } from "./device";
import { named } from "./named";

/** A code of something else is `foreign`. */
export type Scanned = "matches" | "differs" | "foreign";

const SAFETY_NUMBER = /^\d{60}$/;

export class SafetyNumbers {
  readonly #device: Device;

  constructor(device: Device) {
    this.#device = device;
  }

  /** The sixty digits for this user and another; `undefined` while a key is missing. */
  with(userId: string): Promise<string | undefined> {
    return this.#device.read((machine) => this.#between(machine, userId)?.number);
  }

  /** Goes on with a changed identity that was not compared: `number` is what was shown. */
  accept(userId: string, number: string): Promise<void> {
    return this.#lookedAt(userId, number, (machine, master) => machine.acceptIdentity(userId, master));
  }

  /** The safety numbers were compared and are the same: `number` is what was shown. */
  matches(userId: string, number: string): Promise<void> {
    return this.#lookedAt(userId, number, (machine, master) => machine.verifyIdentity(userId, master));
  }

  /** What a camera read from the other's screen: believed, if it is the number of now. */
  async scanned(userId: string, words: string): Promise<Scanned> {
    if (!SAFETY_NUMBER.test(words)) return "foreign";
    try {
      await this.matches(userId, words);
      return "matches";
    } catch (error) {
      if (error instanceof Error && error.name === "Identity") return "differs";
      throw error;
    }
  }

  /** Does something with the identity behind a number, if it is still the one that the server tells of. */
  #lookedAt(
    userId: string,
    number: string,
    believe: (machine: Machine, master: Uint8Array) => Step<null>,
  ): Promise<void> {
    return this.#device.batch((machine, write) => {
      const now = this.#between(machine, userId);
      if (now?.number !== number) throw named("Identity", "the key changed");
      write(believe(machine, now.master));
      return { result: undefined };
    });
  }

  #between(machine: Machine, userId: string): { number: string; master: Uint8Array } | undefined {
    const { module, userId: me } = this.#device;
    const own = machine.user(me).pinned_key;
    const other = machine.user(userId).master_key;
    if (!own || !other) return undefined;
    const master = fromBase64(other);
    return { number: module.safetyNumber(me, fromBase64(own), userId, master), master };
  }
}
