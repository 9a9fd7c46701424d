// The recovery key: until the person has it, what is to be stored at the server under it, and what it gives back.

import { SECRETS, type JsonObject } from "@e2e/machine";

import { object } from "../json";
import type { Device } from "./device";
import { named } from "./named";
import { PUBLIC_MASTER, recoveryKeyOf, type AccountData } from "./secrets";

export class Recovery {
  readonly #device: Device;

  constructor(device: Device) {
    this.#device = device;
  }

  /** What is to be stored at the server as account data, in this order: nothing, if it is of another identity. */
  async accountData(): Promise<AccountData[]> {
    const { pinned_key, has_changed } = await this.#device.read((machine) => machine.user(this.#device.userId));
    // An earlier version did not note whose it is.
    const of = await this.#device.storage.get<string>("kept", "accountDataOf");
    return has_changed || (of ?? pinned_key) !== pinned_key ? [] : this.#waiting();
  }

  async #waiting(): Promise<AccountData[]> {
    return (await this.#device.storage.get<AccountData[]>("kept", "accountData")) ?? [];
  }

  /** This is stored; what came meanwhile is not yet. */
  async accountDataStored(stored: AccountData[]): Promise<void> {
    const done = new Set(stored.map((one) => JSON.stringify(one)));
    await this.#device.batch(async () => {
      const left = (await this.#waiting()).filter((one) => !done.has(JSON.stringify(one)));
      return { result: undefined, values: [["kept", "accountData", left.length > 0 ? left : undefined]] };
    });
  }

  /** The recovery key, until the person has it. */
  async key(): Promise<string | undefined> {
    return this.#device.storage.get<string>("kept", "recoveryKey");
  }

  async keySaved(): Promise<void> {
    await this.#device.batch(async () => ({ result: undefined, values: [["kept", "recoveryKey", undefined]] }));
  }

  /** Forgets the recovery key that waits to be saved, if it is this one still, where another one opens what is stored by now. */
  async checkKey(waiting: string, accountData: Record<string, JsonObject>): Promise<void> {
    try {
      recoveryKeyOf(this.#device.module, waiting, accountData);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "Authentication") return;
      await this.#device.batch(async () => {
        const isSame = (await this.key()) === waiting;
        return { result: undefined, values: isSame ? [["kept", "recoveryKey", undefined]] : [] };
      });
    }
  }

  /**
   * Takes over the identity with the recovery key that a person typed. Answers the private keys of the backup, if they
   * are there. Errors: `Encoding` mistyped, `Authentication` another key, `Unknown` nothing is stored.
   */
  async recover(typed: string, accountData: Record<string, JsonObject>): Promise<Uint8Array | undefined> {
    const { recovery, id } = recoveryKeyOf(this.#device.module, typed, accountData);
    const secret = (name: string) => {
      const content = accountData[name];
      if (!object(object(content?.["encrypted"])?.[id])) return undefined;
      return recovery.decrypt(id, name, JSON.stringify(content));
    };
    const [master, publicMaster] = [secret(SECRETS.master), secret(PUBLIC_MASTER)];
    const [selfSigning, userSigning, mac] = [secret(SECRETS.selfSigning), secret(SECRETS.userSigning), secret(SECRETS.backupMac)];
    if (!selfSigning || !userSigning) throw named("Unknown", "no identity is stored");
    const { deviceId, userId } = this.#device;
    await this.#device.batch((machine, write) => {
      if (master) write(machine.adoptIdentity(master, selfSigning, userSigning));
      else if (publicMaster) {
        write(machine.verifyIdentity(userId, publicMaster));
        write(machine.keepSecret(SECRETS.selfSigning, selfSigning));
        write(machine.keepSecret(SECRETS.userSigning, userSigning));
        write(machine.vouchFor(deviceId, machine.deviceKey()));
      } else throw named("Unknown", "no identity is stored");
      if (mac) write(machine.keepSecret(SECRETS.backupMac, mac));
      return { result: undefined };
    });
    return secret(SECRETS.backupPrivate);
  }
}
