/**
 * The encryption machine with types. Every operation answers its result and the rows that are to be written, in one
 * transaction, in the order of the operations and before anything that the machine wants sent leaves.
 *
 * Errors are `Error`s whose `name` is one of {@link MachineErrorName}; after one, nothing has changed. When a write
 * fails, drop the machine and open it again from what is stored.
 */

export type MachineErrorName =
  | "Encoding" | "Key" | "Authentication" | "NoKey" | "Gap" | "Order" | "TooLong"
  | "Store" | "Unknown" | "NotReady" | "Identity" | "Unencrypted";

/** Table, key, and value; without a value the row is gone. */
export type Row = [table: number, key: Uint8Array, value: Uint8Array | undefined];

export interface Step<T> {
  result: T;
  rows: Row[];
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** A request to the server. Send it until `markSent` or `markRefused`; the same is answered again until then. */
export interface OutgoingRequest {
  id: number;
  kind:
    | "keys_upload" | "keys_query" | "keys_claim" | "to_device" | "signatures_upload"
    | "backup_version" | "backup_keys" | "account_data"
    /** Wants user-interactive authentication: put `auth` into the body. */
    | "signing_keys_upload";
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below the server's base. */
  path: string;
  body: JsonObject;
}

export interface Synced {
  /** To-device events that are not for the machine. */
  unhandled: JsonObject[];
  /** Rooms for which keys arrived: decrypt again what could not be read. */
  rooms_with_keys: string[];
  /** Names of secrets that an own device sent. */
  secrets: string[];
  /** Who told of keys of a room's history, and where they are. */
  history: [userId: string, description: JsonObject][];
  /** Verifications that went on: their transaction ids. */
  verifications: string[];
  unread: number;
}

export interface VerificationView {
  transaction_id: string;
  user_id: string;
  device_id: string | null;
  is_ours: boolean;
  state:
    | "requested" | "ready" | "started" | "compare" | "scanned" | "confirmed" | "done" | "cancelled";
  may_start_sas: boolean;
  /** A code can be shown, for the other device to scan. */
  may_show_qr: boolean;
  /** The other device's code can be scanned. */
  may_scan_qr: boolean;
  /** Seven emoji with their English names. */
  emoji: [emoji: string, name: string][] | null;
  decimal: [number, number, number] | null;
  code: string | null;
}

/** What of a sync is for the machine. What is absent says nothing. */
export interface SyncInput {
  device_lists?: { changed?: string[]; left?: string[] };
  device_one_time_keys_count?: Record<string, number>;
  device_unused_fallback_key_types?: string[];
  to_device?: { events: JsonObject[] };
}

export interface RoomView {
  is_encrypted: boolean;
  algorithm: string | null;
  is_whole: boolean;
}

export interface UserView {
  user_id: string;
  master_key: string | null;
  pinned_key: string | null;
  is_verified: boolean;
  has_changed: boolean;
  is_outdated: boolean;
  devices: DeviceView[];
}

export interface DeviceView {
  device_id: string;
  ed25519: string;
  name: string | null;
  is_ours: boolean;
  is_vouched_for: boolean;
  is_removed: boolean;
  gone_at: number | null;
  came_back: boolean;
  seen_at: number;
}

export interface Sealed {
  /** Contents of `m.room.encrypted` events, to be sent in their order; the last is the one that was asked for. */
  events: { content: JsonObject; message_id: string }[];
  left_out: string[];
  not_reached: [userId: string, deviceId: string][];
  audience: string;
}

export type Outcome =
  | ({ status: "read" } & Decrypted)
  | { status: "missing_key" | "not_vouched_for" | "removed" | "refused" | "foreign" }
  | { status: "duplicate"; event_id: string };

/** A reader who should not be one. */
export interface Warning {
  user_id: string;
  device_id: string;
  reason: "not_vouched_for" | "removed" | "gone";
}

export interface Decrypted {
  type: string;
  content: JsonObject;
  sender: {
    user_id: string;
    device_id: string;
    is_verified: boolean;
    is_proven: boolean;
    shared_by: string | null;
  };
  message_id: string;
  audience: string;
  audience_is_known: boolean;
  warnings: Warning[];
  relation:
    | { state: "none" | "checked" | "wrong" }
    | { state: "unchecked"; message_id: string | null };
}

/** Private keys in base64, for secret storage. The master key is kept nowhere else. */
export interface Bootstrapped {
  master: string;
  self_signing: string;
  user_signing: string;
}

interface RawStep {
  json: string;
  bytes: Uint8Array;
  rows: Row[];
  free(): void;
}

interface RawMachine {
  pushSync(sync: string, now: number): RawStep;
  pushState(roomId: string, events: string, isWhole: boolean, now: number): RawStep;
  forgetMembers(roomId: string, now: number): RawStep;
  setGap(roomId: string, isOpen: boolean, now: number): RawStep;
  outdateAll(now: number): RawStep;
  requests(now: number): RawStep;
  markSent(id: number, answer: string, now: number): RawStep;
  markRefused(id: number, status: number, now: number): RawStep;
  prepare(roomId: string, now: number): RawStep;
  encrypt(
    roomId: string, type: string, content: string, shown: string[] | undefined, now: number,
  ): RawStep;
  maySendAgain(roomId: string, audience: Uint8Array, now: number): RawStep;
  rotate(roomId: string, now: number): RawStep;
  decrypt(roomId: string, event: string, now: number): RawStep;
  warnings(roomId: string, audience: Uint8Array, at: number, now: number): RawStep;
  bootstrap(now: number): RawStep;
  adoptIdentity(
    master: Uint8Array, selfSigning: Uint8Array, userSigning: Uint8Array, now: number,
  ): RawStep;
  track(userId: string, now: number): RawStep;
  acceptIdentity(userId: string, master: Uint8Array, now: number): RawStep;
  verifyIdentity(userId: string, master: Uint8Array, now: number): RawStep;
  vouchFor(deviceId: string, ed25519: Uint8Array, now: number): RawStep;
  removeDevice(deviceId: string, now: number): RawStep;
  shareSecret(deviceId: string, name: string, now: number): RawStep;
  sharePins(deviceId: string, now: number): RawStep;
  requestVerification(userId: string, deviceId: string | undefined, now: number): RawStep;
  acceptVerification(id: string, now: number): RawStep;
  startSas(id: string, now: number): RawStep;
  confirmSas(id: string, now: number): RawStep;
  setCanScan(canScan: boolean): void;
  showQr(id: string, now: number): RawStep;
  scanQr(code: Uint8Array, now: number): RawStep;
  confirmScanned(id: string, now: number): RawStep;
  cancelVerification(id: string, code: string, now: number): RawStep;
  verification(id: string): string;
  createBackup(now: number): RawStep;
  useBackup(version: string, now: number): RawStep;
  restore(
    privateKeys: Uint8Array, macKey: Uint8Array | undefined, keys: string, now: number,
  ): RawStep;
  hurryBackup(now: number): RawStep;
  secret(name: string, now: number): RawStep;
  keepSecret(name: string, value: Uint8Array, now: number): RawStep;
  history(roomId: string, now: number): RawStep;
  shareHistory(userId: string, description: string, now: number): RawStep;
  takeHistory(from: string, roomId: string, keys: Uint8Array, now: number): RawStep;
  exportKeys(now: number): RawStep;
  importKeys(keys: Uint8Array, now: number): RawStep;
  room(roomId: string): string;
  encryptedRooms(): string;
  unsavedRooms(): string;
  user(userId: string): string;
  deviceKey(): Uint8Array;
}

interface RawRows {
  put(table: number, key: Uint8Array, value: Uint8Array): void;
}

/** What `cargo xtask` builds: the module `sealpost_e2e.js`, after its `default` export was awaited in a browser. */
export interface Module {
  RawMachine: {
    create(userId: string, deviceId: string, now: number): { machine(): RawMachine; step(): RawStep };
    open(rows: RawRows): RawMachine;
  };
  Rows: new () => RawRows;
  RecoveryKey: RecoveryKeyClass;
  /** With a fresh key; the context names the room and the role. */
  FileSealer: new (context: Uint8Array) => FileSealer;
  /** With the event's key, the context, and the first {@link FileSealer.header} bytes. */
  FileOpener: new (key: Uint8Array, context: Uint8Array, header: Uint8Array) => FileOpener;
  FileSegments: new () => FileSegments;
  /** With the key, hash and size that the event names. */
  FileStream: new (key: Uint8Array, hash: Uint8Array, size: number, context: Uint8Array) => FileStream;
  fileContext(roomId: string, role: FileRole): Uint8Array;
  /** The sixty digits that two people compare, without separators; master keys of 32 bytes. */
  safetyNumber(
    userId: string, masterKey: Uint8Array, otherUserId: string, otherMasterKey: Uint8Array,
  ): string;
}

/** Seals a file: the header, then each chunk of 16 KiB, then what is left. */
export interface FileSealer {
  /** Begins again with the same key: the same bytes come out, once to hash and once to send. */
  again(context: Uint8Array): void;
  /** The 32 bytes that go into the event. */
  key(): Uint8Array;
  header(): Uint8Array;
  chunk(chunk: Uint8Array): Uint8Array;
  /** Less than 16 KiB, perhaps nothing. */
  last(rest: Uint8Array): Uint8Array;
  free(): void;
}

/** Opens a file's chunks; only after the last one is it known to be complete. */
export interface FileOpener {
  seek(chunk: bigint): void;
  /** A whole chunk: 16 KiB and 16 bytes. */
  chunk(sealed: Uint8Array): Uint8Array;
  last(sealed: Uint8Array): Uint8Array;
  free(): void;
}

/** What a file is for: none opens in the place of another. */
export type FileRole = "file" | "thumbnail" | "history";

/** Opens what was uploaded, the list of hashes and the ciphertext behind it, while it comes. */
export interface FileStream {
  /** The next bytes, however many. Answers what of the file is certain by now. */
  push(bytes: Uint8Array): Uint8Array;
  /** What is left. Only then is the file known to be complete. */
  finish(): Uint8Array;
  free(): void;
}

/** The hashes of every MiB of a ciphertext. */
export interface FileSegments {
  update(bytes: Uint8Array): void;
  /** The hash of the list (32 bytes), then the list. */
  finish(): Uint8Array;
}

interface RecoveryKeyClass {
  generate(): RecoveryKey;
  /** What a person typed. */
  parse(text: string): RecoveryKey;
  /** 32 bytes, as a passphrase gives them. */
  fromBytes(bytes: Uint8Array): RecoveryKey;
}

/** The key that unlocks secret storage (`m.secret_storage.v1.aes-hmac-sha2`). */
export interface RecoveryKey {
  /** What a person writes down. */
  encode(): string;
  /** JSON `{ id, content }`: a fresh id, and the account data `m.secret_storage.key.<id>`. */
  describe(): string;
  /** Whether this is the key of that account data (JSON). */
  check(description: string): boolean;
  /** The account data (JSON) of a secret's name. */
  encrypt(id: string, name: string, secret: Uint8Array): string;
  decrypt(id: string, name: string, content: string): Uint8Array;
}

/** Names of secrets in secret storage and between own devices. */
export const SECRETS = {
  master: "m.cross_signing.master",
  selfSigning: "m.cross_signing.self_signing",
  userSigning: "m.cross_signing.user_signing",
  backupPrivate: "org.sealpost.backup.v1.private",
  backupMac: "org.sealpost.backup.v1.mac",
} as const;

function bytes(raw: RawStep): Step<Uint8Array> {
  const answer = { result: raw.bytes, rows: raw.rows };
  raw.free();
  return answer;
}

function step<T>(raw: RawStep): Step<T> {
  const answer = { result: JSON.parse(raw.json) as T, rows: raw.rows };
  raw.free();
  return answer;
}

/** A device: its keys, its view of others, its rooms. `now` is a clock in milliseconds. */
export class Machine {
  readonly #raw: RawMachine;
  readonly #now: () => number;

