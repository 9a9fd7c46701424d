// A client with the real module, against a homeserver of a few lines, for tests.

import "fake-indexeddb/auto";

import { readFileSync } from "node:fs";

import * as module from "sealpost-e2e";

import { Http } from "./api/http";
import type { Asked as Stages } from "./auth/uia";
import { Client } from "./client";
import { Device } from "./crypto/device";
import type { KeyServer } from "./crypto/key_server.test-support";
import { partsOf } from "./crypto/parts";
import { expose, type Port } from "./crypto/remote";
import type { JsonObject } from "./json";
import "./locks.test-support";
import type { Room } from "./room/room";
import { DataStore } from "./store/data";
import { unlock, type Vaults } from "./store/lock";
import { SessionStore } from "./store/sessions";
import type { VaultKeys } from "./store/vault";
import type { Tabs } from "./tabs";

/** Of a request that hangs until it is given up. */
export const HANG = Symbol("hang");

export interface Asked {
  method: string;
  path: string;
  query: URLSearchParams;
  body: JsonObject;
}

type Answer = JsonObject | typeof HANG | { status: number; errcode: string } | undefined;

/** The homeserver as one user sees it. */
export class Homeserver {
  readonly asked: Asked[] = [];
  /** What the next syncs bring; afterwards there is no news. */
  readonly syncs: JsonObject[] = [];
  /** Answers before anything else does. */
  instead: (asked: Asked) => Answer = () => undefined;
  readonly #user: string;
  readonly #keys: KeyServer;
  readonly #accountData: Record<string, JsonObject> = {};
  #news = new EventTarget();

  constructor(user: string, keys: KeyServer) {
    this.#user = user;
    this.#keys = keys;
  }

  /** As a sync brings it now. */
  push(sync: JsonObject): void {
    this.syncs.push(sync);
    this.#news.dispatchEvent(new Event("news"));
  }

  of(method: string, part: string): Asked[] {
    return this.asked.filter((one) => one.method === method && one.path.includes(part));
  }

  readonly fetch = async (address: string, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(address);
    const body = typeof init.body === "string" ? (JSON.parse(init.body) as JsonObject) : {};
    const path = decodeURIComponent(url.pathname).replace(/^\/_matrix\/client\/(v3|v1)/, "");
    const asked = { method: init.method ?? "GET", path, query: url.searchParams, body };
    this.asked.push(asked);
    const answer = this.instead(asked) ?? (await this.#answer(asked, init.signal ?? undefined));
    if (answer === HANG) return new Promise((_, reject) => init.signal?.addEventListener("abort", () => reject(init.signal?.reason)));
    const status = "errcode" in answer && typeof answer["status"] === "number" ? answer["status"] : 200;
    return new Response(JSON.stringify(answer), { status });
  };

  async #answer({ method, path, body }: Asked, signal?: AbortSignal): Promise<JsonObject | { status: number; errcode: string }> {
    if (path.endsWith("/versions")) return { versions: ["v1.11"], unstable_features: {} };
    if (path === "/sync") return this.#sync(signal);
    const keys = { "/keys/upload": "keys_upload", "/keys/query": "keys_query", "/keys/claim": "keys_claim" } as const;
    const more = { "/keys/device_signing/upload": "signing_keys_upload", "/keys/signatures/upload": "signatures_upload" } as const;
    const kind = path.startsWith("/sendToDevice/") ? "to_device" : { ...keys, ...more }[path];
    if (kind) return this.#keys.answer(this.#user, { id: 0, kind, method: "POST", path: `/_matrix/client/v3${path}`, body });
    if (path === "/room_keys/version" && method === "POST") return { version: "1" };
    if (path.includes("/account_data/")) {
      if (method === "PUT") this.#accountData[path] = body;
      return this.#accountData[path] ?? { status: 404, errcode: "M_NOT_FOUND" };
    }
    if (path.includes("/send/")) return { event_id: `$sent${this.asked.length}` };
    if (method === "GET") return { status: 404, errcode: "M_NOT_FOUND" };
    return {};
  }

