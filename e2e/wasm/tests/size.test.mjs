// What a browser downloads: the module as it is served, by brotli 11.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { brotliCompressSync, constants } from "node:zlib";

// See the decision "The size of the browser's module".
const LIMIT = 250_000;

// What is seldom needed is a module of its own.
const EXTRA_LIMIT = 90_000;

for (const [name, limit] of [["", LIMIT], ["_extra", EXTRA_LIMIT]]) test(`the module${name} does not grow`, (t) => {
  const module = readFileSync(process.env.SEALPOST_WASM.replace(/\.js$/, `${name}_bg.wasm`));
  const served = brotliCompressSync(module, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: module.length },
  }).length;
  const kb = (bytes) => `${(bytes / 1000).toFixed(1)} KB`;
  t.diagnostic(`${kb(module.length)}, served as ${kb(served)}`);
  assert.ok(served <= limit, `${kb(served)} as served, more than ${kb(limit)}`);
});
