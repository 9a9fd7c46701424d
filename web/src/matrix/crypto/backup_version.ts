// The version of the backup that is written to, and when the server's is looked at again.
//
//   start, a key of another own device, a refusal ──► doubtful ──► looked at ──► written to, if an own device made it
//   a device was removed while none was known ──────────┘     └──► replaced, if it is ours
//
// What only another version holds is written again: nothing is lost while there is a doubt, but it is in no backup.

import type { Api } from "../api/api";
import { ifThere, isOutside } from "../api/error";
import { text, type JsonObject } from "../json";
import type { BackupKeys } from "./backup_keys";
import type { Remote } from "./remote";
import { BACKUP } from "./secrets";

/** How long what could not be followed is not looked at again, and a refusal is no news. */
const AGAIN_MS = 10 * 60 * 1000;

/** What is needed of the client. */
export interface BackupParts {
  readonly backup: Remote<BackupKeys>;
}

export class BackupVersion {
  readonly #api: Api;
  readonly #parts: BackupParts;
  #isDoubtful = true;
  #lookAfter = 0;
  #refusedUntil = 0;

  constructor(api: Api, parts: BackupParts) {
    this.#api = api;
    this.#parts = parts;
  }

  /** The one that the server has. */
  version(): Promise<JsonObject | undefined> {
    return ifThere(this.#api.http.call("GET", "/_matrix/client/v3/room_keys/version"));
  }

  /** Writes to the one that the server has from now on. Answers its name; none, if no own device made it. */
  async use(): Promise<string | undefined> {
    const version = await this.version();
    return version && (await this.follow(version)) ? text(version["version"]) : undefined;
  }

  /** Writes to this one from now on, if an own device made it. Answers whether one did. */
  async follow(version: JsonObject): Promise<boolean> {
    try {
      await this.#parts.backup.use(version);
      return true;
    } catch (error) {
      // Somebody else's, or one whose keys another own device has not stored yet.
      if (error instanceof Error && ["Authentication", "Identity"].includes(error.name)) return false;
      throw error;
    }
  }

  /** Another one may be there. */
  doubt(): void {
    this.#isDoubtful = true;
    this.#lookAfter = 0;
  }

  /** What was written was refused. A server that refuses everything is not asked without end. */
  refused(): void {
    this.#isDoubtful = true;
    this.#lookAfter = this.#refusedUntil;
    this.#refusedUntil = Date.now() + AGAIN_MS;
  }

  /** What is in doubt is not waited for. */
  hurry(): void {
    this.#lookAfter = 0;
  }

  /** Follows the one that is there, where there is a doubt. Answers whether it did: then there may be more to be written. */
  async look(): Promise<boolean> {
    if (!this.#isDoubtful || Date.now() < this.#lookAfter) return false;
    // Before it is looked at: there may be a doubt again meanwhile.
    this.#isDoubtful = false;
    this.#lookAfter = Date.now() + AGAIN_MS;
    try {
      const version = await this.version();
      const { backup } = this.#parts;
      if (await backup.isRenewalDue()) {
        // Another client's is replaced by nobody unasked.
        const isOurs = text(version?.["algorithm"]) === BACKUP;
        await (isOurs ? backup.renew() : backup.dropRenewal());
        if (isOurs) return true;
      }
      if (version && (await this.follow(version))) return true;
      // That of an own device whose key is on its way is looked at again.
      if (version) this.#isDoubtful = true;
    } catch (error) {
      this.#isDoubtful = true;
      if (!isOutside(error)) console.error(error);
    }
    return false;
  }
}
