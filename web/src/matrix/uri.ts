// Where people and rooms are found, as it is written: bare, as `https://matrix.to/#/…` and as `matrix:…`.

import type { Room } from "./room/room";
import { viaOf } from "./room/via";
import { serverOf } from "./session";

export interface MatrixLink {
  /** `@name:server`, `#alias:server` or `!room`. */
  id: string;
  eventId: string | undefined;
  via: string[];
}

/** A room, and servers by which it can be reached. */
export interface Address {
  room: string;
  via: string[];
}

const WEB = "https://matrix.to/#/";
const SCHEME = "matrix:";

/** `undefined`: it leads elsewhere. */
export function matrixLink(href: string): MatrixLink | undefined {
  const begins = (prefix: string) => href.slice(0, prefix.length).toLowerCase() === prefix;
  try {
    if (begins(WEB)) return web(href.slice(WEB.length));
    if (begins(SCHEME)) return scheme(href.slice(SCHEME.length));
  } catch {
    // An escape that is none.
  }
  return undefined;
}

/** The room that somebody typed or pasted, in any of the forms. */
export function addressOf(written: string): Address | undefined {
  const trimmed = written.trim();
  const { id, via } = matrixLink(trimmed) ?? { id: trimmed, via: [] };
  if (!/^[#!][^\s/?]+$/.test(id)) return undefined;
  return { room: id, via: via.length > 0 || !id.includes(":") ? via : [serverOf(id)] };
}

/** A whole address that somebody typed or pasted, in any of the forms: of a person, a room or a message. */
export function linkOf(written: string): MatrixLink | undefined {
  const trimmed = written.trim();
  const link = matrixLink(trimmed) ?? { id: trimmed, eventId: undefined, via: [] };
  if (!/^([@#!][^\s:]+:[^\s/?#]+|![\w-]{43})$/.test(link.id)) return undefined;
  return link.via.length > 0 || !link.id.includes(":") ? link : { ...link, via: [serverOf(link.id)] };
}

export function linkTo(roomId: string, eventId: string | undefined, via: string[]): string {
  const parts = [roomId, ...(eventId === undefined ? [] : [eventId])].map(encodeURIComponent).join("/");
  const query = via.map((server) => `via=${encodeURIComponent(server)}`).join("&");
  return `${WEB}${parts}${query && `?${query}`}`;
}

export function linkToMessage(room: Room, eventId: string): string {
  return linkTo(room.id, eventId, viaOf(room));
}

function web(rest: string): MatrixLink | undefined {
  const [path = "", query = ""] = rest.split("?");
  const [id = "", eventId] = path.split("/").map(decodeURIComponent);
  if (!/^[@#!]./.test(id)) return undefined;
  return { id, eventId: eventId?.startsWith("$") ? eventId : undefined, via: viaIn(query) };
}

const SIGNS: Record<string, string> = { u: "@", user: "@", r: "#", room: "#", roomid: "!" };

function scheme(rest: string): MatrixLink | undefined {
  const [path = "", query = ""] = rest.split("?");
  const [kind = "", name = "", of, event] = path.split("/").map(decodeURIComponent);
  const sign = SIGNS[kind];
  if (!sign || !name) return undefined;
  const isEvent = (of === "e" || of === "event") && event;
  return { id: sign + name, eventId: isEvent ? `$${event}` : undefined, via: viaIn(query) };
}

function viaIn(query: string): string[] {
  return new URLSearchParams(query).getAll("via").slice(0, 5);
}
