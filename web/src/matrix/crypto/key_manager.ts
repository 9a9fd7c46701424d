// KeyManager: this device's keys, and everybody else's.

import type { Json, Machine, OutgoingRequest, SyncInput, Synced, UserView } from "@e2e/machine";

import type { Write } from "./approval";
import type { Device } from "./device";
import type { HistoryKeys } from "./history_keys";

export class KeyManager {
  readonly #device: Device;
  readonly #history: HistoryKeys;

  constructor(device: Device, history: HistoryKeys) {
    this.#device = device;
    this.#history = history;
  }

  /** `areNewsMissed`: changes of devices before it may be unknown. */
  pushSync(sync: SyncInput, areNewsMissed: boolean): Promise<Synced> {
    return this.#takeIn((machine, write) => {
      if (areNewsMissed) write(machine.outdateAll());
      return write(machine.pushSync(sync));
    });
  }

  /** What other own devices sent or confirmed has its effects in the same transaction. */
  #takeIn(operate: (machine: Machine, write: Write) => Synced): Promise<Synced> {
    return this.#device.batch(async (machine, write) => {
      const result = operate(machine, write);
      return { result, values: await this.#history.takeIn(machine, write, result) };
    });
  }

  requests(): Promise<OutgoingRequest[]> {
    return this.#device.run((machine) => machine.requests());
  }

  markSent(id: number, answer: Json): Promise<Synced> {
    return this.#takeIn((machine, write) => write(machine.markSent(id, answer)));
  }

  markRefused(id: number, status: number): Promise<null> {
    return this.#device.run((machine) => machine.markRefused(id, status));
  }

  track(userId: string): Promise<null> {
    return this.#device.run((machine) => machine.track(userId));
  }

  user(userId: string): Promise<UserView> {
    return this.#device.read((machine) => machine.user(userId));
  }

  /** Several at once, in their order. */
  users(userIds: string[]): Promise<UserView[]> {
    return this.#device.read((machine) => userIds.map((userId) => machine.user(userId)));
  }

  /** All keys that are here, for a file. */
  exportKeys(): Promise<Uint8Array> {
    return this.#device.run((machine) => machine.exportKeys());
  }

  /** Takes in the keys of a file; answers how many were new. */
  importKeys(keys: Uint8Array): Promise<number> {
    return this.#device.run((machine) => machine.importKeys(keys));
  }
}
