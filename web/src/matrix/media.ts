// Where a page shows media from: addresses of its own origin, which the service worker answers with the token.

import { path } from "./api/http";

/** What browsers show as a picture, and cannot run. */
export function isPicture(type: string): boolean {
  return /^image\/(png|jpeg|gif|webp|avif)$/.test(type);
}

/** A server called `.` or `..` would lead to another place of the homeserver. */
const ADDRESS = /^mxc:\/\/(?!\.{1,2}\/)([^/]+)\/([A-Za-z0-9_-]+)$/;

export function isMediaUri(uri: string): boolean {
  return ADDRESS.test(uri);
}

/** The two parts of `mxc://server/id`. */
export function mediaPath(uri: string): string {
  const [, server, id] = ADDRESS.exec(uri) ?? [];
  if (!server || !id) throw new Error("no address of media");
  return path`${server}/${id}`;
}

/** A small picture of `size` pixels a side, for screens of twice as many; `undefined` for what is no address. */
export function thumbnail(uri: string | undefined, size: number): string | undefined {
  if (!uri || !isMediaUri(uri)) return undefined;
  const query = new URLSearchParams({ width: String(2 * size), height: String(2 * size), method: "crop" });
  return `/_matrix/client/v1/media/thumbnail/${mediaPath(uri)}?${query}`;
}

/** The whole of it, from anywhere in it. */
export function download(uri: string): string {
  return `/_matrix/client/v1/media/download/${mediaPath(uri)}`;
}
