// Whether somebody is there, in words.

import type { Presence } from "../matrix/presence/presence";
import { ago, t } from "../ui/words.svelte";

export function presenceWords({ state, lastActive, status }: Presence): string {
  const isHere = state === "online" || lastActive === undefined;
  return [t.presence[state], ...(isHere ? [] : [t.lastActive(ago(lastActive))]), ...(status ? [status] : [])].join(" · ");
}
