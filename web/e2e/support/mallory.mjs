// Whoever runs a server and is not honest: keys of their own, signed as Matrix signs, in the place of people's.
import { generateKeyPairSync, sign } from "node:crypto";

const unpadded = (bytes) => Buffer.from(bytes).toString("base64").replace(/=+$/, "");

function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`);
  return `{${fields.join(",")}}`;
}

function key(kind) {
  const { publicKey, privateKey } = generateKeyPairSync(kind);
  return { id: unpadded(publicKey.export({ format: "der", type: "spki" }).subarray(-32)), privateKey };
}

/** The object with one more signature of the user's, by `signer` under `name`. */
function signed(object, userId, name, signer) {
  const rest = { ...object };
  delete rest.signatures;
  delete rest.unsigned;
  const signature = unpadded(sign(null, Buffer.from(canonical(rest)), signer.privateKey));
  const mine = { ...object.signatures?.[userId], [`ed25519:${name}`]: signature };
  return { ...object, signatures: { ...object.signatures, [userId]: mine } };
}

/** A device like `model`, with other keys; nobody but itself has signed it. */
export function ghostDevice(model, deviceId) {
  const [ed25519, x25519] = [key("ed25519"), key("x25519")];
  const keys = { [`ed25519:${deviceId}`]: ed25519.id, [`curve25519:${deviceId}`]: x25519.id };
  const { user_id, algorithms } = model;
  return signed({ user_id, device_id: deviceId, algorithms, keys }, user_id, deviceId, ed25519);
}

/** Another identity for a user, with a device of its own: everything in it fits together. */
export function otherIdentity(model, deviceId) {
  const { user_id } = model;
  const [master, selfSigning] = [key("ed25519"), key("ed25519")];
  const own = (usage, one) => ({ user_id, usage: [usage], keys: { [`ed25519:${one.id}`]: one.id } });
  return {
    master: signed(own("master", master), user_id, master.id, master),
    selfSigning: signed(own("self_signing", selfSigning), user_id, master.id, master),
    device: signed(ghostDevice(model, deviceId), user_id, selfSigning.id, selfSigning),
  };
}

/** A prekey with another's public keys under the signature of the true one. */
export function swapped(prekey) {
  return { ...prekey, key: key("x25519").id };
}
