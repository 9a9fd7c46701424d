// Another recovery key, and another identity: what is asked of the server for them, and in which order. Of all tabs one at a
// time begins them: what one gives up, or stores, is not what another one waits for.

import type { Api } from "../api/api";
import { isOutside, MatrixError, Unreachable } from "../api/error";
import { authenticate, Cancelled, type Asked } from "../auth/uia";
import { text, type JsonObject } from "../json";
import { first, UnderWay } from "../owner";
import type { Identity } from "./identity";
import type { KeyManager } from "./key_manager";
import type { Recovery } from "./recovery";
import type { Remote } from "./remote";
import { BACKUP } from "./secrets";

/** What is needed of the client. */
export interface RenewalParts {
  readonly keys: Remote<KeyManager>;
  readonly identity: Remote<Identity>;
  readonly recovery: Remote<Recovery>;
  flush(): Promise<void>;
  storeAccountData(): Promise<void>;
  backupVersion(): Promise<JsonObject | undefined>;
}

export class Renewal {
  readonly #api: Api;
  readonly #userId: string;
  readonly #parts: RenewalParts;

  constructor(api: Api, userId: string, parts: RenewalParts) {
    this.#api = api;
    this.#userId = userId;
    this.#parts = parts;
  }

  /**
   * Another recovery key, unless one still waits to be saved. What it opens is stored when this returns. Errors: `UnderWay`,
   * or as of requests.
   */
  recoveryKey(): Promise<void> {
    return this.#alone(async () => {
      const { identity, recovery } = this.#parts;
      if ((await recovery.key()) === undefined) await identity.renewRecoveryKey(await this.#mayBackUp());
      await this.#parts.flush();
      await this.#parts.storeAccountData();
    });
  }

  /** A new identity. Errors: `UnderWay`, `Cancelled`, or as of requests: then nothing has changed. */
  identity(asked: Asked): Promise<void> {
    return this.#alone(() => this.#identity(asked));
  }

  async #identity(asked: Asked): Promise<void> {
    const { identity } = this.#parts;
    const wasPrepared = await identity.isPrepared();
    const upload = await identity.prepare();
    const send = (auth?: JsonObject) => {
      const body = { ...upload, ...(auth && { auth }) };
      return this.#api.http.call("POST", "/_matrix/client/v3/keys/device_signing/upload", { body });
    };
    try {
      await authenticate(send, asked);
    } catch (error) {
      // Of one to which no answer came it is not known: the same is sent again.
      const isRefused = error instanceof Cancelled || (error instanceof MatrixError && !error.isTemporary);
      // One that was not answered before may have been taken all the same: its keys are nowhere but here.
      if (isRefused && wasPrepared && (await this.#resume())) return;
      if (isRefused && !wasPrepared) await identity.drop();
      throw error;
    }
    await this.#take();
  }

  /** Goes on with what was begun before a crash, if the server took it. Answers whether it did. */
  async resume(): Promise<boolean> {
    try {
      return await this.#alone(() => this.#resume());
    } catch (error) {
      // What another tab has begun is not gone on with here.
      if (error instanceof UnderWay) return false;
      throw error;
    }
  }

  async #resume(): Promise<boolean> {
    const { identity } = this.#parts;
    if (!(await identity.isPrepared())) return false;
    try {
      await this.#take();
      return true;
    } catch (error) {
      if (isOutside(error) || !(error instanceof Error) || error.name !== "Identity") throw error;
      await identity.drop();
      return false;
    }
  }

  async #take(): Promise<void> {
    const { keys, identity } = this.#parts;
    await keys.pushSync({ device_lists: { changed: [this.#userId] } }, false);
    await this.#parts.flush();
    if ((await keys.user(this.#userId)).is_outdated) throw new Unreachable("the server did not say which identity it has");
    await identity.take(await this.#mayBackUp());
    await this.#parts.flush();
  }

  #alone<T>(operation: () => Promise<T>): Promise<T> {
    return first(this.#userId, "renewal", operation);
  }

  /** Another client's backup is replaced by nobody unasked. */
  async #mayBackUp(): Promise<boolean> {
    const version = await this.#parts.backupVersion();
    return version === undefined || text(version["algorithm"]) === BACKUP;
  }
}
