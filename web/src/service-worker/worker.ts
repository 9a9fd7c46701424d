// The service worker: the client itself, whole and of one version, and media that are fetched with the token.
//
//   page ── "/" and its files ──► the cache of this version; filled at installation, or there is no installation
//   page ── <img src="/_matrix/client/v1/media/…"> ──► the homeserver, with the token of the session
//
// It imports nothing, so that it is one file; `build/shell.ts` writes into it what the version consists of.

import type { Session } from "../matrix/session";

/** Files by name, with the SHA-256 of each, and the hash of all that. */
declare const __SHELL__: { version: string; files: Record<string, string> };

/** Where there are routes, there is this as well. */
declare const URLPattern: new (input: string | { pathname: string }, base?: string) => object;

interface Extended extends Event {
  waitUntil(done: Promise<unknown>): void;
}

interface Installed extends Extended {
  /** Not in all browsers. */
  addRoutes?(rules: { condition: { urlPattern: object }; source: "network" | "fetch-event" }[]): Promise<void>;
}

interface Fetched extends Extended {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}

interface Told extends MessageEvent, Omit<Extended, keyof Event> {}

interface Pressed extends Extended {
  readonly notification: { readonly data: unknown; close(): void };
}

interface Page {
  focus(): Promise<unknown>;
  postMessage(message: unknown, transfer?: Transferable[]): void;
}

interface Scope {
  readonly registration: { readonly active: Pick<Page, "postMessage"> | null };
  readonly clients: {
    claim(): Promise<void>;
    matchAll(options: { type: "window"; includeUncontrolled?: boolean }): Promise<Page[]>;
    openWindow(url: string): Promise<unknown>;
  };
  skipWaiting(): Promise<void>;
  addEventListener(type: "install", listener: (event: Installed) => void): void;
  addEventListener(type: "activate", listener: (event: Extended) => void): void;
  addEventListener(type: "fetch", listener: (event: Fetched) => void): void;
  addEventListener(type: "message", listener: (event: Told) => void): void;
  addEventListener(type: "notificationclick", listener: (event: Pressed) => void): void;
}

const scope = self as unknown as Scope;
const { version, files } = __SHELL__;
const CACHE = `shell ${version}`;
const PAGE = "index.html";
/** Aborted, when what is fetched is not to hold up the next version. */
let way = new AbortController();

scope.addEventListener("install", (event) => event.waitUntil(Promise.all([install(), pass(event)])));
scope.addEventListener("activate", (event) => event.waitUntil(activate()));

scope.addEventListener("message", (event) => {
  const { data, ports } = event;
  if (data === "go on") {
    event.waitUntil((going ??= goOn()));
  } else if (data === "make way") {
    way.abort();
    way = new AbortController();
    ports[0]?.postMessage(true);
  } else if (typeof data === "object" && data !== null && "has" in data) {
    ports[0]?.postMessage(String(data.has) in files);
  }
});

scope.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== location.origin || request.method !== "GET") return;
  if (MEDIA.test(url.pathname)) {
    // What a page asks for with a token of its own passes. What would run here as a document never comes from media.
    if (!SHOWN.has(request.destination) || request.headers.has("authorization")) return;
    return event.respondWith(media(request, url.pathname + url.search));
  }
  const name = url.pathname === "/" ? PAGE : url.pathname.slice(1);
  if (name in files) event.respondWith(own(request, name));
});

scope.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(goTo(event.notification.data as Goal));
});

/** What `Desktop` gives a notification. */
interface Goal {
  goal: unknown;
  /** Of the message, for a page that has to be opened first. */
  link?: string;
}

/** To the page that was looked at last, or a new one. */
async function goTo({ goal, link }: Goal): Promise<void> {
  const [page] = await scope.clients.matchAll({ type: "window", includeUncontrolled: true });
  if (!page) return void (await scope.clients.openWindow(link === undefined ? "/" : `/#/link/${encodeURIComponent(link)}`));
  page.postMessage({ goal });
  await page.focus();
}

const pathOf = (name: string) => (name === PAGE ? "/" : `/${name}`);

/** All files of this version, or none. */
async function install(): Promise<void> {
  const isThere = await caches.has(CACHE);
  const cache = await caches.open(CACHE);
  try {
    await Promise.all(
      Object.entries(files).map(async ([name, hash]) => {
        const response = await fetch(pathOf(name), { cache: "no-cache" });
        const found = await crypto.subtle.digest("SHA-256", await response.clone().arrayBuffer());
        if (!response.ok || base64(found) !== hash) throw new Error(`${name} is of another version`);
        await cache.put(pathOf(name), response);
      }),
    );
  } catch (error) {
    // Another worker of this version may live from it.
    if (!isThere) await caches.delete(CACHE);
    throw error;
  }
}

