// Logging in and making an account: one server, one form at a time.

import { Http } from "../../matrix/api/http";
import { logInWithPassword, loginFlows, logInWithToken, type LoginFlows } from "../../matrix/auth/login";
import { isAvailable, register } from "../../matrix/auth/register";
import { Cancelled, type Answer, type AskStage, type Stage } from "../../matrix/auth/uia";
import { discover, find, type Discovery, type Fetch } from "../../matrix/discovery";
import type { Session } from "../../matrix/session";
import { t } from "../../ui/words.svelte";
import { saidBy, type Here } from "../refused";
import { deviceName } from "./device_name";

/** Takes over when somebody is in. `isNew`: the account was made just now. */
type Done = (session: Session, password: string | undefined, isNew?: boolean) => Promise<void>;

const PATIENCE_MS = 10_000;

export interface AskedStage {
  stage: Stage;
  error: string | undefined;
  answer: (answer: Answer) => void;
}

export class Login {
  server = $state.raw<Discovery>();
  flows = $state.raw<LoginFlows>();
  /** Something is asked of the server. */
  busy = $state(false);
  /** The server of this page did not answer. */
  silent = $state(false);
  error = $state<string>();
  /** A stage of the registration that wants the person. */
  asked = $state.raw<AskedStage>();

  /** Asks again what was not answered. */
  again: () => Promise<unknown> = () => this.load();

  readonly #origin: string;
  readonly #fetch: Fetch;
  readonly #done: Done;

  constructor(origin: string, fetch: Fetch, done: Done) {
    this.#origin = origin;
    this.#fetch = fetch;
    this.#done = done;
  }

  /** Looks at the server that this page came from. */
  async load(): Promise<void> {
    this.silent = false;
    const ok = await this.#run(async () => {
      const signal = AbortSignal.timeout(PATIENCE_MS);
      await this.#choose(await discover(this.#origin, this.#fetch, signal));
    });
    this.silent = !ok;
    if (!ok) this.error = undefined;
  }

  /** Another server. Answers whether it was found. */
  async choose(named: string): Promise<boolean> {
    this.again = () => this.choose(named);
    return this.#run(async () => {
      try {
        await this.#choose(await find(named, this.#fetch, AbortSignal.timeout(PATIENCE_MS)));
      } catch (error) {
        this.error = t.serverNotFound;
        throw error;
      }
    });
  }

  async logIn(name: string, password: string, deviceId?: string): Promise<boolean> {
    return this.#run(async () => {
      const address = /^@[^:]+:(.+)$/.exec(name.trim());
      if (address?.[1] && address[1] !== this.server?.serverName && !deviceId) {
        if (!(await this.choose(address[1]))) return;
        this.busy = true;
      }
      const session = await logInWithPassword(this.#http(), name.trim(), password, { id: deviceId, name: deviceName() });
      await this.#done(session, password);
    }, { M_FORBIDDEN: t.wrongPassword });
  }

  async logInWithToken(token: string, deviceId?: string): Promise<boolean> {
    return this.#run(async () => {
      await this.#done(await logInWithToken(this.#http(), token, { id: deviceId, name: deviceName() }), undefined);
    }, { M_FORBIDDEN: t.loginExpired, M_UNKNOWN_TOKEN: t.loginExpired });
  }

  async register(name: string, password: string): Promise<boolean> {
    const ask: AskStage = (stage, error) =>
      new Promise<Answer>((resolve) => {
        this.asked = { stage, error, answer: resolve };
      }).finally(() => (this.asked = undefined));
    return this.#run(async () => {
      const session = await register(this.#http(), name.trim().toLowerCase(), password, deviceName(), ask);
      await this.#done(session, password, true);
    }, { M_FORBIDDEN: t.registrationClosed });
  }

  isAvailable(name: string): Promise<boolean | undefined> {
    return isAvailable(this.#http(), name);
  }

  async #choose(server: Discovery): Promise<void> {
    this.flows = await loginFlows(new Http(server.baseUrl, this.#fetch));
    this.server = server;
  }

  #http(): Http {
    // A server that delegates may be reached where this page comes from: then nothing goes elsewhere.
    return new Http(this.server?.baseUrl ?? this.#origin, this.#fetch);
  }

  async #run(operation: () => Promise<void>, here?: Here): Promise<boolean> {
    this.busy = true;
    this.error = undefined;
    try {
      await operation();
      return this.error === undefined;
    } catch (error) {
      if (!(error instanceof Cancelled)) this.error ??= saidBy(error, here);
      return false;
    } finally {
      this.busy = false;
    }
  }
}
