// Own devices that are logged out: that they are none any more is stated as soon as the server did it.

import type { Machine } from "@e2e/machine";

import type { Write } from "./approval";
import { followMac, keptUntilStored, NEW_BACKUP, RENEWAL_DUE } from "./backup_keys";
import type { Device } from "./device";
import type { Values } from "./storage";

const TO_REMOVE = "toRemove";

export class Removals {
  readonly #device: Device;

  constructor(device: Device) {
    this.#device = device;
  }

  /** The server is asked to log these out: once it did, that is stated. Answers those of which it was not meant before. */
  intend(deviceIds: string[]): Promise<string[]> {
    return this.#device.batch(async () => {
      const before = await this.#toRemove();
      const fresh = deviceIds.filter((one) => !before.includes(one));
      return { result: fresh, values: [["kept", TO_REMOVE, [...before, ...fresh]]] };
    });
  }

  drop(deviceIds: string[]): Promise<void> {
    return this.#device.batch(async () => ({ result: undefined, values: [await this.#leftToRemove(deviceIds)] }));
  }

  /**
   * States that those are removed which the server logged out: `answered`, and those of which no answer came. Answers whether
   * there were any.
   */
  async state(answered: string[] = []): Promise<boolean> {
    if ((await this.#toRemove()).length === 0) return false;
    return this.#device.batch(async (machine, write) => {
      const { devices } = machine.user(this.#device.userId);
      const find = (id: string) => devices.find((one) => one.device_id === id);
      const done = (await this.#toRemove()).filter((id) => answered.includes(id) || typeof find(id)?.gone_at === "number");
      if (done.length === 0) return { result: false };
      const values = done.filter((id) => find(id)?.is_removed === false).flatMap((id) => remove(machine, write, id));
      const isRenewed = values.some(([, name]) => name === NEW_BACKUP);
      const followed = isRenewed ? await followMac(this.#device, machine, write) : [];
      return { result: true, values: [...values, ...followed, await this.#leftToRemove(done)] };
    });
  }

  async #toRemove(): Promise<string[]> {
    return (await this.#device.storage.get<string[]>("kept", TO_REMOVE)) ?? [];
  }

  async #leftToRemove(done: string[]): Promise<Values[number]> {
    const left = (await this.#toRemove()).filter((one) => !done.includes(one));
    return ["kept", TO_REMOVE, left.length > 0 ? left : undefined];
  }
}

/** Where there is a backup, it gets new keys: the removed device knows the old ones. Where that is not known, it is looked at. */
function remove(machine: Machine, write: Write, deviceId: string): Values {
  const privateKeys = write(machine.removeDevice(deviceId));
  return privateKeys.length > 0 ? keptUntilStored(machine, write, privateKeys) : [RENEWAL_DUE];
}
