// The recovery key: until the person has it, what is to be stored at the server under it, and what it gives back.

import { SECRETS, type JsonObject } from "@e2e/machine";

import { object, text } from "../json";
import { followMac, isMacReplaced } from "./backup_keys";
import type { Device } from "./device";
import { named } from "./named";
import { recoveryKeyOf } from "./recovery_key";
import { DEFAULT_KEY, PUBLIC_MASTER, type AccountData } from "./secrets";
import { follow, isReplaced } from "./succession";

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
      const id = text(stored.find(([type]) => type === DEFAULT_KEY)?.[1]["key"]);
      const followed = id === undefined ? [] : await follow(this.#device.storage, "recoveryKeys", id);
      return { result: undefined, values: [...followed, ["kept", "accountData", left.length > 0 ? left : undefined]] };
    });
  }

  /** The recovery key, until the person has it. */
  async key(): Promise<string | undefined> {
    return this.#device.storage.get<string>("kept", "recoveryKey");
  }

  async keySaved(): Promise<void> {
    await this.#device.batch(async () => ({ result: undefined, values: [["kept", "recoveryKey", undefined]] }));
  }

  /**
   * Forgets the recovery key that waits to be saved, if it is this one still, where another one opens what is stored by now:
   * not one whose place it took, which the server shows again.
   */
  async checkKey(waiting: string, accountData: Record<string, JsonObject>): Promise<void> {
    try {
      await recoveryKeyOf(this.#device, waiting, accountData);
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
   * are there. Errors: `Encoding` mistyped, `Authentication` another key, `Unknown` nothing is stored, `Replaced` what is
   * stored, or the identity in it, had made way for another one on this device, and the server shows it again.
   */
  async recover(typed: string, accountData: Record<string, JsonObject>): Promise<Uint8Array | undefined> {
    const { recovery, id } = await recoveryKeyOf(this.#device, typed, accountData);
    const { storage, deviceId, userId } = this.#device;
    const secret = (name: string) => {
      const content = accountData[name];
      if (!object(object(content?.["encrypted"])?.[id])) return undefined;
      return recovery.decrypt(id, name, JSON.stringify(content));
    };
    const [master, publicMaster] = [secret(SECRETS.master), secret(PUBLIC_MASTER)];
    const [selfSigning, userSigning, mac] = [secret(SECRETS.selfSigning), secret(SECRETS.userSigning), secret(SECRETS.backupMac)];
    if (!selfSigning || !userSigning) throw named("Unknown", "no identity is stored");
    await this.#device.batch(async (machine, write) => {
      const before = machine.user(userId).pinned_key;
      if (master) write(machine.adoptIdentity(master, selfSigning, userSigning));
      else if (publicMaster) {
        write(machine.verifyIdentity(userId, publicMaster));
        write(machine.keepSecret(SECRETS.selfSigning, selfSigning));
        write(machine.keepSecret(SECRETS.userSigning, userSigning));
        write(machine.vouchFor(deviceId, machine.deviceKey()));
      } else throw named("Unknown", "no identity is stored");
      const after = machine.user(userId).pinned_key;
      if (after !== null && (await isReplaced(storage, "identities", after))) throw named("Replaced", "another identity took its place");
      const values = [...(await follow(storage, "identities", before, after)), ...(await follow(storage, "recoveryKeys", id))];
      // Newer keys of the backup may wait to be stored, or be held back.
      if (!mac || (await isMacReplaced(this.#device, mac))) return { result: undefined, values };
      write(machine.keepSecret(SECRETS.backupMac, mac));
      return { result: undefined, values: [...values, ...(await followMac(this.#device, machine, write))] };
    });
    return secret(SECRETS.backupPrivate);
  }
}
