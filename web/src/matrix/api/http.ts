// Requests to a homeserver: the token and its renewal, rate limits, time limits.

import type { Fetch } from "../discovery";
import { object, text, type Json, type JsonObject } from "../json";
import { errorOf, MatrixError, Unreachable } from "./error";

export interface Tokens {
  accessToken: string;
  refreshToken?: string;
}

export interface Options {
  query?: Record<string, string | number | boolean | readonly string[] | undefined>;
  body?: Json;
  signal?: AbortSignal;
  /** How long an answer may take. */
  timeoutMs?: number;
  /** Without the token. */
  anonymous?: boolean;
  /** Tell of a rate limit at once instead of waiting. */
  impatient?: boolean;
  /** Another way out than the usual. */
  by?: Fetch;
  /** It goes out although the page is closed meanwhile. */
  keepalive?: boolean;
}

export interface SharedTokens {
  alone(operation: () => Promise<boolean>): Promise<boolean>;
  load(): Promise<Tokens | undefined>;
}

const TIMEOUT_MS = 60_000;
/** How often a rate limit is waited out. */
const PATIENCE = 5;
const LONGEST_WAIT_MS = 60_000;

export class Http {
  readonly baseUrl: string;
  /** The server knows the token no longer. `soft`: keys stay, a new login to the same device is wanted. */
  onLoggedOut: (soft: boolean) => void = () => {};
  /** New tokens: to be kept before the old ones are used up. */
  onTokens: (tokens: Tokens) => Promise<void> | void = () => {};

  /** Other tabs have the same tokens: one renews at a time, and looks first whether another did. */
  shared: SharedTokens = { alone: (operation) => operation(), load: async () => undefined };

  readonly #fetch: Fetch;
  readonly #sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  #tokens: Tokens | undefined;
  #refreshing: Promise<boolean> | undefined;

  constructor(baseUrl: string, fetch: Fetch, tokens?: Tokens, sleep = wait) {
    this.baseUrl = baseUrl;
    this.#fetch = fetch;
    this.#tokens = tokens;
    this.#sleep = sleep;
  }

  /** A request with JSON both ways. */
  async call<T = JsonObject>(method: string, path: string, options: Options = {}): Promise<T> {
    const headers: Record<string, string> = {};
    const init: RequestInit = { method, headers };
    if (options.body !== undefined) {
      headers["content-type"] = "application/json";
      init.body = JSON.stringify(options.body);
    }
    const response = await this.send(path, init, options);
    return (object(await response.json().catch(() => undefined)) ?? {}) as T;
  }

  /** A request with any body; the answer is a success. */
  async send(path: string, init: RequestInit, options: Options = {}): Promise<Response> {
    for (let attempt = 1; ; attempt += 1) {
      const used = this.#tokens?.accessToken;
      const response = await this.#once(path, init, options);
      if (response.ok) return response;
      const error = await errorOf(response);
      if (error.status === 429 && !options.impatient && attempt < PATIENCE) {
        const ms = Math.min(error.retryAfterMs ?? 1000 * 2 ** attempt, LONGEST_WAIT_MS);
        await this.#sleep(ms, options.signal);
        continue;
      }
      if (!error.isUnknownToken || options.anonymous) throw error;
      if (attempt < PATIENCE && (this.#tokens?.accessToken !== used || (await this.#refresh()))) {
        continue;
      }
      this.onLoggedOut(error.isSoftLogout);
      throw error;
    }
  }

  async #once(path: string, init: RequestInit, options: Options): Promise<Response> {
    const headers = { ...(init.headers as Record<string, string>) };
    if (this.#tokens && !options.anonymous) {
      headers["authorization"] = `Bearer ${this.#tokens.accessToken}`;
    }
    const timeout = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
    try {
      const send = options.by ?? this.#fetch;
      return await send(this.baseUrl + path + query(options.query), {
        ...init,
        headers,
        signal,
        ...(options.keepalive && { keepalive: true }),
      });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new Unreachable(error);
    }
  }

  /** One renewal at a time, whoever wants it. */
  #refresh(): Promise<boolean> {
    this.#refreshing ??= this.shared
      .alone(async () => (await this.#reload()) || (await this.#renew()))
      .finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  /** Whether another tab has newer tokens. */
  async #reload(): Promise<boolean> {
    const stored = await this.shared.load();
    if (!stored || !this.#tokens || stored.accessToken === this.#tokens.accessToken) return false;
    this.#tokens = stored;
    return true;
  }

  async #renew(): Promise<boolean> {
    const refreshToken = this.#tokens?.refreshToken;
    if (!refreshToken) return false;
    try {
      const answer = await this.call("POST", "/_matrix/client/v3/refresh", {
        body: { refresh_token: refreshToken },
        anonymous: true,
      });
      const accessToken = text(answer["access_token"]);
      if (!accessToken) return false;
      const tokens = { accessToken, refreshToken: text(answer["refresh_token"]) ?? refreshToken };
      await this.onTokens(tokens);
      this.#tokens = tokens;
      return true;
    } catch (error) {
      if (error instanceof MatrixError && !error.isTemporary) return false;
      throw error;
    }
  }
}

export function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(done, ms);
    function done() {
      signal?.removeEventListener("abort", stop);
      resolve();
    }
    function stop() {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** A path with its parts escaped: ``path`/rooms/${roomId}/leave` ``. */
export function path(parts: TemplateStringsArray, ...values: string[]): string {
  return String.raw({ raw: parts }, ...values.map(encodeURIComponent));
}

function query(values: Options["query"]): string {
  const given = Object.entries(values ?? {}).flatMap(([name, value]) => {
    return (value === undefined ? [] : [value].flat()).map((one) => [name, String(one)]);
  });
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

