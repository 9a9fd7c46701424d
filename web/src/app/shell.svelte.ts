// Who is logged in, and what of the client is shown.

import { flushSync } from "svelte";

import codesUrl from "../matrix/crypto/code_worker?worker&url";
import extraUrl from "../matrix/crypto/extra_worker?worker&url";
import workerUrl from "../matrix/crypto/worker?worker&url";
import { Api } from "../matrix/api/api";
import { Unreachable } from "../matrix/api/error";
import { Http } from "../matrix/api/http";
import { BY_PASSWORD, type AskStage } from "../matrix/auth/uia";
import type { Client, Workers } from "../matrix/client";
import { Extra } from "../matrix/crypto/extra";
import { CryptoStorage } from "../matrix/crypto/storage";
import { alone, inherit, own, type Ownership } from "../matrix/owner";
import type { Session } from "../matrix/session";
import { DataStore } from "../matrix/store/data";
import { unlock, WrongPassphrase, type Vaults } from "../matrix/store/lock";
import { SessionStore } from "../matrix/store/sessions";
import { Tabs } from "../matrix/tabs";
import { Security } from "./security.svelte";
import { trusted } from "./trusted";

export type Phase = "starting" | "login" | "locked" | "main" | "elsewhere" | "unreachable" | "failed";

const workers: Workers = {
  machine: () => new Worker(trusted(workerUrl), { type: "module", name: "encryption" }),
  extra: () => new Worker(trusted(extraUrl), { type: "module", name: "passphrases" }),
  codes: () => new Worker(trusted(codesUrl), { type: "module", name: "codes" }),
};
const browserFetch = (input: string, init?: RequestInit) => fetch(input, init);

const extra = new Extra(workers.extra);

/** What the login page does without: on its way while the person types, and at once where somebody is logged in. */
const fetchClient = () =>
  import("../matrix/client").catch((error: unknown) => {
    throw new Unreachable(error);
  });
fetchClient().catch(() => {});

interface Opening {
  takeOver?: boolean;
  password?: string | undefined;
  /** The keys of what is kept here, if they were opened already. */
  vaults?: Vaults;
}

interface Begun {
  Client: typeof Client;
  tabs: Tabs;
  ownership: Ownership | undefined;
  password: string | undefined;
}

/** How long a tab that owns the keys may take to answer another one, and how often it is asked again. */
const ANSWER_MS = 2000;
const TRIES = 10;

export class Shell {
  phase = $state<Phase>("starting");
  client = $state.raw<Client>();
  /** The session that wants a new login, with the same device. */
  expired = $state.raw<Session>();
  /** The session whose passphrase is wanted. */
  guarded = $state.raw<Session>();
  /** What guards the session that is open. */
  security = $state.raw<Security>();
  /** The server ended the session for good, without being asked here. */
  isEnded = $state(false);
  /** The account was made in this visit. */
  isNew = false;

  readonly #sessions = new SessionStore();
  #ownership: Ownership | undefined;
  #tabs: Tabs | undefined;
  #waiting = new AbortController();
  /** Whether what is opened by a passphrase is taken over from another tab. */
  #takesOver = false;
  /** Counts what was begun: of openings that meet, the last goes on. */
  #turn = 0;

  /** Goes on with the last session, if there is one. */
  async start(): Promise<void> {
    try {
      const session = await this.#sessions.load();
      if (session) await this.#open(session);
      else this.phase = "login";
    } catch (error) {
      console.error(error);
      this.phase = error instanceof Unreachable ? "unreachable" : "failed";
    }
  }

  /** Somebody logged in. The password is held until the identity is published, which may want it. */
  async loggedIn(session: Session, password: string | undefined, isNew = false): Promise<void> {
    this.isNew = isNew;
    this.expired = undefined;
    this.isEnded = false;
    await this.#sessions.save(session);
    await this.#open(session, { password });
    void navigator.storage?.persist?.();
  }

