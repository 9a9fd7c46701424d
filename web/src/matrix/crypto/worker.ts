// The worker that owns the machine. Nothing in it reaches the network but to load the module.

import init, * as module from "sealpost-e2e";

import wasmUrl from "../../../generated/sealpost_e2e_bg.wasm?url";

import type { VaultKeys } from "../store/vault";
import { Device } from "./device";
import { partsOf, type Parts } from "./parts";
import { expose } from "./remote";

let parts: Promise<Parts> | undefined;

async function load(userId: string, deviceId: string, keys: VaultKeys): Promise<Parts> {
  await init({ module_or_path: wasmUrl });
  return partsOf(await Device.open(module, userId, deviceId, keys));
}

const host = {
  /** Everything else waits for this. `keys`: of the store. */
  async open(userId: string, deviceId: string, keys: VaultKeys): Promise<void> {
    parts ??= load(userId, deviceId, keys);
    await parts;
  },
};

export type Host = typeof host;

expose(self, async (part) => {
  if (part === "host") return host;
  const all = await parts;
  if (all && Object.hasOwn(all, part)) return all[part as keyof Parts];
  throw new Error(`no part ${part}`);
});
