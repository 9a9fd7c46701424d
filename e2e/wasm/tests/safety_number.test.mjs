// The wasm module against Node's own SHA-512: the same construction, written a second time.
// Run by `cargo xtask test`, which names the module in SEALPOST_WASM.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import test from "node:test";

const { safetyNumber } = createRequire(import.meta.url)(process.env.SEALPOST_WASM);

const sha512 = (...parts) => createHash("sha512").update(Buffer.concat(parts)).digest();

function half(key, identifier) {
  let hash = sha512(Buffer.from([0, 0]), key, Buffer.from(identifier), key);
  for (let round = 1; round < 5200; round += 1) hash = sha512(hash, key);
  return [0, 5, 10, 15, 20, 25]
    .map((at) => String(hash.readUIntBE(at, 5) % 100_000).padStart(5, "0"))
    .join("");
}

const expected = (...people) => people.map(([id, key]) => half(key, id)).sort().join("");

test("the reference in this file reaches Signal's own vector", () => {
  const alice = "0506863bc66d02b40d27b8d49ca7c09e9239236f9d7d25d6fcca5ce13c7064d868";
  const bob = "05f781b6fb32fed9ba1cf2de978d4d5da28dc34046ae814402b5c0dbd96fda907b";
  assert.equal(
    expected(["+14152222222", Buffer.from(alice, "hex")], ["+14153333333", Buffer.from(bob, "hex")]),
    "300354477692869396892869876765458257569162576843440918079131",
  );
});

test("the module gives the same number as the reference, from both sides", () => {
  const lena = ["@lena:garden.example", Buffer.alloc(32, 7)];
  const jonas = ["@jonas:post.example", Buffer.alloc(32, 9)];
  assert.equal(safetyNumber(...lena, ...jonas), expected(lena, jonas));
  assert.equal(safetyNumber(...jonas, ...lena), expected(lena, jonas));
});

test("a key that is not 32 bytes long is refused", () => {
  const key = Buffer.alloc(32, 1);
  assert.throws(() => safetyNumber("@a:x", key.subarray(1), "@b:x", key), /32 bytes/);
});
