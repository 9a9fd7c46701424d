// Addresses of rooms, as people write them: bare, as links of matrix.to, as `matrix:` links.

export interface Address {
  room: string;
  /** Servers by which it can be reached. */
  via: string[];
}

export function addressOf(written: string): Address | undefined {
  const { room, query } = partsOf(written.trim());
  if (!room || !/^[#!][^\s/?]+$/.test(room)) return undefined;
  const via = new URLSearchParams(query).getAll("via");
  const server = room.split(":").slice(1).join(":");
  return { room, via: via.length > 0 || !server ? via : [server] };
}

function partsOf(written: string): { room?: string | undefined; query?: string | undefined } {
  const link = /^https:\/\/matrix\.to\/#\/([^?/]+)[^?]*(?:\?(.*))?$/.exec(written);
  if (link) return { room: decoded(link[1]), query: link[2] };
  const uri = /^matrix:(r|roomid)\/([^?/]+)[^?]*(?:\?(.*))?$/.exec(written);
  if (uri) return { room: `${uri[1] === "r" ? "#" : "!"}${decoded(uri[2]) ?? ""}`, query: uri[3] };
  return { room: written };
}

function decoded(part: string | undefined): string | undefined {
  try {
    return part && decodeURIComponent(part);
  } catch {
    // A percent sign that stands for itself.
    return undefined;
  }
}

/** Servers by which others reach a room: those of the most people who may do most in it, up to three. */
export function viaOf(members: { userId: string; level: number }[]): string[] {
  const counts = new Map<string, number>();
  const sorted = members.toSorted((a, b) => b.level - a.level);
  const server = (userId: string) => userId.slice(userId.indexOf(":") + 1);
  for (const { userId } of members) counts.set(server(userId), (counts.get(server(userId)) ?? 0) + 1);
  const first = sorted[0] ? [server(sorted[0].userId)] : [];
  const most = [...counts].toSorted((a, b) => b[1] - a[1]).map(([name]) => name);
  return [...new Set([...first, ...most])].slice(0, 3);
}
