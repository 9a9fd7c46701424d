// What is written to this device's disk is sealed under keys that WebCrypto keeps and gives to nobody.

import { toBase64 } from "../base64";

const NONCE = 12;

export interface VaultKeys {
  seal: CryptoKey;
  name: CryptoKey;
}

export class Vault {
  readonly #keys: VaultKeys;

  constructor(keys: VaultKeys) {
    this.#keys = keys;
  }

  /** Opened only under the same `place`. */
  seal(place: string, plaintext: Uint8Array): Promise<Uint8Array> {
    return seal(this.#keys.seal, place, plaintext);
  }

  open(place: string, sealed: Uint8Array): Promise<Uint8Array> {
    return open(this.#keys.seal, place, sealed);
  }

  async sealJson(place: string, value: unknown): Promise<Uint8Array> {
    return this.seal(place, new TextEncoder().encode(JSON.stringify(value)));
  }

  async openJson<T>(place: string, sealed: Uint8Array): Promise<T> {
    return JSON.parse(new TextDecoder().decode(await this.open(place, sealed))) as T;
  }

  /** A name under which something is found again, and that tells nothing. */
  async name(what: string): Promise<string> {
    const mac = await crypto.subtle.sign("HMAC", this.#keys.name, new TextEncoder().encode(what));
    return toBase64(new Uint8Array(mac).subarray(0, 24));
  }
}

/** Nonce and ciphertext; opened only under the same key and `place`. */
export async function seal(key: CryptoKey, place: string, plaintext: Uint8Array): Promise<Uint8Array> {
  const iv = crypto.getRandomValues(new Uint8Array(NONCE));
  const additionalData = new TextEncoder().encode(place);
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, key, bytes(plaintext));
  const whole = new Uint8Array(NONCE + sealed.byteLength);
  whole.set(iv);
  whole.set(new Uint8Array(sealed), NONCE);
  return whole;
}

export async function open(key: CryptoKey, place: string, sealed: Uint8Array): Promise<Uint8Array> {
  const additionalData = new TextEncoder().encode(place);
  const parameters = { name: "AES-GCM", iv: bytes(sealed.subarray(0, NONCE)), additionalData };
  return new Uint8Array(await crypto.subtle.decrypt(parameters, key, bytes(sealed.subarray(NONCE))));
}

/** The bytes in a buffer of their own, as WebCrypto wants them. */
function bytes(view: Uint8Array): Uint8Array<ArrayBuffer> {
  return view.slice();
}
