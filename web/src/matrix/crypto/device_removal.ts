// Own devices that are logged out: what is asked of the server, and what is stated of them afterwards.

import { isRefusal } from "../api/error";
import { Cancelled } from "../auth/uia";
import type { BackupKeys } from "./backup_keys";
import type { BackupVersion } from "./backup_version";
import type { Remote } from "./remote";
import type { Removals } from "./removals";

/** What is needed of the client. */
export interface RemovalParts {
  readonly removals: Remote<Removals>;
  readonly backup: Remote<BackupKeys>;
}

export class DeviceRemoval {
  readonly #parts: RemovalParts;
  readonly #version: BackupVersion;

  constructor(parts: RemovalParts, version: BackupVersion) {
    this.#parts = parts;
    this.#version = version;
  }

  /** `remove` has the server log them out: that they are none any more is stated as soon as it did, also if its answer was lost. */
  async remove(deviceIds: string[], remove: () => Promise<unknown>): Promise<void> {
    if (deviceIds.length === 0) return void (await remove());
    const { removals } = this.#parts;
    const fresh = await removals.intend(deviceIds);
    try {
      await remove();
    } catch (error) {
      if (isRefusal(error) || error instanceof Cancelled) await removals.drop(fresh);
      throw error;
    }
    await this.state(deviceIds);
  }

  /** States what the server did: to `answered`, and where no answer came. Answers whether there was any. */
  async state(answered?: string[]): Promise<boolean> {
    const { removals, backup } = this.#parts;
    const isStated = await removals.state(answered);
    if (isStated && (await backup.isRenewalDue())) this.#version.doubt();
    return isStated;
  }
}