  private constructor(raw: RawMachine, now: () => number) {
    this.#raw = raw;
    this.#now = now;
  }

  /** A new device with fresh keys. */
  static create(
    module: Module, userId: string, deviceId: string, now: () => number = Date.now,
  ): Step<Machine> {
    const created = module.RawMachine.create(userId, deviceId, now());
    const { rows } = step<null>(created.step());
    return { result: new Machine(created.machine(), now), rows };
  }

  /** The device of stored rows. */
  static open(module: Module, rows: Iterable<Row>, now: () => number = Date.now): Machine {
    const all = new module.Rows();
    for (const [table, key, value] of rows) if (value) all.put(table, key, value);
    return new Machine(module.RawMachine.open(all), now);
  }

  /** Takes in what a sync answered. */
  pushSync(sync: SyncInput): Step<Synced> {
    return step(this.#raw.pushSync(JSON.stringify(sync), this.#now()));
  }

  /** Takes in state events of a room; `isWhole`: these are all its members. */
  pushState(roomId: string, events: JsonObject[], isWhole: boolean): Step<RoomView> {
    return step(this.#raw.pushState(roomId, JSON.stringify(events), isWhole, this.#now()));
  }

  /** After a gap of sync: nothing is sealed until the members are pushed whole. */
  forgetMembers(roomId: string): Step<null> {
    return step(this.#raw.forgetMembers(roomId, this.#now()));
  }

  /** Whether something was said in a room that is still to be fetched: keys that could read it are kept longer. */
  setGap(roomId: string, isOpen: boolean): Step<null> {
    return step(this.#raw.setGap(roomId, isOpen, this.#now()));
  }

  /** Changes of devices may have been missed: before a sync that goes on from nothing that was taken in. */
  outdateAll(): Step<null> {
    return step(this.#raw.outdateAll(this.#now()));
  }

  /** All that is to be sent now, oldest first. */
  requests(): Step<OutgoingRequest[]> {
    return step(this.#raw.requests(this.#now()));
  }

  /** Takes in the answer to a request. */
  markSent(id: number, answer: Json): Step<Synced> {
    return step(this.#raw.markSent(id, JSON.stringify(answer), this.#now()));
  }

  /** A server refused a request for good (4xx, but not 429). */
  markRefused(id: number, status: number): Step<null> {
    return step(this.#raw.markRefused(id, status, this.#now()));
  }

  /** Whether everything is there to write in a room; else send what `requests` answers, and ask again. */
  prepare(roomId: string): Step<boolean> {
    return step(this.#raw.prepare(roomId, this.#now()));
  }

  /** Seals an event. `shown`: the users that were shown as readers when it was written. */
  encrypt(roomId: string, type: string, content: JsonObject, shown?: string[]): Step<Sealed> {
    return step(this.#raw.encrypt(roomId, type, JSON.stringify(content), shown, this.#now()));
  }

  /** Whether what was sealed for an audience (32 bytes) may be sent again; if not, it is given up as by {@link rotate}. */
  maySendAgain(roomId: string, audience: Uint8Array): Step<boolean> {
    return step(this.#raw.maySendAgain(roomId, audience, this.#now()));
  }

  /**
   * What was sealed in a room and is not known to have arrived is given up: the next message begins a new chain, in
   * which the others miss nothing, and tells its readers anew.
   */
  rotate(roomId: string): Step<null> {
    return step(this.#raw.rotate(roomId, this.#now()));
  }

  /** Reads an `m.room.encrypted` event, as often as is wanted. */
  decrypt(roomId: string, event: JsonObject): Step<Outcome> {
    return step(this.#raw.decrypt(roomId, JSON.stringify(event), this.#now()));
  }

  /** Who should not be among the readers of a message that was read before; `null`: its list was not told. */
  warnings(roomId: string, audience: Uint8Array, at: number): Step<Warning[] | null> {
    return step(this.#raw.warnings(roomId, audience, at, this.#now()));
  }

  /** Makes this user's identity. It replaces one that is there. */
  bootstrap(): Step<Bootstrapped> {
    return step(this.#raw.bootstrap(this.#now()));
  }

  /** Takes over the private keys of the identity that the server tells of. */
  adoptIdentity(
    master: Uint8Array, selfSigning: Uint8Array, userSigning: Uint8Array,
  ): Step<null> {
    return step(this.#raw.adoptIdentity(master, selfSigning, userSigning, this.#now()));
  }

  /** Follows a user's keys from now on. */
  track(userId: string): Step<null> {
    return step(this.#raw.track(userId, this.#now()));
  }

  /** Goes on with a user's changed identity, after it was looked at: the master key (32 bytes) that was shown. */
  acceptIdentity(userId: string, master: Uint8Array): Step<null> {
    return step(this.#raw.acceptIdentity(userId, master, this.#now()));
  }

  /** A user's identity was compared with this master key (32 bytes). */
  verifyIdentity(userId: string, master: Uint8Array): Step<null> {
    return step(this.#raw.verifyIdentity(userId, master, this.#now()));
  }

  /** Vouches for an own device, whose key (32 bytes) was compared. */
  vouchFor(deviceId: string, ed25519: Uint8Array): Step<null> {
    return step(this.#raw.vouchFor(deviceId, ed25519, this.#now()));
  }

  /** States for ever that an own device is not to be believed. */
  removeDevice(deviceId: string): Step<Uint8Array> {
    return bytes(this.#raw.removeDevice(deviceId, this.#now()));
  }

  /** Sends a secret to an own device that is vouched for; after QR or SAS only. */
  shareSecret(deviceId: string, name: string): Step<null> {
    return step(this.#raw.shareSecret(deviceId, name, this.#now()));
  }

  /** Tells an own device that is vouched for whose identities are believed; together with the secrets. */
  sharePins(deviceId: string): Step<null> {
    return step(this.#raw.sharePins(deviceId, this.#now()));
  }

  /** Asks a user's devices, or one, for a verification; answers its transaction id. */
  requestVerification(userId: string, deviceId?: string): Step<string> {
    return step(this.#raw.requestVerification(userId, deviceId, this.#now()));
  }

  /** Agrees to a verification that another device asked for. */
  acceptVerification(id: string): Step<null> {
    return step(this.#raw.acceptVerification(id, this.#now()));
  }

  /** Begins to compare emoji, when both are ready. */
  startSas(id: string): Step<null> {
    return step(this.#raw.startSas(id, this.#now()));
  }

  /** Both people see the same. */
  confirmSas(id: string): Step<null> {
    return step(this.#raw.confirmSas(id, this.#now()));
  }

  /** Says whether there is a camera, for verifications from now on; at first there is none. */
  setCanScan(canScan: boolean): void {
    this.#raw.setCanScan(canScan);
  }

  /** The bytes of a QR code to show: one segment of byte mode. */
  showQr(id: string): Step<Uint8Array> {
    return bytes(this.#raw.showQr(id, this.#now()));
  }

  /**
   * Takes in the bytes of the code that the other device shows; answers the verification that it belongs to. That is
   * `cancelled` then if the keys in the code are not the right ones, else the other side is verified.
   */
  scanQr(code: Uint8Array): Step<string> {
    return step(this.#raw.scanQr(code, this.#now()));
  }

  /** `scanned`: the person saw the other device say that all is right. */
  confirmScanned(id: string): Step<null> {
    return step(this.#raw.confirmScanned(id, this.#now()));
  }

  /** Ends a verification; `m.mismatched_sas` when what is seen differs. */
  cancelVerification(id: string, code: "m.user" | "m.mismatched_sas"): Step<null> {
    return step(this.#raw.cancelVerification(id, code, this.#now()));
  }

  /** A verification as it stands. */
  verification(id: string): VerificationView | null {
    return JSON.parse(this.#raw.verification(id)) as VerificationView | null;
  }

  /** Makes a new key backup; answers its private keys (96 bytes) for secret storage. */
  createBackup(): Step<Uint8Array> {
    return bytes(this.#raw.createBackup(this.#now()));
  }

  /** Writes to the backup that `GET room_keys/version` answers, if an own device made it. */
  useBackup(version: JsonObject): Step<null> {
    return step(this.#raw.useBackup(JSON.stringify(version), this.#now()));
  }

  /** Takes in what `GET room_keys/keys` answers; answers how many keys were new. */
  restore(privateKeys: Uint8Array, macKey: Uint8Array | undefined, keys: JsonObject): Step<number> {
    return step(this.#raw.restore(privateKeys, macKey, JSON.stringify(keys), this.#now()));
  }

  /** A secret (32 bytes) that is kept here, for secret storage. */
  secret(name: string): Step<Uint8Array> {
    return bytes(this.#raw.secret(name, this.#now()));
  }

  /** Keeps a secret that came from secret storage. `Identity`: a key that is not of the identity that is believed. */
  keepSecret(name: string, value: Uint8Array): Step<null> {
    return step(this.#raw.keepSecret(name, value, this.#now()));
  }

  /** The keys of a room's history, to be sealed as a file and shared. */
  history(roomId: string): Step<Uint8Array> {
    return bytes(this.#raw.history(roomId, this.#now()));
  }

  /** Tells a user's devices where the keys of a room's history are. */
  shareHistory(userId: string, description: JsonObject): Step<null> {
    return step(this.#raw.shareHistory(userId, JSON.stringify(description), this.#now()));
  }

  /** Takes in keys that a user shared; answers how many were new. */
  takeHistory(from: string, roomId: string, keys: Uint8Array): Step<number> {
    return step(this.#raw.takeHistory(from, roomId, keys, this.#now()));
  }

  /** All keys that are here, for `sealExport` of `extra.ts`. */
  exportKeys(): Step<Uint8Array> {
    return bytes(this.#raw.exportKeys(this.#now()));
  }

  /** Takes in what `openExport` gave; no author of what it opens is proven. Answers how many were new. */
  importKeys(keys: Uint8Array): Step<number> {
    return step(this.#raw.importKeys(keys, this.#now()));
  }

  /** What is known of a room. */
  room(roomId: string): RoomView {
    return JSON.parse(this.#raw.room(roomId)) as RoomView;
  }

  /** The rooms in which everything is sealed, whatever their state says. */
  encryptedRooms(): string[] {
    return JSON.parse(this.#raw.encryptedRooms()) as string[];
  }

  /** Everything that waits to be written to the backup is, by the next requests. */
  hurryBackup(): Step<null> {
    return step(this.#raw.hurryBackup(this.#now()));
  }

  /** The rooms of which keys are here that are not in the backup yet. */
  unsavedRooms(): string[] {
    return JSON.parse(this.#raw.unsavedRooms()) as string[];
  }

  /** What is known of a user. */
  user(userId: string): UserView {
    return JSON.parse(this.#raw.user(userId)) as UserView;
  }

  /** This device's public Ed25519 key. */
  deviceKey(): Uint8Array {
    return this.#raw.deviceKey();
  }
}
