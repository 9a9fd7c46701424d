// The recovery key that a person typed, against what the server stores.

import type { JsonObject, RecoveryKey } from "@e2e/machine";

import { text } from "../json";
import type { Device } from "./device";
import { named } from "./named";
import { DEFAULT_KEY, keyType } from "./secrets";
import { isReplaced } from "./succession";

/**
 * With the id under which the server stores what it opens. Errors: `Encoding` mistyped, `Unknown` nothing is stored,
 * `Replaced` the server shows again what had made way for another one on this device, `Authentication` another key.
 */
export async function recoveryKeyOf(
  { module, storage }: Device,
  typed: string,
  accountData: Record<string, JsonObject>,
): Promise<{ recovery: RecoveryKey; id: string }> {
  const recovery = module.RecoveryKey.parse(typed);
  const id = text(accountData[DEFAULT_KEY]?.["key"]) ?? "";
  const description = accountData[keyType(id)];
  if (!description) throw named("Unknown", "no secrets are stored");
  if (await isReplaced(storage, "recoveryKeys", id)) throw named("Replaced", "another recovery key took its place");
  if (!recovery.check(JSON.stringify(description))) throw named("Authentication", "another key");
  return { recovery, id };
}
