// Where in the client somebody is: in the address, so that back, forward and links work.

import { matrixLink, type MatrixLink } from "../matrix/uri";

export type Place =
  | { at: "home" }
  /** Somebody followed a link into Matrix elsewhere, and came here by it. */
  | { at: "link"; link: MatrixLink }
  | { at: "room"; roomId: string }
  | { at: "settings" };

/** Where programs send `matrix:` links: behind `#`, what they say does not get to the server. */
export const LINKS = "/#/link/%s";

function parse(hash: string): Place {
  const [, kind, id] = /^#\/(\w+)(?:\/(.+))?$/.exec(hash) ?? [];
  try {
    if (kind === "room" && id) return { at: "room", roomId: decodeURIComponent(id) };
    const link = kind === "link" && id ? matrixLink(decodeURIComponent(id)) : undefined;
    if (link) return { at: "link", link };
  } catch {
    // An escape that is none: somebody's own address.
  }
  return { at: kind === "settings" ? "settings" : "home" };
}

function hashOf(place: Exclude<Place, { at: "link" }>): string {
  if (place.at === "room") return `#/room/${encodeURIComponent(place.roomId)}`;
  return place.at === "settings" ? "#/settings" : "#/";
}

export class Router {
  place = $state.raw<Place>(parse(location.hash));

  /** Follows the address until the answer is called. */
  follow(): () => void {
    const changed = () => (this.place = parse(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }

  go(place: Exclude<Place, { at: "link" }>): void {
    const hash = hashOf(place);
    if (hash === location.hash) return;
    const wasLink = this.place.at === "link";
    this.place = place;
    // The way back leads past the link: it would lead here again.
    if (wasLink) history.replaceState(null, "", hash);
    else location.hash = hash;
  }
}
