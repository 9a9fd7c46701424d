// Which keys the messages of a room were sealed under, read from outside as docs/protocol.md has it.

/** Deterministic CBOR of numbers, bytes, texts, arrays and the simple values. */
export function decode(bytes) {
  let at = 0;
  const value = () => {
    const first = bytes[at++];
    const [kind, small] = [first >> 5, first & 31];
    const size = small < 24 ? 0 : 1 << (small - 24);
    const length = size === 0 ? small : size === 8 ? Number(bytes.readBigUInt64BE(at)) : bytes.readUIntBE(at, size);
    at += size;
    if (kind === 0) return length;
    if (kind === 1) return -1 - length;
    if (kind === 2) return bytes.subarray(at, (at += length));
    if (kind === 3) return bytes.toString("utf8", at, (at += length));
    if (kind === 7) return small;
    if (kind === 4) return Array.from({ length }, value);
    throw new Error(`CBOR of kind ${kind}`);
  };
  return value();
}

/** The place in a ratchet's chain that an envelope uses. */
function placeOf(envelope) {
  const [, inside] = decode(envelope.subarray(1));
  const [header] = decode(inside.at(-1));
  const [ratchetKey, number] = decode(header);
  return `ratchet ${ratchetKey.toString("hex")} ${number}`;
}

const COMMITMENT = 32;

/** Names of all message keys that the content of an `m.room.encrypted` uses: none may come twice. */
export function keysOf(content) {
  const message = Buffer.from(content.ciphertext, "base64").subarray(1);
  const wraps = Object.values(content.wraps ?? {}).flatMap((devices) => Object.values(devices));
  const places = wraps.map((wrap) => placeOf(Buffer.from(wrap, "base64")));
  if (content.algorithm === "org.sealpost.ratchet.v1") {
    // A direct message: what commits to its content key is its name.
    return [`content ${message.subarray(0, COMMITMENT).toString("hex")}`, ...places];
  }
  const [header] = decode(message);
  const [chain, iteration] = decode(header);
  return [`chain ${chain.toString("hex")} ${iteration}`, ...places];
}

/** Sealed messages among the requests, by transaction: the same one sent again must be the same. */
export function sealedSends(requests) {
  const found = new Map();
  for (const { method, path, body } of requests) {
    const [, transaction] = /\/send\/m\.room\.encrypted\/([^/?]+)/.exec(path) ?? [];
    if (method !== "PUT" || !transaction) continue;
    const before = found.get(transaction);
    if (before !== undefined && before !== body) throw new Error(`${transaction} was sent in two forms`);
    found.set(transaction, body);
  }
  return new Map([...found].map(([transaction, body]) => [transaction, JSON.parse(body)]));
}

/** Keys that were used more than once. */
export function usedTwice(sends) {
  const keys = [...sends.values()].flatMap(keysOf);
  return keys.filter((key, at) => keys.indexOf(key) !== at);
}
