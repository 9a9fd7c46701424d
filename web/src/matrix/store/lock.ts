// The account's key, under which everything sealed on this disk is; and the passphrase that may guard it.
//
//   secret ──HKDF──► keys of the data store, keys of the key store
//   record = secret sealed under a key of WebCrypto that is given to nobody, and before that under the passphrase's key
//
// Setting, changing and taking away a passphrase writes this one record, whole or not at all: at any moment the old or
// the new passphrase opens everything.

import { open, seal, type VaultKeys } from "./vault";

export interface LockRecord {
  device: CryptoKey;
  sealed: Uint8Array;
  /** How the passphrase becomes a key; absent: there is none. */
  passphrase?: string;
}

/** Keys of each store. */
export interface Vaults {
  data: VaultKeys;
  keys: VaultKeys;
}

/** What a passphrase gives, with how it does. */
export interface Derived {
  key: Uint8Array;
  description: string;
}

export class WrongPassphrase extends Error {
  constructor() {
    super("that is not the passphrase");
    this.name = "WrongPassphrase";
  }
}

const SECRET = 32;
const [INNER, OUTER, LABEL] = ["sealpost lock 1 passphrase", "sealpost lock 1 device", "sealpost vault 1"];

/** A new account's key, without a passphrase. */
export function makeLock(): Promise<LockRecord> {
  return wrap(crypto.getRandomValues(new Uint8Array(SECRET)));
}

/** The keys of both stores. `key`: what the passphrase gave, if there is one. */
export async function unlock(record: LockRecord, key?: Uint8Array): Promise<Vaults> {
  const secret = await unwrap(record, key);
  const [data, keys] = await Promise.all([vaultKeys(secret, "data"), vaultKeys(secret, "keys")]);
  secret.fill(0);
  return { data, keys };
}

/** The record with another passphrase, or without one. `key`: what the present passphrase gave. */
export async function relock(record: LockRecord, key: Uint8Array | undefined, next: Derived | undefined): Promise<LockRecord> {
  const secret = await unwrap(record, key);
  const made = await wrap(secret, next);
  secret.fill(0);
  return made;
}

async function wrap(secret: Uint8Array, derived?: Derived): Promise<LockRecord> {
  const device = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  const inner = derived ? await seal(await passphraseKey(derived.key), INNER, secret) : secret;
  const sealed = await seal(device as CryptoKey, OUTER, inner);
  return { device: device as CryptoKey, sealed, ...(derived && { passphrase: derived.description }) };
}

async function unwrap({ device, sealed, passphrase }: LockRecord, key: Uint8Array | undefined): Promise<Uint8Array> {
  const inner = await open(device, OUTER, sealed);
  if (passphrase === undefined) return inner;
  if (!key) throw new WrongPassphrase();
  return open(await passphraseKey(key), INNER, inner).catch(() => {
    throw new WrongPassphrase();
  });
}

/** Never what argon2id gave itself: that is a secret storage key's form, too. */
function passphraseKey(key: Uint8Array): Promise<CryptoKey> {
  return expand(key, INNER, { name: "AES-GCM", length: 256 }, ["encrypt", "decrypt"]);
}

async function vaultKeys(secret: Uint8Array, store: keyof Vaults): Promise<VaultKeys> {
  const [seal, name] = await Promise.all([
    expand(secret, `${LABEL} ${store} seal`, { name: "AES-GCM", length: 256 }, ["encrypt", "decrypt"]),
    expand(secret, `${LABEL} ${store} name`, { name: "HMAC", hash: "SHA-256", length: 256 }, ["sign"]),
  ]);
  return { seal, name };
}

async function expand(
  secret: Uint8Array,
  label: string,
  algorithm: AesKeyGenParams | HmacImportParams,
  usages: KeyUsage[],
): Promise<CryptoKey> {
  const base = await crypto.subtle.importKey("raw", secret.slice(), "HKDF", false, ["deriveKey"]);
  const parameters = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(32), info: new TextEncoder().encode(label) };
  return crypto.subtle.deriveKey(parameters, base, algorithm, false, usages);
}
