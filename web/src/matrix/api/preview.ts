// What the homeserver tells of a page behind a link, if it looks at such pages at all.

import { text } from "../json";
import { MatrixError } from "./error";
import type { Http } from "./http";

export interface Preview {
  title: string;
  site: string | undefined;
  description: string | undefined;
  /** `mxc:` of a picture that the server keeps. */
  image: string | undefined;
}

/** Servers that were asked once and do not do it. */
const silent = new WeakSet<Http>();

/** The first question to a server: others wait for what comes of it. */
const first = new WeakMap<Http, Promise<Preview | undefined>>();

const asked = new Map<string, Promise<Preview | undefined>>();
const MOST_KEPT = 200;

/** Asks once for each link. */
export function preview(http: Http, url: string, ts: number): Promise<Preview | undefined> {
  const before = asked.get(url);
  if (before) return before;
  if (asked.size >= MOST_KEPT) asked.clear();
  const found = askInTurn(http, url, ts);
  asked.set(url, found);
  return found;
}

async function askInTurn(http: Http, url: string, ts: number): Promise<Preview | undefined> {
  const earlier = first.get(http);
  if (earlier) await earlier;
  const found = ask(http, url, ts);
  if (!earlier) first.set(http, found);
  return found;
}

async function ask(http: Http, url: string, ts: number): Promise<Preview | undefined> {
  if (silent.has(http)) return undefined;
  try {
    const query = { url, ts };
    const answer = await http.call("GET", "/_matrix/client/v1/media/preview_url", { query, impatient: true });
    const title = text(answer["og:title"])?.trim().slice(0, 200);
    if (!title) return undefined;
    return {
      title,
      image: text(answer["og:image"]),
      site: text(answer["og:site_name"])?.slice(0, 80),
      description: text(answer["og:description"])?.slice(0, 400),
    };
  } catch (error) {
    const isSilent = error instanceof MatrixError && (error.errcode === "M_UNRECOGNIZED" || error.status === 404 || error.status === 405);
    if (isSilent) silent.add(http);
    return undefined;
  }
}
