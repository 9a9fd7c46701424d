// What a homeserver tells everybody about itself: `/.well-known/matrix/client` and
// `/_matrix/client/versions` of the client-server API.

export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

export interface Discovery {
  /** What user ids end in. */
  serverName: string;
  /** What a person enters as the homeserver's address. */
  baseUrl: string;
  /** The version of the software, where the server tells it. */
  software: string | undefined;
  /** Versions of the Matrix specification, oldest first. */
  specification: string[];
}

export class DiscoveryError extends Error {}

type Json = Record<string, unknown>;

/** Asks the server at `origin`; fails when it does not answer as a homeserver. */
export async function discover(origin: string, fetch: Fetch, signal: AbortSignal): Promise<Discovery> {
  const [specification, wellKnown] = await Promise.all([
    versions(origin, fetch, signal),
    document(origin, fetch, signal),
  ]);
  return described(origin, specification, wellKnown);
}

function document(origin: string, fetch: Fetch, signal: AbortSignal): Promise<Json | undefined> {
  return fetch(`${origin}/.well-known/matrix/client`, { signal }).then(json, () => undefined);
}

async function versions(origin: string, fetch: Fetch, signal: AbortSignal): Promise<string[]> {
  const answer = await json(await fetch(`${origin}/_matrix/client/versions`, { signal }));
  const listed = answer?.["versions"];
  if (!Array.isArray(listed)) throw new DiscoveryError("no list of versions");
  return listed.filter((version) => typeof version === "string");
}

/** A server at `origin`, as its well-known document tells of it. */
function described(origin: string, specification: string[], wellKnown: Json | undefined): Discovery {
  const about = object(wellKnown?.["org.sealpost.server"]);
  const baseUrl = text(object(wellKnown?.["m.homeserver"])?.["base_url"])?.replace(/\/+$/, "");
  return {
    serverName: text(about?.["name"]) ?? new URL(baseUrl ?? origin).host,
    baseUrl: baseUrl ?? origin,
    software: text(about?.["version"]),
    specification,
  };
}

/** The newest and the oldest version in words, without those from before v1.1. */
export function range(specification: string[]): string | undefined {
  const modern = specification.filter((version) => /^v\d+\.\d+$/.test(version));
  const [oldest, newest] = [modern[0], modern.at(-1)];
  if (!oldest || !newest) return undefined;
  return oldest === newest ? oldest : `${oldest} to ${newest}`;
}

async function json(response: Response): Promise<Json | undefined> {
  if (!response.ok) return undefined;
  return object(await response.json().catch(() => undefined));
}

function object(value: unknown): Json | undefined {
  return typeof value === "object" && value !== null ? (value as Json) : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Finds the server that a person named: by its name, its address, or a user's whole address. */
export async function find(named: string, fetch: Fetch, signal: AbortSignal): Promise<Discovery> {
  const trimmed = named.trim().replace(/^@[^:]*:/, "");
  const isAddress = /^https?:\/\//.test(trimmed);
  const origin = new URL(isAddress ? trimmed : `https://${trimmed}`).origin;
  const wellKnown = await document(origin, fetch, signal);
  const told = text(object(wellKnown?.["m.homeserver"])?.["base_url"]);
  const baseUrl = told ? new URL(told).href.replace(/\/+$/, "") : origin;
  const found = described(baseUrl, await versions(baseUrl, fetch, signal), wellKnown);
  return { ...found, serverName: isAddress ? found.serverName : new URL(origin).host, baseUrl };
}
