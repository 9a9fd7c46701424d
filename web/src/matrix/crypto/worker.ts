// The worker that owns the machine. Nothing in it reaches the network but to load the module.

import init, * as module from "sealpost-e2e";

import wasmUrl from "../../../generated/sealpost_e2e_bg.wasm?url";

import type { VaultKeys } from "../store/vault";
import { Device } from "./device";
import { Files } from "./files";
import { Identity } from "./identity";
import { KeyManager } from "./key_manager";
import { expose } from "./remote";
import { SessionManager } from "./session_manager";

interface Parts {
  keys: KeyManager;
  identity: Identity;
  sessions: SessionManager;
  files: Files;
}

let parts: Promise<Parts> | undefined;

async function load(userId: string, deviceId: string, keys: VaultKeys): Promise<Parts> {
  await init({ module_or_path: wasmUrl });
  const device = await Device.open(module, userId, deviceId, keys);
  return {
    keys: new KeyManager(device, module.safetyNumber),
    identity: new Identity(device),
    sessions: new SessionManager(device),
    files: new Files(),
  };
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
  if (part === "keys" && all) return all.keys;
  if (part === "identity" && all) return all.identity;
  if (part === "sessions" && all) return all.sessions;
  if (part === "files" && all) return all.files;
  throw new Error(`no part ${part}`);
});
