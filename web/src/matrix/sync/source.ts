// Which of the two kinds of sync a server speaks.

import { isOutside } from "../api/error";
import type { Http } from "../api/http";
import { SlidingSync, speaksSliding } from "./sliding";
import type { SyncSource } from "./update";
import { V3Sync } from "./v3";

interface Store {
  meta(key: string): Promise<unknown>;
  setMeta(key: string, value: unknown): Promise<void>;
}

/** `isGuest`: beside another tab, which has the keys and gets what is for them. */
export async function sourceOf(http: Http, userId: string, store: Store, isGuest: boolean): Promise<SyncSource> {
  let speaks = (await store.meta("sliding")) as boolean | undefined;
  try {
    speaks = speaksSliding(await http.call("GET", "/_matrix/client/versions", { timeoutMs: 10_000 }));
    await store.setMeta("sliding", speaks);
  } catch (error) {
    // Offline: as it was in the last visit.
    if (!isOutside(error)) throw error;
  }
  if (speaks === false) return new V3Sync(http);
  if (isGuest) return new SlidingSync(http, userId, undefined, undefined, `tab ${crypto.randomUUID()}`);
  const since = (await store.meta("since")) as string | undefined;
  const keep = (since: string) => void store.setMeta("since", since);
  return new SlidingSync(http, userId, since, keep);
}
