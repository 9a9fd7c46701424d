// What a browser downloads: the module as it is served, by brotli 11.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { brotliCompressSync, constants } from "node:zlib";

// The aim is 250 KiB: see the decision "The size of the browser's module".
const LIMIT = 265 * 1024;

test("the module does not grow", (t) => {
  const module = readFileSync(process.env.SEALPOST_WASM.replace(/\.js$/, "_bg.wasm"));
  const served = brotliCompressSync(module, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: module.length },
  }).length;
  const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;
  t.diagnostic(`${kib(module.length)}, served as ${kib(served)}`);
  assert.ok(served < LIMIT, `${kib(served)} as served, more than ${kib(LIMIT)}`);
});