/** What the homeserver is asked for passes by: it takes no way through here, nor keeps a version busy that is to go. */
async function pass(event: Installed): Promise<void> {
  await event.addRoutes?.([
    { condition: { urlPattern: new URLPattern("/_matrix/client/v1/media/*", location.href) }, source: "fetch-event" },
    { condition: { urlPattern: new URLPattern({ pathname: "/_matrix/*" }) }, source: "network" },
  ]);
}

/** How long the version before may take to let go of what it fetches. */
const FAREWELL_MS = 1000;
let going: Promise<void> | undefined;

/**
 * The person wants this version. Browsers wait until the one before has nothing left to do, and some ask it but once
 * whether it has: so it is told first, and nothing is sent to it after that.
 */
async function goOn(): Promise<void> {
  const { active } = scope.registration;
  if (active) await answered(active, "make way", FAREWELL_MS);
  await scope.skipWaiting();
}

async function activate(): Promise<void> {
  for (const name of await caches.keys()) {
    if (name.startsWith("shell ") && name !== CACHE) await caches.delete(name);
  }
  await scope.clients.claim();
}

/** A file of the client; from the server, if the browser threw the cache away. */
async function own(request: Request, name: string): Promise<Response> {
  return (await caches.match(pathOf(name), { cacheName: CACHE })) ?? fetch(request);
}

const MEDIA = /^\/_matrix\/client\/v1\/media\/(download|thumbnail)\//;
const SHOWN = new Set(["image", "video", "audio"]);
const TYPES = /^(image\/(png|jpeg|gif|webp|avif)|video\/[\w-]+|audio\/[\w-]+)\s*(;|$)/;
/** How long a page may take to renew its token. */
const PATIENCE_MS = 10_000;

async function media(request: Request, path: string): Promise<Response> {
  let response = await withToken(request, path);
  if (response.status === 401 && (await renewed())) response = await withToken(request, path);
  if (!response.ok) return new Response(null, { status: response.status });
  const type = response.headers.get("content-type") ?? "";
  if (!TYPES.test(type)) return new Response(null, { status: 415 });
  // Untouched: the browser sees by it which parts are of one file, and needs this worker no longer to go on with it.
  if (request.destination !== "image") return response;
  const headers = new Headers({ "content-type": type, "x-content-type-options": "nosniff" });
  const length = response.headers.get("content-length");
  if (length !== null) headers.set("content-length", length);
  headers.set("content-security-policy", "default-src 'none'; sandbox");
  return new Response(response.body, { status: response.status, headers });
}

async function withToken(request: Request, path: string): Promise<Response> {
  const session = await currentSession();
  if (!session) return new Response(null, { status: 401 });
  const headers = new Headers({ authorization: `Bearer ${session.accessToken}` });
  const range = request.headers.get("range");
  if (range !== null) headers.set("range", range);
  const signal = AbortSignal.any([request.signal, way.signal]);
  return fetch(session.baseUrl + path, { headers, signal, credentials: "omit" });
}

/** Who is logged in in this browser: as `store/sessions.ts` keeps it. */
function currentSession(): Promise<Session | undefined> {
  return new Promise((resolve, reject) => {
    const opened = indexedDB.open("sealpost");
    // There is none yet, and this is not the one to make it.
    opened.onupgradeneeded = () => opened.transaction?.abort();
    opened.onerror = () => resolve(undefined);
    opened.onsuccess = () => {
      const database = opened.result;
      const found = database.transaction("sessions").objectStore("sessions").get("current");
      found.onerror = () => reject(found.error ?? new Error("no session"));
      found.onsuccess = () => resolve(found.result as Session | undefined);
      database.close();
    };
  });
}

/** Whether a page renewed the token. */
async function renewed(): Promise<boolean> {
  const [page] = await scope.clients.matchAll({ type: "window" });
  if (!page) return false;
  const isOver = new Promise((resolve) => way.signal.addEventListener("abort", resolve));
  return (await Promise.race([answered(page, "renew", PATIENCE_MS), isOver])) === true;
}

/** What is answered by a page or another worker; `undefined`, if nothing is for so long. */
function answered(by: Pick<Page, "postMessage">, question: string, patienceMs: number): Promise<unknown> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, patienceMs);
    port1.onmessage = ({ data }) => {
      clearTimeout(timer);
      resolve(data);
    };
    by.postMessage(question, [port2]);
  });
}

function base64(bytes: ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}
