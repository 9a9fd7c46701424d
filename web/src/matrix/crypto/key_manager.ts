// KeyManager: this device's keys, its user's identity, everybody else's, and the recovery key.

import {
  SECRETS,
  type Json,
  type JsonObject,
  type Machine,
  type OutgoingRequest,
  type RecoveryKey,
  type Step,
  type SyncInput,
  type Synced,
  type UserView,
  type VerificationView,
} from "@e2e/machine";

import { fromBase64, toBase64 } from "../base64";
import { object, text } from "../json";
import {
  handOver,
  historyDue,
  historyLeftOut,
  historySent,
  historyTaken,
  historyTold,
  keepTold,
  type LeftOut,
  type Write,
} from "./approval";
import type { Device } from "./device";
import { inFiles, packHistory, unpackHistory, type Packed, type RoomKeys } from "./history_file";
import { DEFAULT_KEY, keyType, PUBLIC_MASTER, sealUnder, type AccountData } from "./secrets";
import type { Batch } from "./storage";

type Values = NonNullable<Batch["values"]>;
type Secret = [name: string, base64: string];
type SafetyNumber = (...people: [string, Uint8Array, string, Uint8Array]) => string;

/** A code of something else is `foreign`. */
export type Scanned = "matches" | "differs" | "foreign";

const TO_REMOVE = "toRemove";
const SAFETY_NUMBER = /^\d{60}$/;

export class KeyManager {
  readonly #device: Device;
  readonly #safetyNumber: SafetyNumber;
  /** What of the backup's new keys was sealed last. */
  #sealed: Secret[] = [];
  /** No keys of what was said before are known to wait. */
  #isHistoryPassed = false;

  constructor(device: Device, safetyNumber: SafetyNumber) {
    this.#device = device;
    this.#safetyNumber = safetyNumber;
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
    const { storage, userId } = this.#device;
    return this.#device.batch(async (machine, write) => {
      const result = operate(machine, write);
      const told = await keepTold(storage, this.#device, result);
      const due = await handOver(storage, userId, machine, write, result.verifications);
      if (told.length + due.length > 0) this.#isHistoryPassed = false;
      return { result, values: [...told, ...due] };
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

  /**
   * Makes this user's identity, a key backup and a recovery key. The identity's master key is kept nowhere but in what
   * is answered by `accountData` until it is stored at the server.
   */
  async bootstrap(): Promise<void> {
    const { RecoveryKey } = this.#device.module;
    await this.#device.batch((machine, write) => {
      const made = write(machine.bootstrap());
      const backup = write(machine.createBackup());
      const mac = write(machine.secret(SECRETS.backupMac));
      const recovery = RecoveryKey.generate();
      const accountData = sealUnder(recovery, [
        [SECRETS.master, fromBase64(made.master)],
        [SECRETS.selfSigning, fromBase64(made.self_signing)],
        [SECRETS.userSigning, fromBase64(made.user_signing)],
        [SECRETS.backupPrivate, backup],
        [SECRETS.backupMac, mac],
      ]);
      return {
        result: undefined,
        values: [
          ["kept", "accountData", accountData],
          ["kept", "accountDataOf", machine.user(this.#device.userId).pinned_key],
          ["kept", "recoveryKey", recovery.encode()],
        ],
      };
    });
  }

  /** What is to be stored at the server as account data, in this order: nothing, if it is of another identity. */
  async accountData(): Promise<AccountData[]> {
    const { pinned_key, has_changed } = await this.user(this.#device.userId);
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
  async recoveryKey(): Promise<string | undefined> {
    return this.#device.storage.get<string>("kept", "recoveryKey");
  }

  async recoveryKeySaved(): Promise<void> {
    await this.#device.batch(async () => ({ result: undefined, values: [["kept", "recoveryKey", undefined]] }));
  }

  /** Forgets the recovery key that waits to be saved, if it is this one still, where another one opens what is stored by now. */
  async checkRecoveryKey(waiting: string, accountData: Record<string, JsonObject>): Promise<void> {
    try {
      this.#recoveryKeyOf(waiting, accountData);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "Authentication") return;
      await this.#device.batch(async () => {
        const isSame = (await this.recoveryKey()) === waiting;
        return { result: undefined, values: isSame ? [["kept", "recoveryKey", undefined]] : [] };
      });
    }
  }

  /**
   * Takes over the identity with the recovery key that a person typed. Answers the private keys of the backup, if they
   * are there. Errors: `Encoding` mistyped, `Authentication` another key, `Unknown` nothing is stored.
   */
  async recover(typed: string, accountData: Record<string, JsonObject>): Promise<Uint8Array | undefined> {
    const { recovery, id } = this.#recoveryKeyOf(typed, accountData);
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

  #recoveryKeyOf(typed: string, accountData: Record<string, JsonObject>): { recovery: RecoveryKey; id: string } {
    const recovery = this.#device.module.RecoveryKey.parse(typed);
    const id = text(accountData[DEFAULT_KEY]?.["key"]) ?? "";
    const description = accountData[keyType(id)];
    if (!description) throw named("Unknown", "no secrets are stored");
    if (!recovery.check(JSON.stringify(description))) throw named("Authentication", "another key");
    return { recovery, id };
  }

  /** The backup has new keys, which wait for the recovery key to be stored under it. */
  async hasNewBackup(): Promise<boolean> {
    return (await this.#device.storage.get("kept", "newBackup")) !== undefined;
  }

  /** Seals the backup's new keys, for the account data; nothing, if none wait. Errors as of `recover`. */
  async sealNewBackup(typed: string, accountData: Record<string, JsonObject>): Promise<AccountData[]> {
    const { recovery, id } = this.#recoveryKeyOf(typed, accountData);
    this.#sealed = await this.#newBackup();
    return this.#sealed.map(([name, secret]): AccountData => {
      return [name, JSON.parse(recovery.encrypt(id, name, fromBase64(secret))) as JsonObject];
    });
  }

  /** What was sealed is stored; keys that are newer than that still wait. */
  newBackupStored(): Promise<void> {
    return this.#device.batch(async () => {
      const isSame = JSON.stringify(await this.#newBackup()) === JSON.stringify(this.#sealed);
      return { result: undefined, values: isSame ? [["kept", "newBackup", undefined]] : [] };
    });
  }

