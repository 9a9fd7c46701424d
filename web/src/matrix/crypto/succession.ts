// What took the place of what, as far as this device knows: a server may show again what was replaced.

import type { CryptoStorage, Values } from "./storage";

/** The id of the recovery key, the public master key, a hash of the key by which own devices write to the backup. */
type Kind = "recoveryKeys" | "identities" | "backupMacs";

/** So many are remembered. */
const MOST = 50;

async function known(storage: CryptoStorage, kind: Kind): Promise<string[]> {
  return (await storage.get<string[]>("kept", kind)) ?? [];
}

/** The last of these is in use now; those before it were. */
export async function follow(storage: CryptoStorage, kind: Kind, ...used: (string | null)[]): Promise<Values> {
  const before = await known(storage, kind);
  const after = used.reduce((all, one) => (one === null || all.at(-1) === one ? all : [...all.filter((other) => other !== one), one]), before);
  return after === before ? [] : [["kept", kind, after.slice(-MOST)]];
}

/** Another one took its place. */
export async function isReplaced(storage: CryptoStorage, kind: Kind, one: string): Promise<boolean> {
  return (await known(storage, kind)).slice(0, -1).includes(one);
}
