// A recovery key in the place of one that is lost, and a new identity where nothing opens the old one any more.
//
//   lost, approved here     secrets that are here, the public master key ──► under a new recovery key, with a new backup
//   lost, approved nowhere  prepared ──► the server takes it ──► taken over here, with a new recovery key and backup
//
// Until the server took it, a new identity is nothing but kept: the machine goes on with the old one.

import { Machine, SECRETS, type JsonObject } from "@e2e/machine";

import { fromBase64 } from "../base64";
import type { Write } from "./approval";
import { beginBackup, followMac, NEW_BACKUP } from "./backup_keys";
import type { Device } from "./device";
import { named } from "./named";
import { PUBLIC_MASTER, sealUnder, type AccountData } from "./secrets";
import type { Values } from "./storage";
import { follow } from "./succession";

/** A new identity: private keys in base64, and what tells the server of it. */
interface Prepared {
  master: string;
  selfSigning: string;
  userSigning: string;
  upload: JsonObject;
}

type Secret = [name: string, secret: Uint8Array];

const PREPARED = "newIdentity";

export class Identity {
  readonly #device: Device;

  constructor(device: Device) {
    this.#device = device;
  }

  /**
   * Makes this user's identity, a key backup and a recovery key. The identity's master key is kept nowhere but in what
   * waits to be stored at the server.
   */
  bootstrap(): Promise<void> {
    return this.#device.batch(async (machine, write) => {
      const made = write(machine.bootstrap());
      const secrets = secretsOf(made.master, made.self_signing, made.user_signing);
      return { result: undefined, values: await this.#store(machine, write, secrets, true) };
    });
  }

  /**
   * Makes another recovery key, and what is to be stored at the server under it: the master key's private half is lost.
   * `hasBackup`: with a new backup, as the old one's private keys are lost, too. Errors: `Identity`, if this device is not
   * approved.
   */
  renewRecoveryKey(hasBackup: boolean): Promise<void> {
    const { userId } = this.#device;
    return this.#device.batch(async (machine, write) => {
      const { pinned_key: master, has_changed } = machine.user(userId);
      if (!master || has_changed) throw named("Identity", "not approved");
      const kept = [SECRETS.selfSigning, SECRETS.userSigning].map((name): Secret => [name, write(machine.secret(name))]);
      const secrets: Secret[] = [[PUBLIC_MASTER, fromBase64(master)], ...kept];
      return { result: undefined, values: await this.#store(machine, write, secrets, hasBackup) };
    });
  }

  /** A new identity, for the server: the same one until it was taken over or dropped. */
  prepare(): Promise<JsonObject> {
    return this.#device.batch(async () => {
      const before = await this.#prepared();
      if (before) return { result: before.upload };
      // A machine that nobody goes on with.
      const aside = Machine.open(this.#device.module, await this.#device.storage.rows());
      const made = aside.bootstrap().result;
      const upload = aside.requests().result.findLast(({ kind }) => kind === "signing_keys_upload")?.body;
      if (!upload) throw new Error("no identity was made");
      const prepared: Prepared = { master: made.master, selfSigning: made.self_signing, userSigning: made.user_signing, upload };
      return { result: upload, values: [["kept", PREPARED, prepared]] };
    });
  }

  async isPrepared(): Promise<boolean> {
    return (await this.#prepared()) !== undefined;
  }

  /** The server did not take it. */
  drop(): Promise<void> {
    return this.#device.batch(async () => ({ result: undefined, values: [["kept", PREPARED, undefined]] }));
  }

  /**
   * Takes over the identity that was prepared, with a recovery key, and with a backup if `hasBackup`. Errors: `Identity`,
   * if the server tells of another one.
   */
  take(hasBackup: boolean): Promise<void> {
    return this.#device.batch(async (machine, write) => {
      const prepared = await this.#prepared();
      if (!prepared) throw named("Identity", "nothing was prepared");
      const { master, selfSigning, userSigning } = prepared;
      const before = this.#pinned(machine);
      write(machine.adoptIdentity(fromBase64(master), fromBase64(selfSigning), fromBase64(userSigning)));
      const stored = await this.#store(machine, write, secretsOf(master, selfSigning, userSigning), hasBackup);
      const followed = await follow(this.#device.storage, "identities", before, this.#pinned(machine));
      return { result: undefined, values: [...stored, ...followed, ["kept", PREPARED, undefined]] };
    });
  }

  /** What the server is to keep under a new recovery key, in the place of all that waited to be stored. */
  async #store(machine: Machine, write: Write, secrets: Secret[], hasBackup: boolean): Promise<Values> {
    const followed: Values = [];
    if (hasBackup) {
      secrets.push([SECRETS.backupPrivate, beginBackup(this.#device, machine, write)]);
      secrets.push([SECRETS.backupMac, write(machine.secret(SECRETS.backupMac))]);
      followed.push(...(await followMac(this.#device, machine, write)));
    }
    const recovery = this.#device.module.RecoveryKey.generate();
    const accountData: AccountData[] = sealUnder(recovery, secrets);
    // What the lost key opens is of use to nobody but who finds it.
    if (!secrets.some(([name]) => name === SECRETS.master)) accountData.push([SECRETS.master, {}]);
    return [
      ...followed,
      ["kept", "accountData", accountData],
      ["kept", "accountDataOf", this.#pinned(machine)],
      ["kept", "recoveryKey", recovery.encode()],
      ["kept", NEW_BACKUP, undefined],
    ];
  }

  #pinned(machine: Machine): string | null {
    return machine.user(this.#device.userId).pinned_key;
  }

  #prepared(): Promise<Prepared | undefined> {
    return this.#device.storage.get<Prepared>("kept", PREPARED);
  }
}

function secretsOf(master: string, selfSigning: string, userSigning: string): Secret[] {
  return [
    [SECRETS.master, fromBase64(master)],
    [SECRETS.selfSigning, fromBase64(selfSigning)],
    [SECRETS.userSigning, fromBase64(userSigning)],
  ];
}
