// Comparisons with other devices, of this person and of others, as far as they are.

import type { VerificationView } from "@e2e/machine";

import type { Device } from "./device";
import type { HistoryKeys } from "./history_keys";

export class Verification {
  readonly #device: Device;
  readonly #history: HistoryKeys;

  constructor(device: Device, history: HistoryKeys) {
    this.#device = device;
    this.#history = history;
  }

  request(userId: string, deviceId?: string): Promise<string> {
    return this.#device.run((machine) => machine.requestVerification(userId, deviceId));
  }

  accept(id: string): Promise<null> {
    return this.#device.run((machine) => machine.acceptVerification(id));
  }

  startSas(id: string): Promise<null> {
    return this.#device.run((machine) => machine.startSas(id));
  }

  confirmSas(id: string): Promise<null> {
    return this.#device.batch(async (machine, write) => {
      const result = write(machine.confirmSas(id));
      return { result, values: await this.#history.handOver(machine, write, [id]) };
    });
  }

  cancel(id: string, code: "m.user" | "m.mismatched_sas"): Promise<null> {
    return this.#device.run((machine) => machine.cancelVerification(id, code));
  }

  view(id: string): Promise<VerificationView | null> {
    return this.#device.read((machine) => machine.verification(id));
  }
}