  async #sync(signal?: AbortSignal): Promise<JsonObject> {
    if (this.syncs.length === 0) {
      await new Promise<void>((resolve, reject) => {
        this.#news.addEventListener("news", () => resolve(), { once: true });
        signal?.addEventListener("abort", () => reject(signal.reason as Error));
      });
    }
    const rest = this.#keys.sync(this.#user);
    return { next_batch: `s${this.asked.length}`, ...rest, ...this.syncs.shift() };
  }
}

/** Answers as a server that wants a password before an identity is published, and that password is "right". */
export function wantsPassword({ path, body }: Asked): Answer {
  if (path !== "/keys/device_signing/upload" || (body["auth"] as JsonObject | undefined)?.["password"] === "right") return undefined;
  return { status: 401, errcode: "M_FORBIDDEN", session: "s", flows: [{ stages: ["m.login.password"] }] } as never;
}

/** Who says a password when asked for one, once. */
export function saying(password: string): Stages {
  return { ask: async (_, error) => (error === undefined ? { password } : undefined), supported: ["m.login.password"] };
}

export class Somebody {
  readonly user: string;
  readonly server: Homeserver;
  client!: Client;
  /** Whether the module can be loaded. */
  hasModule = true;

  constructor(user: string, keys: KeyServer) {
    this.user = user;
    this.server = new Homeserver(user, keys);
    module.initSync({ module: readFileSync("generated/sealpost_e2e_bg.wasm") });
  }

  /** As after the page was opened. */
  async open(tabs?: Tabs): Promise<Client> {
    this.client?.stop();
    this.client = await this.#made(tabs);
    await this.client.start();
    return this.client;
  }

  /** In another tab, beside the one that owns the keys. */
  async beside(tabs: Tabs): Promise<Client> {
    const client = await this.#made(tabs);
    await client.start(true);
    return client;
  }

  /** What is on the disk of rooms: what is known of them comes there later. */
  async kept(roomId: string): Promise<Room | undefined> {
    const [store] = await this.#opened();
    const rooms = await store.rooms();
    store.close();
    return rooms.find(({ id }) => id === roomId);
  }

  async #opened(): Promise<[DataStore, Vaults]> {
    const vaults = await unlock(await new SessionStore().lock(this.user));
    return [await DataStore.open(this.user, vaults.data), vaults];
  }

  async #made(tabs?: Tabs): Promise<Client> {
    const [store, vaults] = await this.#opened();
    const session = { userId: this.user, deviceId: "DEVICE", baseUrl: "https://a.test", accessToken: "t" };
    const http = new Http(session.baseUrl, this.server.fetch, { accessToken: "t" }, async () => {});
    const machine = () => worker(this.hasModule) as unknown as Worker;
    return new Client(session, http, store, vaults, { machine, extra: machine, codes: machine }, tabs);
  }
}

/** Waits until something is so. */
export async function until(what: () => unknown, ms = 20_000): Promise<void> {
  for (const end = Date.now() + ms; !(await what()); ) {
    if (Date.now() > end) throw new Error(`it is never so: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What stands in for the worker: the same parts, in this thread. */
function worker(hasModule: boolean): Port & { terminate(): void } {
  const [here, there] = ports();
  let parts: Record<string, object> = {};
  const host = {
    async open(userId: string, deviceId: string, keys: VaultKeys): Promise<void> {
      if (!hasModule) throw new Error("it can't be loaded");
      const device = await Device.open(module, userId, deviceId, keys);
      parts = { ...partsOf(device) };
    },
  };
  expose(there, async (part) => (part === "host" ? host : (parts[part] ?? {})));
  return Object.assign(here, { terminate: () => {} });
}

function ports(): [Port & EventTarget, Port & EventTarget] {
  const [one, two] = [new EventTarget(), new EventTarget()];
  const port = (target: EventTarget, other: EventTarget) =>
    Object.assign(target, {
      postMessage: (data: unknown) => queueMicrotask(() => void other.dispatchEvent(new MessageEvent("message", { data }))),
    }) as unknown as Port & EventTarget;
  return [port(one, two), port(two, one)];
}
