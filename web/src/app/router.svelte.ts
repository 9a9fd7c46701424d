// Where in the client somebody is: in the address, so that back, forward and links work.

export type Place =
  | { at: "home" }
  | { at: "room"; roomId: string }
  | { at: "settings" };

function parse(hash: string): Place {
  const [, kind, id] = /^#\/(\w+)(?:\/(.+))?$/.exec(hash) ?? [];
  if (kind === "room" && id) {
    try {
      return { at: "room", roomId: decodeURIComponent(id) };
    } catch {
      // An escape that is none: somebody's own address.
      return { at: "home" };
    }
  }
  if (kind === "settings") return { at: "settings" };
  return { at: "home" };
}

function hashOf(place: Place): string {
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

  go(place: Place): void {
    const hash = hashOf(place);
    if (hash === location.hash) return;
    this.place = place;
    location.hash = hash;
  }
}
