// Secret storage at the server: what is put there under the recovery key, and what is taken from it.

import type { Api } from "../api/api";
import { ifThere, isOutside } from "../api/error";
import { text, type JsonObject } from "../json";
import { alone } from "../owner";
import type { BackupKeys } from "./backup_keys";
import type { BackupVersion } from "./backup_version";
import type { Recovery } from "./recovery";
import type { Remote } from "./remote";
import { DEFAULT_KEY, keyType, STORED_TYPES } from "./secrets";

/** What is needed of the client. */
export interface StorageParts {
  readonly recovery: Remote<Recovery>;
  readonly backup: Remote<BackupKeys>;
}

export class SecretStorage {
  readonly #api: Api;
  readonly #userId: string;
  readonly #parts: StorageParts;
  readonly #version: BackupVersion;

  constructor(api: Api, userId: string, parts: StorageParts, version: BackupVersion) {
    this.#api = api;
    this.#userId = userId;
    this.#parts = parts;
    this.#version = version;
  }

  /** Stores what waits for that. Of two tabs that do, none mixes what the other one has of another recovery key. */
  storeWaiting(): Promise<void> {
    return alone(this.#userId, "account data", async () => {
      const { recovery } = this.#parts;
      const wanted = await recovery.accountData();
      for (const [type, content] of wanted) await this.#api.setAccountData(type, content);
      if (wanted.length > 0) await recovery.accountDataStored(wanted);
    });
  }

  /** Takes over what a recovery key opens. Answers the private keys of the backup, if they are there. Errors as of `Recovery`. */
  async recover(typed: string): Promise<Uint8Array | undefined> {
    return this.#parts.recovery.recover(typed, await this.#stored());
  }

  /** Takes over the keys of the backup; none, if there is no backup. */
  async restore(privateKeys: Uint8Array): Promise<number> {
    const version = await this.#version.use();
    if (version === undefined) return 0;
    const query = { version };
    const keys = await ifThere(this.#api.http.call("GET", "/_matrix/client/v3/room_keys/keys", { query }));
    return keys ? this.#parts.backup.restore(privateKeys, keys) : 0;
  }

  /** Stores the backup's new keys under the recovery key that a person typed. Errors as of `recover`. */
  async storeNewBackup(typed: string): Promise<void> {
    const { backup } = this.#parts;
    const version = await this.#version.version();
    if (version && !(await this.#version.follow(version))) throw new Error("the backup is of another device");
    const sealed = await backup.sealRenewed(typed, await this.#stored());
    for (const [type, content] of sealed) await this.#api.setAccountData(type, content);
    await backup.renewedStored();
  }

  /** Another own device may have made another recovery key than the one that waits here to be saved. */
  async checkRecoveryKey(): Promise<void> {
    const { recovery } = this.#parts;
    const waiting = await recovery.key();
    // What is not stored yet opens nothing.
    if (waiting === undefined || (await recovery.accountData()).length > 0) return;
    try {
      await recovery.checkKey(waiting, await this.#stored([]));
    } catch (error) {
      // It is looked at the next time.
      if (!isOutside(error)) throw error;
    }
  }

  /** What is stored of these types, and which key opens it. */
  async #stored(types = STORED_TYPES): Promise<Record<string, JsonObject>> {
    const found: Record<string, JsonObject> = {};
    const fetchInto = async (type: string) => {
      const content = await ifThere(this.#api.accountData(type));
      if (content) found[type] = content;
    };
    await Promise.all([DEFAULT_KEY, ...types].map(fetchInto));
    const id = text(found[DEFAULT_KEY]?.["key"]);
    if (id) await fetchInto(keyType(id));
    return found;
  }
}
