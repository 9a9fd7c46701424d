// What nobody but a person's own browser may have: private keys and keys of messages, out of the browser's own store.
import { decode } from "./keys.mjs";

// Tables of the machine's rows, by number: `Table` in e2e/src/changes.rs.
const [ACCOUNT, PREKEYS, SESSIONS, OWN_CHAINS, CHAINS, WRAPS, SECRETS] = [0, 1, 3, 6, 7, 8, 17];

/** In the page: every row of the machine, unsealed by the account's lock, which has no passphrase (`store/lock.ts`). */
async function rowsOf() {
  const names = (await indexedDB.databases()).map(({ name }) => name);
  const name = names.find((one) => one.startsWith("sealpost keys "));
  const done = (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  const sessions = await done(indexedDB.open("sealpost"));
  const userId = name.split(" ")[2];
  const lock = await done(sessions.transaction("sessions").objectStore("sessions").get(`lock ${userId}`));
  sessions.close();
  const bytesOf = (words) => new TextEncoder().encode(words);
  const outer = { name: "AES-GCM", iv: lock.sealed.slice(0, 12), additionalData: bytesOf("sealpost lock 1 device") };
  const secret = await crypto.subtle.decrypt(outer, lock.device, lock.sealed.slice(12));
  const base = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveKey"]);
  const derived = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(32), info: bytesOf("sealpost vault 1 keys seal") };
  const seal = await crypto.subtle.deriveKey(derived, base, { name: "AES-GCM", length: 256 }, false, ["decrypt"]);
  const database = await done(indexedDB.open(name));
  const stores = database.transaction("rows");
  const [places, sealed] = await Promise.all([
    done(stores.objectStore("rows").getAllKeys()),
    done(stores.objectStore("rows").getAll()),
  ]);
  database.close();
  return Promise.all(
    sealed.map(async (bytes, at) => {
      const additionalData = bytesOf(`rows ${places[at]}`);
      const parameters = { name: "AES-GCM", iv: bytes.slice(0, 12), additionalData };
      const row = new Uint8Array(await crypto.subtle.decrypt(parameters, seal, bytes.slice(12)));
      return Array.from(row, (byte) => byte.toString(16).padStart(2, "0")).join("");
    }),
  );
}

const isKey = (value) => Buffer.isBuffer(value) && value.length === 32;

/** Every array that is one, at any depth. */
function arrays(value) {
  return Array.isArray(value) ? [value, ...value.flatMap(arrays)] : [];
}

/** The secrets in a row, by the fields that are. */
function secretsIn(table, fields) {
  switch (table) {
    case ACCOUNT:
    case PREKEYS:
      return [fields[2], fields[3]];
    case SESSIONS:
      // A ratchet: what it is bound to, its root, then its chains.
      return arrays(fields).flatMap((one) => (one.length === 6 && isKey(one[0]) && isKey(one[1]) ? [one[1]] : []));
    case OWN_CHAINS:
      return [fields[0][3], fields[0][4][1]];
    case CHAINS:
      return [fields[4][1]];
    case WRAPS:
      return [fields, ...arrays(fields)].flat().flatMap((one) => (Buffer.isBuffer(one) && one.length >= 32 ? [one.subarray(0, 32)] : []));
    case SECRETS:
      return [fields, ...arrays(fields)].flat().filter((one) => Buffer.isBuffer(one));
    default:
      return [];
  }
}

/** Private keys of a device and keys of its messages; of each kind of row, at most as many as `most`. */
export async function privateKeysOf(person, most = 8) {
  const counts = new Map();
  return (await person.page.evaluate(rowsOf)).flatMap((hex) => {
    const row = Buffer.from(hex, "hex");
    const value = row.subarray(5 + row.readUInt32BE(1));
    const count = (counts.get(row[0]) ?? 0) + 1;
    counts.set(row[0], count);
    if (count > most || value.length < 2) return [];
    return secretsIn(row[0], decode(value.subarray(1))).filter((key) => Buffer.isBuffer(key) && key.length >= 32);
  });
}
