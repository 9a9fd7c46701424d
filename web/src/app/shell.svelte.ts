// Who is logged in, and what of the client is shown.

import extraUrl from "../matrix/crypto/extra_worker?worker&url";
import workerUrl from "../matrix/crypto/worker?worker&url";
import { Http } from "../matrix/api/http";
import { Client, type Workers } from "../matrix/client";
import { CryptoStorage } from "../matrix/crypto/storage";
import { alone, inherit, own, type Ownership } from "../matrix/owner";
import type { Session } from "../matrix/session";
import { DataStore } from "../matrix/store/data";
import { SessionStore } from "../matrix/store/sessions";
import { Tabs } from "../matrix/tabs";
import { trusted } from "./trusted";

export type Phase = "starting" | "login" | "main" | "elsewhere" | "failed";

const workers: Workers = {
  machine: () => new Worker(trusted(workerUrl), { type: "module", name: "encryption" }),
  extra: () => new Worker(trusted(extraUrl), { type: "module", name: "passphrases" }),
};
const browserFetch = (input: string, init?: RequestInit) => fetch(input, init);

/** How long a tab that owns the keys may take to answer another one, and how often it is asked again. */
const ANSWER_MS = 2000;
const TRIES = 10;

export class Shell {
  phase = $state<Phase>("starting");
  client = $state.raw<Client>();
  /** The session that wants a new login, with the same device. */
  expired = $state.raw<Session>();
  /** The account was made in this visit. */
  isNew = false;

  readonly #sessions = new SessionStore();
  #ownership: Ownership | undefined;
  #tabs: Tabs | undefined;
  #waiting = new AbortController();

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

  /** Whether the token is good, perhaps after it was renewed. */
  async renew(): Promise<boolean> {
    const client = this.client;
    if (!client) return false;
    return client.api.http.call("GET", "/_matrix/client/v3/account/whoami").then(() => true, () => false);
  }

  /** Logs out and wipes everything that is kept here. */
  async logOut(): Promise<void> {
    const client = this.client;
    if (!client) return;
    await client.api.logOut().catch(() => {});
    this.#tabs?.tell({ news: "gone" });
    await this.#wipe(client.session);
  }

  async #open(session: Session, takeOver = false, password?: string): Promise<void> {
    const { userId } = session;
    const tabs = new Tabs(userId);
    this.#tabs = tabs;
    tabs.news.subscribe(({ news }) => {
      if (news === "gone") void this.#wipe(session);
    });
    // Another tab has the keys: this one asks it, unless it hangs. It may be on its way out, or be starting itself.
    let ownership = await own(userId, takeOver);
    for (let left = TRIES; !ownership && !(await tabs.isAnswered(ANSWER_MS)); left -= 1) {
      if (left === 0) {
        tabs.close();
        this.phase = "elsewhere";
        return;
      }
      ownership = await own(userId);
    }
    const store = await DataStore.open(userId);
    const http = new Http(session.baseUrl, browserFetch, session);
    http.onTokens = (tokens) => this.#sessions.save({ ...session, ...tokens });
    http.shared = {
      alone: (operation) => alone(userId, "tokens", operation),
      load: () => this.#sessions.load(),
    };
    const client = new Client(session, http, store, workers, tabs);
    http.onLoggedOut = (isSoft) => void this.#end(session, isSoft);
    if (password !== undefined) {
      client.crypto.askStage = async ({ type }) =>
        type === "m.login.password"
          ? { identifier: { type: "m.id.user", user: session.userId }, password }
          : {};
    }
    await client.start(!ownership);
    this.client = client;
    this.phase = "main";
    if (ownership) this.#hold(ownership);
    else void this.#inherit(client);
  }

  #hold(ownership: Ownership): void {
    this.#ownership = ownership;
    void ownership.lost.then(() => {
      this.client?.stop();
      this.client = undefined;
      this.phase = "elsewhere";
    });
  }

  /** Waits for the tab that owns the keys to go, and goes on in its place. */
  async #inherit(client: Client): Promise<void> {
    this.#waiting = new AbortController();
    const ownership = await inherit(client.me, this.#waiting.signal);
    if (!ownership) return;
    if (this.client !== client) return ownership.release();
    this.#hold(ownership);
    await client.inherit();
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
    this.#waiting.abort();
    this.#ownership?.release();
    this.#ownership = undefined;
  }
}