  /** Takes over from another tab. */
  async takeOver(): Promise<void> {
    const session = await this.#sessions.load();
    if (session) await this.#open(session, { takeOver: true });
    else this.phase = "login";
  }

  /** Opens what is locked. Answers whether it was the passphrase. */
  async unlock(passphrase: string): Promise<boolean> {
    const session = this.guarded;
    if (!session) return true;
    const lock = await this.#sessions.lock(session.userId);
    const key = lock.passphrase === undefined ? undefined : await extra.passphraseKey(passphrase, lock.passphrase);
    const vaults = await unlock(lock, key).catch((error: unknown) => {
      if (error instanceof WrongPassphrase) return undefined;
      throw error;
    });
    if (!vaults) return false;
    // It may have been opened in another tab meanwhile, and followed here.
    if (this.phase !== "locked") return true;
    await this.#open(session, { vaults, takeOver: this.#takesOver });
    return true;
  }

  /** Closes everything, here and in other tabs; a page that begins anew holds nothing of it. */
  async lock(): Promise<void> {
    await this.client?.drafts.keep();
    this.#tabs?.tell({ news: "locked" });
    this.#beginAnew();
  }

  #beginAnew(): void {
    this.#leave();
    // What is shown goes first: with files on their way the page would ask whether it may, and stay open until then.
    flushSync();
    location.reload();
  }

  /** Whether the token is good, perhaps after it was renewed. */
  async renew(): Promise<boolean> {
    const client = this.client;
    if (!client) return false;
    return client.api.http.call("GET", "/_matrix/client/v3/account/whoami").then(() => true, () => false);
  }

  /** Logs out and wipes everything that is kept here. */
  async logOut(): Promise<void> {
    const session = this.client?.session ?? this.guarded;
    if (!session) return;
    // What is locked is opened no more: its token is good without that.
    const http = this.client?.api.http ?? this.#httpOf(session);
    await new Api(http, session.userId).logOut().catch(() => {});
    this.#tabs?.tell({ news: "gone" });
    await this.#wipe(session);
  }

  /** Wipes what is kept of a session that was to go on after the password is given again. */
  async forget(): Promise<void> {
    const session = this.expired;
    this.expired = undefined;
    if (session) await this.#wipe(session);
  }

  #httpOf(session: Session): Http {
    const http = new Http(session.baseUrl, browserFetch, session);
    http.onTokens = (tokens) => this.#sessions.save({ ...session, ...tokens });
    http.shared = {
      alone: (operation) => alone(session.userId, "tokens", operation),
      load: async () => {
        const kept = await this.#sessions.load();
        // Somebody else may have logged in since, in another tab.
        return kept?.userId === session.userId && kept.deviceId === session.deviceId ? kept : undefined;
      },
    };
    return http;
  }

  /** The keys of what is kept here; `undefined`: the passphrase is wanted. */
  async #vaultsOf(userId: string, tabs: Tabs): Promise<Vaults | undefined> {
    const lock = await this.#sessions.lock(userId);
    if (lock.passphrase === undefined) return unlock(lock);
    const isAlone = await own(userId);
    isAlone?.release();
    // Another tab is open: who opens this one was asked there.
    return isAlone ? undefined : tabs.ask((desk) => desk.vaults(), ANSWER_MS).catch(() => undefined);
  }

  /** Asks for the passphrase; or follows another tab, where it was given. */
  #guard(session: Session, tabs: Tabs, takeOver: boolean): void {
    this.guarded = session;
    this.#takesOver = takeOver;
    this.phase = "locked";
    tabs.news.subscribe(({ news }) => {
      if (news !== "owner" || this.phase !== "locked") return;
      tabs.close();
      void this.#open(session);
    });
  }

  /** Opens what is kept of a session, unless something else is begun meanwhile. */
  async #open(session: Session, opening: Opening = {}): Promise<void> {
    const turn = (this.#turn += 1);
    const isLast = () => this.#turn === turn;
    try {
      await this.#openWhile(isLast, session, opening);
    } catch (error) {
      if (isLast()) throw error;
    }
  }

  async #openWhile(isLast: () => boolean, session: Session, { takeOver = false, password, vaults }: Opening): Promise<void> {
    const { userId } = session;
    // Before anything is taken that others wait for.
    const { Client } = await fetchClient();
    if (!isLast()) return;
    const tabs = new Tabs(userId);
    this.#tabs?.close();
    this.#tabs = tabs;
    tabs.news.subscribe(({ news }) => {
      if (news === "gone") void this.#wipe(session);
      else if (news === "locked" && this.phase !== "locked") this.#beginAnew();
    });
    vaults ??= await this.#vaultsOf(userId, tabs);
    if (!isLast()) return tabs.close();
    if (!vaults) return this.#guard(session, tabs, takeOver);
    // Another tab has the keys: this one asks it, unless it hangs. It may be on its way out, or be starting itself.
    let ownership = await own(userId, takeOver);
    for (let left = TRIES; !ownership && !(await tabs.ask((desk) => desk.ping(), ANSWER_MS)); left -= 1) {
      if (!isLast()) return;
      if (left === 0) {
        tabs.close();
        this.phase = "elsewhere";
        return;
      }
      ownership = await own(userId);
    }
    if (!isLast()) return ownership?.release();
    try {
      await this.#begin(isLast, session, vaults, { Client, tabs, ownership, password });
    } catch (error) {
      // Who tries again is not to wait for this one.
      ownership?.release();
      tabs.close();
      throw error;
    }
  }

  async #begin(isLast: () => boolean, session: Session, vaults: Vaults, begun: Begun): Promise<void> {
    const { Client, tabs, ownership, password } = begun;
    const { userId } = session;
    const store = await DataStore.open(userId, vaults.data);
    const http = this.#httpOf(session);
    const client = new Client(session, http, store, vaults, workers, tabs);
    http.onLoggedOut = (isSoft) => void this.#end(session, isSoft);
    if (password !== undefined) this.#hand(client, password);
    await client.start(!ownership);
    const security = new Security(this.#sessions, client.extra, userId, () => void this.lock());
    await security.load();
    if (!isLast()) {
      client.stop();
      return ownership?.release();
    }
    this.security = security;
    this.guarded = undefined;
    this.client = client;
    this.phase = "main";
    if (ownership) this.#hold(ownership);
    else void this.#inherit(client);
  }

  /** The password, where a new identity wants it: not a second time when it is refused, and no longer than needed. */
  #hand({ crypto, me }: Client, password: string): void {
    let held: string | undefined = password;
    const ask: AskStage = async ({ type }, error) => {
      if (type === "m.login.dummy" && error === undefined) return {};
      if (error !== undefined) held = undefined;
      const isKnown = held !== undefined && type === "m.login.password";
      return isKnown ? { identifier: { type: "m.id.user", user: me }, password: held as string } : undefined;
    };
    crypto.asked = { ask, supported: BY_PASSWORD };
    const stop = crypto.changed.subscribe(() => {
      if (crypto.standing !== "ready" && crypto.standing !== "unapproved") return;
      held = undefined;
      stop();
    });
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
    if (!isSoft) {
      await this.#wipe(session);
      this.isEnded = true;
      return;
    }
    this.#leave();
    this.expired = session;
    this.phase = "login";
  }

  async #wipe(session: Session): Promise<void> {
    // First, with the keys: what is left after that opens to nobody.
    await this.#sessions.clear(session.userId);
    this.#leave();
    this.#tabs?.close();
    this.guarded = undefined;
    const deleted = [DataStore.delete(session.userId), CryptoStorage.delete(session.userId, session.deviceId)];
    for (const { reason } of (await Promise.allSettled(deleted)).filter((one) => one.status === "rejected")) console.error(reason);
    this.phase = "login";
  }

  #leave(): void {
    this.#turn += 1;
    this.client?.stop();
    this.client = undefined;
    this.security = undefined;
    this.#waiting.abort();
    this.#ownership?.release();
    this.#ownership = undefined;
  }
}
