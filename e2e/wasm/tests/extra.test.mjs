// The second module: passphrases, keys in a file, QR codes, together with the first.
import assert from "node:assert/strict";
import { pbkdf2Sync } from "node:crypto";
import { createRequire } from "node:module";
import test from "node:test";

const load = createRequire(import.meta.url);
const { RawMachine, RecoveryKey } = load(process.env.SEALPOST_WASM);
const extra = load(process.env.SEALPOST_WASM.replace(/\.js$/, "_extra.js"));

test("a passphrase gives the recovery key again", () => {
  const description = extra.describePassphrase();
  assert.equal(JSON.parse(description).algorithm, "org.sealpost.argon2id.v1");
  const key = RecoveryKey.fromBytes(extra.derivePassphrase("correct horse", description));
  const { content } = JSON.parse(key.describe());
  const again = RecoveryKey.fromBytes(extra.derivePassphrase("correct horse", description));
  assert.ok(again.check(JSON.stringify(content)));
  const other = RecoveryKey.fromBytes(extra.derivePassphrase("correct  horse", description));
  assert.ok(!other.check(JSON.stringify(content)));
});

test("the passphrase of another client is read", () => {
  const description = { algorithm: "m.pbkdf2", salt: "some salt", iterations: 1000, bits: 256 };
  const key = extra.derivePassphrase("Grüße", JSON.stringify(description));
  assert.deepEqual(Buffer.from(key), pbkdf2Sync("Grüße", "some salt", 1000, 32, "sha512"));
  assert.throws(() => extra.derivePassphrase("x", JSON.stringify({ algorithm: "other" })), { name: "Unknown" });
});

test("keys go out in a file and come in again", () => {
  const machine = RawMachine.create("@lena:a.test", "DEVICE", 1).machine();
  const keys = machine.exportKeys(1).bytes;
  const file = extra.sealExport("correct horse", keys);
  assert.deepEqual(extra.openExport("correct horse", file), keys);
  assert.equal(machine.importKeys(keys, 1).json, "0");
  file[file.length - 1] ^= 1;
  assert.throws(() => extra.openExport("correct horse", file), { name: "Authentication" });
});

test("a QR code has its three finders", () => {
  const modules = extra.qrModules(Buffer.alloc(110, 7));
  const side = Math.sqrt(modules.length);
  assert.ok(Number.isInteger(side) && (side - 17) % 4 === 0);
  const finder = (row, column) =>
    [0, 1, 2, 3, 4, 5, 6].map((at) => modules[(row + 3) * side + column + at]).join("");
  assert.deepEqual([finder(0, 0), finder(0, side - 7), finder(side - 7, 0)], Array(3).fill("1011101"));
  assert.throws(() => extra.qrModules(Buffer.alloc(3000)), { name: "TooLong" });
});
