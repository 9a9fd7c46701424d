// Where a user's secrets are stored at the server: account data, sealed under the recovery key.

import { SECRETS } from "@e2e/machine";

/** Names the key that the others are sealed under. */
export const DEFAULT_KEY = "m.secret_storage.default_key";

/** Describes a key, without what it opens. */
export function keyType(id: string): string {
  return `m.secret_storage.key.${id}`;
}

export const STORED_TYPES: string[] = [DEFAULT_KEY, ...Object.values(SECRETS)];
