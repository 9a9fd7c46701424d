// Links to people, rooms and messages: `https://matrix.to/#/…` and `matrix:…`.

import type { Room } from "./room/room";
import { serverOf } from "./session";

export interface MatrixLink {
  /** `@name:server`, `#alias:server` or `!room`. */
  id: string;
  eventId: string | undefined;
  via: string[];
}

/** `undefined`: it leads elsewhere. */
export function matrixLink(href: string): MatrixLink | undefined {
  try {
    if (/^https:\/\/matrix\.to\/#\//i.test(href)) return web(href.slice(href.indexOf("#/") + 2));
    if (/^matrix:/i.test(href)) return scheme(href.slice("matrix:".length));
  } catch {
    // An escape that is none.
  }
  return undefined;
}

export function linkTo(roomId: string, eventId: string | undefined, via: string[]): string {
  const parts = [roomId, ...(eventId === undefined ? [] : [eventId])].map(encodeURIComponent).join("/");
  const query = via.map((server) => `via=${encodeURIComponent(server)}`).join("&");
  return `https://matrix.to/#/${parts}${query && `?${query}`}`;
}

const MOST_SERVERS = 3;

/** With the servers of most of its people, as nobody finds a room by its id alone. */
export function linkToMessage(room: Room, eventId: string): string {
  const counts = new Map<string, number>();
  for (const { content, state_key: userId } of room.states("m.room.member")) {
    if (content["membership"] === "join") counts.set(serverOf(userId), (counts.get(serverOf(userId)) ?? 0) + 1);
  }
  const servers = [...counts].toSorted(([, a], [, b]) => b - a).map(([server]) => server);
  return linkTo(room.id, eventId, servers.slice(0, MOST_SERVERS));
}

function web(rest: string): MatrixLink | undefined {
  const [path = "", query = ""] = rest.split("?");
  const [id = "", eventId] = path.split("/").map(decodeURIComponent);
  if (!/^[@#!]./.test(id)) return undefined;
  return { id, eventId: eventId?.startsWith("$") ? eventId : undefined, via: viaOf(query) };
}

const SIGNS: Record<string, string> = { u: "@", user: "@", r: "#", room: "#", roomid: "!" };

function scheme(rest: string): MatrixLink | undefined {
  const [path = "", query = ""] = rest.split("?");
  const [kind = "", name = "", of, event] = path.split("/").map(decodeURIComponent);
  const sign = SIGNS[kind];
  if (!sign || !name) return undefined;
  const isEvent = (of === "e" || of === "event") && event;
  return { id: sign + name, eventId: isEvent ? `$${event}` : undefined, via: viaOf(query) };
}

function viaOf(query: string): string[] {
  return new URLSearchParams(query).getAll("via").slice(0, 5);
}
