// Where a user's secrets are stored at the server: account data, sealed under the recovery key.

import { SECRETS, type JsonObject, type RecoveryKey } from "@e2e/machine";

/** Names the key that the others are sealed under. */
export const DEFAULT_KEY = "m.secret_storage.default_key";

/** Describes a key, without what it opens. */
export function keyType(id: string): string {
  return `m.secret_storage.key.${id}`;
}

/** The master key's public half: whom to believe, where the private one is lost with the recovery key. */
export const PUBLIC_MASTER = "org.sealpost.cross_signing.master.public";

export const STORED_TYPES: string[] = [...Object.values(SECRETS), PUBLIC_MASTER];

/** Our backup's algorithm. */
export const BACKUP = "org.sealpost.backup.v1";

/** Account data that is to be stored at the server. */
export type AccountData = [type: string, content: JsonObject];

/** What stores these secrets under a recovery key, in the order in which it is to be stored. */
export function sealUnder(recovery: RecoveryKey, secrets: [name: string, secret: Uint8Array][]): AccountData[] {
  const { id, content } = JSON.parse(recovery.describe()) as { id: string; content: JsonObject };
  const sealed = secrets.map(([name, secret]): AccountData => {
    return [name, JSON.parse(recovery.encrypt(id, name, secret)) as JsonObject];
  });
  return [[keyType(id), content], ...sealed, [DEFAULT_KEY, { key: id }]];
}