  async #newBackup(): Promise<Secret[]> {
    return (await this.#device.storage.get<Secret[]>("kept", "newBackup")) ?? [];
  }

  /**
   * Writes to this version of the backup, which the server has. If that is of another own device, which removed one as
   * well, new keys from here wait no longer: stored, they would take the place of those that are in use. Errors:
   * `Authentication`, `Identity`, if no own device made it whose keys are here.
   */
  useBackup(version: JsonObject): Promise<null> {
    return this.#device.batch(async (machine, write) => {
      const own = (await this.#newBackup()).find(([name]) => name === SECRETS.backupMac)?.[1];
      if (own === undefined) return { result: write(machine.useBackup(version)) };
      // Another device's key may have come in the place of the one from here.
      const present = write(machine.secret(SECRETS.backupMac));
      write(machine.keepSecret(SECRETS.backupMac, fromBase64(own)));
      try {
        return { result: write(machine.useBackup(version)) };
      } catch {
        write(machine.keepSecret(SECRETS.backupMac, present));
      }
      return { result: write(machine.useBackup(version)), values: [["kept", "newBackup", undefined]] };
    });
  }

  async restore(privateKeys: Uint8Array, keys: JsonObject): Promise<number> {
    return this.#device.batch((machine, write) => {
      const mac = write(machine.secret(SECRETS.backupMac));
      return { result: write(machine.restore(privateKeys, mac, keys)) };
    });
  }

  /** What waits to be written to the backup is to be written at once. */
  hurryBackup(): Promise<null> {
    return this.#device.run((machine) => machine.hurryBackup());
  }

  /** The rooms of which keys are here that are not in the backup yet. */
  unsavedRooms(): Promise<string[]> {
    return this.#device.read((machine) => machine.unsavedRooms());
  }

  /** All keys that are here, for a file. */
  exportKeys(): Promise<Uint8Array> {
    return this.#device.run((machine) => machine.exportKeys());
  }

  /** Takes in the keys of a file; answers how many were new. */
  importKeys(keys: Uint8Array): Promise<number> {
    return this.#device.run((machine) => machine.importKeys(keys));
  }

  /** The sixty digits for this user and another; `undefined` while a key is missing. */
  async safetyNumber(userId: string): Promise<string | undefined> {
    return this.#device.read((machine) => this.#numberOf(machine, userId)?.number);
  }

  /** Goes on with a changed identity that was not compared: `number` is what was shown. */
  acceptIdentity(userId: string, number: string): Promise<void> {
    return this.#lookedAt(userId, number, (machine, master) => machine.acceptIdentity(userId, master));
  }

  /** The safety numbers were compared and are the same: `number` is what was shown. */
  numberMatches(userId: string, number: string): Promise<void> {
    return this.#lookedAt(userId, number, (machine, master) => machine.verifyIdentity(userId, master));
  }

  /** What a camera read from the other's screen: believed, if it is the number of now. */
  async numberScanned(userId: string, words: string): Promise<Scanned> {
    if (!SAFETY_NUMBER.test(words)) return "foreign";
    try {
      await this.numberMatches(userId, words);
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
      const now = this.#numberOf(machine, userId);
      if (now?.number !== number) throw named("Identity", "the key changed");
      write(believe(machine, now.master));
      return { result: undefined };
    });
  }

  #numberOf(machine: Machine, userId: string): { number: string; master: Uint8Array } | undefined {
    const own = machine.user(this.#device.userId).pinned_key;
    const other = machine.user(userId).master_key;
    if (!own || !other) return undefined;
    const master = fromBase64(other);
    return { number: this.#safetyNumber(this.#device.userId, fromBase64(own), userId, master), master };
  }

  /** Where there is a backup, it gets new keys: the removed device knows the old ones. */
  removeDevice(deviceId: string): Promise<void> {
    return this.#device.batch((machine, write) => ({ result: undefined, values: this.#remove(machine, write, deviceId) }));
  }

  #remove(machine: Machine, write: Write, deviceId: string): Values {
    const backup = write(machine.removeDevice(deviceId));
    if (backup.length === 0) return [];
    const mac = write(machine.secret(SECRETS.backupMac));
    const waiting = [
      [SECRETS.backupPrivate, toBase64(backup)],
      [SECRETS.backupMac, toBase64(mac)],
    ];
    return [["kept", "newBackup", waiting]];
  }

  /** The server is asked to log these out: once it did, that is stated. Answers those of which it was not meant before. */
  intendRemoval(deviceIds: string[]): Promise<string[]> {
    return this.#device.batch(async () => {
      const before = await this.#toRemove();
      const fresh = deviceIds.filter((one) => !before.includes(one));
      return { result: fresh, values: [["kept", TO_REMOVE, [...before, ...fresh]]] };
    });
  }

  dropRemoval(deviceIds: string[]): Promise<void> {
    return this.#device.batch(async () => ({ result: undefined, values: [await this.#leftToRemove(deviceIds)] }));
  }

  /**
   * States that those are removed which the server logged out: `answered`, and those of which no answer came. Answers whether
   * there were any.
   */
  async stateRemovals(answered: string[] = []): Promise<boolean> {
    if ((await this.#toRemove()).length === 0) return false;
    return this.#device.batch(async (machine, write) => {
      const { devices } = machine.user(this.#device.userId);
      const find = (id: string) => devices.find((one) => one.device_id === id);
      const done = (await this.#toRemove()).filter((id) => answered.includes(id) || typeof find(id)?.gone_at === "number");
      const values = done.filter((id) => find(id)?.is_removed === false).flatMap((id) => this.#remove(machine, write, id));
      return { result: done.length > 0, values: done.length > 0 ? [...values, await this.#leftToRemove(done)] : [] };
    });
  }

  async #toRemove(): Promise<string[]> {
    return (await this.#device.storage.get<string[]>("kept", TO_REMOVE)) ?? [];
  }

  async #leftToRemove(done: string[]): Promise<Values[number]> {
    const left = (await this.#toRemove()).filter((one) => !done.includes(one));
    return ["kept", TO_REMOVE, left.length > 0 ? left : undefined];
  }

  requestVerification(userId: string, deviceId?: string): Promise<string> {
    return this.#device.run((machine) => machine.requestVerification(userId, deviceId));
  }

  acceptVerification(id: string): Promise<null> {
    return this.#device.run((machine) => machine.acceptVerification(id));
  }

  startSas(id: string): Promise<null> {
    return this.#device.run((machine) => machine.startSas(id));
  }

  confirmSas(id: string): Promise<null> {
    const { storage, userId } = this.#device;
    return this.#device.batch(async (machine, write) => {
      const result = write(machine.confirmSas(id));
      const values = await handOver(storage, userId, machine, write, [id]);
      if (values.length > 0) this.#isHistoryPassed = false;
      return { result, values };
    });
  }

  cancelVerification(id: string, code: "m.user" | "m.mismatched_sas"): Promise<null> {
    return this.#device.run((machine) => machine.cancelVerification(id, code));
  }

  verification(id: string): Promise<VerificationView | null> {
    return this.#device.read((machine) => machine.verification(id));
  }

  /** Own devices that are to get the keys of what was said before, and files of such keys that are to be fetched. */
  async historyWaiting(): Promise<{ due: string[]; told: JsonObject[] }> {
    if (this.#isHistoryPassed) return { due: [], told: [] };
    const { storage } = this.#device;
    // Not beside what has just come and is not on the disk yet: that would wait for the next start.
    return this.#device.batch(async () => {
      const [due, told] = await Promise.all([historyDue(storage), historyTold(storage)]);
      this.#isHistoryPassed = due.length + told.length === 0;
      return { result: { due, told } };
    });
  }

  /**
   * The keys of these rooms, in files of at most so many bytes; of rooms without any, nothing. `broken`: rooms whose keys
   * can't be put together.
   */
  packHistory(roomIds: string[], most: number): Promise<{ files: Packed[]; broken: string[] }> {
    return this.#device.batch(async (machine, write) => {
      const nothing = write(machine.history("!")).length;
      const all = roomIds.flatMap((roomId): RoomKeys[] => alone(roomId, () => [[roomId, write(machine.history(roomId))]]));
      const files = inFiles(all.filter(([, keys]) => keys.length > nothing), most);
      const got = new Set(all.map(([roomId]) => roomId));
      const packed = files.map((rooms) => ({ roomIds: rooms.map(([roomId]) => roomId), bytes: packHistory(rooms) }));
      return { result: { files: packed, broken: roomIds.filter((roomId) => !got.has(roomId)) } };
    });
  }

  shareHistory(description: JsonObject): Promise<null> {
    return this.#device.run((machine) => machine.shareHistory(this.#device.userId, description));
  }

  async historySent(deviceId: string, leftOut: LeftOut[]): Promise<void> {
    await this.#device.batch(async () => ({ result: undefined, values: await historySent(this.#device.storage, deviceId, leftOut) }));
  }

  historyLeftOut(): Promise<[deviceId: string, LeftOut[]][]> {
    return historyLeftOut(this.#device.storage);
  }

  /** Takes in the keys of a file of which an own device told. Answers the rooms for which there were new ones. */
  takeHistory(url: string, packed: Uint8Array): Promise<string[]> {
    return this.#device.batch(async (machine, write) => {
      const result = unpackHistory(packed).flatMap(([roomId, keys]) => {
        return alone(roomId, () => (write(machine.takeHistory(this.#device.userId, roomId, keys)) > 0 ? [roomId] : []));
      });
      return { result, values: await historyTaken(this.#device.storage, url) };
    });
  }

  /** A file of keys can't be had. */
  async historyTaken(url: string): Promise<void> {
    await this.#device.batch(async () => ({ result: undefined, values: await historyTaken(this.#device.storage, url) }));
  }
}

/** What can't be done for one room, as there is too much of it, must not keep the others back. */
function alone<T>(roomId: string, operate: () => T[]): T[] {
  try {
    return operate();
  } catch (error) {
    console.error(`no keys of ${roomId}`, error);
    return [];
  }
}

function named(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}
