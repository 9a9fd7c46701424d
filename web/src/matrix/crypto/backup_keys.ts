// The backup's keys: which version is written to, new ones that wait for the recovery key, and what a version gives back.

import { SECRETS, type JsonObject, type Machine } from "@e2e/machine";

import { fromBase64, toBase64 } from "../base64";
import { entitled, type Write } from "./approval";
import type { Device } from "./device";
import { recoveryKeyOf } from "./recovery_key";
import type { AccountData } from "./secrets";
import type { Values } from "./storage";
import { follow, isReplaced } from "./succession";

type Secret = [name: string, base64: string];

/** What is kept of new keys. */
export const NEW_BACKUP = "newBackup";
const RENEWAL = "backupRenewal";

/** The backup is to get new keys, if there is one: nobody here knows. */
export const RENEWAL_DUE: Values[number] = ["kept", RENEWAL, true];
const NO_RENEWAL_DUE: Values[number] = ["kept", RENEWAL, undefined];

export class BackupKeys {
  readonly #device: Device;
  /** What of the new keys was sealed last. */
  #sealed: Secret[] = [];

  constructor(device: Device) {
    this.#device = device;
  }

  /** The backup has new keys, which wait for the recovery key to be stored under it. */
  async isRenewed(): Promise<boolean> {
    return (await this.#device.storage.get("kept", NEW_BACKUP)) !== undefined;
  }

  /** Seals the backup's new keys, for the account data; nothing, if none wait. Errors as of `recover`. */
  async sealRenewed(typed: string, accountData: Record<string, JsonObject>): Promise<AccountData[]> {
    const { recovery, id } = await recoveryKeyOf(this.#device, typed, accountData);
    this.#sealed = await this.#renewed();
    return this.#sealed.map(([name, secret]): AccountData => {
      return [name, JSON.parse(recovery.encrypt(id, name, fromBase64(secret))) as JsonObject];
    });
  }

  /** What was sealed is stored; keys that are newer than that still wait. */
  renewedStored(): Promise<void> {
    return this.#device.batch(async () => {
      const isSame = JSON.stringify(await this.#renewed()) === JSON.stringify(this.#sealed);
      return { result: undefined, values: isSame ? [["kept", NEW_BACKUP, undefined]] : [] };
    });
  }

  async #renewed(): Promise<Secret[]> {
    return (await this.#device.storage.get<Secret[]>("kept", NEW_BACKUP)) ?? [];
  }

  /**
   * Writes to this version of the backup, which the server has. If that is of another own device, which removed one as
   * well, new keys from here wait no longer: stored, they would take the place of those that are in use. Errors:
   * `Authentication`, `Identity`, if no own device made it whose keys are here.
   */
  use(version: JsonObject): Promise<null> {
    return this.#device.batch(async (machine, write) => {
      const values = await this.#use(version, machine, write);
      return { result: null, values: [...values, ...(await followMac(this.#device, machine, write))] };
    });
  }

  async #use(version: JsonObject, machine: Machine, write: Write): Promise<Values> {
    const own = (await this.#renewed()).find(([name]) => name === SECRETS.backupMac)?.[1];
    if (own === undefined) {
      write(machine.useBackup(version));
      return [];
    }
    // Another device's key may have come in the place of the one from here.
    const present = write(machine.secret(SECRETS.backupMac));
    write(machine.keepSecret(SECRETS.backupMac, fromBase64(own)));
    try {
      write(machine.useBackup(version));
      return [];
    } catch {
      write(machine.keepSecret(SECRETS.backupMac, present));
    }
    write(machine.useBackup(version));
    return [["kept", NEW_BACKUP, undefined]];
  }

  async isRenewalDue(): Promise<boolean> {
    return (await this.#device.storage.get("kept", RENEWAL)) !== undefined;
  }

  /** There is a backup: it gets new keys, which wait for the recovery key. */
  renew(): Promise<void> {
    return this.#device.batch(async (machine, write) => {
      const values = keptUntilStored(machine, write, beginBackup(this.#device, machine, write));
      return { result: undefined, values: [...values, ...(await followMac(this.#device, machine, write))] };
    });
  }

  /** There is none, or it is another client's. */
  dropRenewal(): Promise<void> {
    return this.#device.batch(() => ({ result: undefined, values: [NO_RENEWAL_DUE] }));
  }

  async restore(privateKeys: Uint8Array, keys: JsonObject): Promise<number> {
    return this.#device.batch((machine, write) => {
      const mac = write(machine.secret(SECRETS.backupMac));
      return { result: write(machine.restore(privateKeys, mac, keys)) };
    });
  }

  /** What waits to be written to the backup is to be written at once. */
  hurry(): Promise<null> {
    return this.#device.run((machine) => machine.hurryBackup());
  }

  /** The rooms of which keys are here that are not in the backup yet. */
  unsavedRooms(): Promise<string[]> {
    return this.#device.read((machine) => machine.unsavedRooms());
  }
}

/** Begins a new backup, and gives all own devices the key by which they write to it. Answers its private keys. */
export function beginBackup({ userId, deviceId }: Device, machine: Machine, write: Write): Uint8Array {
  const privateKeys = write(machine.createBackup());
  const others = entitled(machine.user(userId)).filter((one) => one !== deviceId);
  for (const other of others) write(machine.shareSecret(other, SECRETS.backupMac));
  return privateKeys;
}

/** The keys of a backup that was begun here just now, until they are stored under the recovery key. */
export function keptUntilStored(machine: Machine, write: Write, privateKeys: Uint8Array): Values {
  const waiting: Secret[] = [
    [SECRETS.backupPrivate, toBase64(privateKeys)],
    [SECRETS.backupMac, toBase64(write(machine.secret(SECRETS.backupMac)))],
  ];
  return [["kept", NEW_BACKUP, waiting], NO_RENEWAL_DUE];
}

/** Writes with the key that is here from now on: one that was here before comes in its place no more. */
export async function followMac({ storage }: Device, machine: Machine, write: Write): Promise<Values> {
  return follow(storage, "backupMacs", await hashOf(write(machine.secret(SECRETS.backupMac))));
}

/** Whether this device has written with another key since: who was removed meanwhile knows this one. */
export async function isMacReplaced({ storage }: Device, mac: Uint8Array): Promise<boolean> {
  return isReplaced(storage, "backupMacs", await hashOf(mac));
}

async function hashOf(secret: Uint8Array): Promise<string> {
  return toBase64(new Uint8Array(await crypto.subtle.digest("SHA-256", secret.slice())));
}
