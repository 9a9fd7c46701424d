// A worker with the second module: it takes 64 MiB for a passphrase, and is let go when it is done.

import init, * as module from "sealpost-e2e-extra";

import wasmUrl from "../../../generated/sealpost_e2e_extra_bg.wasm?url";

import { expose } from "./remote";

let loaded: Promise<unknown> | undefined;

expose(self, async () => {
  await (loaded ??= init({ module_or_path: wasmUrl }));
  return module;
});
