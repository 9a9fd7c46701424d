// Who is logged in, and what of the client is shown.

import extraUrl from "../matrix/crypto/extra_worker?worker&url";
import workerUrl from "../matrix/crypto/worker?worker&url";
import { Http } from "../matrix/api/http";
import { Client, type Workers } from "../matrix/client";
import { CryptoStorage } from "../matrix/crypto/storage";
import { own, type Ownership } from "../matrix/owner";
import type { Session } from "../matrix/session";
import { DataStore } from "../matrix/store/data";
import { SessionStore } from "../matrix/store/sessions";

export type Phase = "starting" | "login" | "main" | "elsewhere" | "failed";

interface Policy {
  createScriptURL(url: string): unknown;
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): Policy;
}

const trustedTypes = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
const policy = trustedTypes?.createPolicy("sealpost", {
  // Scripts of this page alone.
  createScriptURL: (url) => {
    if (new URL(url, location.href).origin !== location.origin) throw new TypeError("foreign script");
    return url;
  },
});

function trusted(url: string): string {
  return (policy?.createScriptURL(url) ?? url) as string;
}

const workers: Workers = {
  machine: () => new Worker(trusted(workerUrl), { type: "module", name: "encryption" }),
  extra: () => new Worker(trusted(extraUrl), { type: "module", name: "passphrases" }),
};
const browserFetch = (input: string, init?: RequestInit) => fetch(input, init);

export class Shell {
  phase = $state<Phase>("starting");
  client = $state.raw<Client>();
  /** The session that wants a new login, with the same device. */
  expired = $state.raw<Session>();
  /** The account was made in this visit. */
  isNew = false;

  readonly #sessions = new SessionStore();
  #ownership: Ownership | undefined;

  /** Goes on with the last session, if there is one. */
  async start(): Promise<void> {
    try {
      const session = await this.#sessions.load();
      if (session) await this.#open(session);
      else this.phase = "login";
    } catch (error) {
      console.error(error);
      this.phase = "failed";
    }
  }

  /** Somebody logged in. The password is held until the identity is published, which may want it. */
  async loggedIn(session: Session, password: string | undefined, isNew = false): Promise<void> {
    this.isNew = isNew;
    this.expired = undefined;
    await this.#sessions.save(session);
    await this.#open(session, false, password);
    void navigator.storage?.persist?.();
  }

  /** Takes over from another tab. */
  async takeOver(): Promise<void> {
    const session = await this.#sessions.load();
    if (session) await this.#open(session, true);
    else this.phase = "login";
  }

  /** Logs out and wipes everything that is kept here. */
  async logOut(): Promise<void> {
    const client = this.client;
    if (!client) return;
    await client.api.logOut().catch(() => {});
    await this.#wipe(client.session);
  }

  async #open(session: Session, takeOver = false, password?: string): Promise<void> {
    this.#ownership = await own(session.userId, takeOver);
    if (!this.#ownership) {
      this.phase = "elsewhere";
      return;
    }
    void this.#ownership.lost.then(() => {
      this.client?.stop();
      this.client = undefined;
      this.phase = "elsewhere";
    });
    const store = await DataStore.open(session.userId);
    const http = new Http(session.baseUrl, browserFetch, session);
    http.onTokens = (tokens) => this.#sessions.save({ ...session, ...tokens });
    const client = new Client(session, http, store, workers);
    http.onLoggedOut = (isSoft) => void this.#end(session, isSoft);
    if (password !== undefined) {
      client.crypto.askStage = async ({ type }) =>
        type === "m.login.password"
          ? { identifier: { type: "m.id.user", user: session.userId }, password }
          : {};
    }
    await client.start();
    this.client = client;
    this.phase = "main";
  }

  async #end(session: Session, isSoft: boolean): Promise<void> {
    if (!isSoft) return this.#wipe(session);
    this.#leave();
    this.expired = session;
    this.phase = "login";
  }

  async #wipe(session: Session): Promise<void> {
    this.#leave();
    await this.#sessions.clear();
    await DataStore.delete(session.userId);
    await CryptoStorage.delete(session.userId, session.deviceId);
    this.phase = "login";
  }

  #leave(): void {
    this.client?.stop();
    this.client = undefined;
    this.#ownership?.release();
  }
}
