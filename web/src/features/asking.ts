// Who asks to come into a room: they are let in, or turned away, which can be taken back for a moment.

import { actOn } from "../matrix/api/rooms";
import type { StateEvent } from "../matrix/event";
import { ignoredSet } from "../matrix/people";
import type { Room } from "../matrix/room/room";
import { t } from "../ui/words.svelte";
import type { Live } from "./live.svelte";

/** What somebody's being turned away is called meanwhile. */
const refusalOf = (room: Room, userId: string) => `refusal ${room.id} ${userId}`;

/** Those who ask; none, where one may not let them in. */
export function asking(live: Live, room: Room): StateEvent[] {
  const now = live.now(room);
  if (now.membership !== "join" || !now.may(live.client.me, "invite")) return [];
  const unheard = ignoredSet(live.latest);
  return now.states("m.room.member").filter(({ state_key, content }) => {
    if (content["membership"] !== "knock" || unheard.has(state_key)) return false;
    return !live.undoing.isHidden(refusalOf(room, state_key));
  });
}

export function turnAway(live: Live, room: Room, userId: string): void {
  const { client, undoing } = live;
  const { name } = live.profile(room, userId);
  undoing.do({
    words: () => t.undoTurnedAway(name),
    hides: [refusalOf(room, userId)],
    failed: (why) => t.notTurnedAway(name, why),
    act: (isClosing) => actOn(client.api.http, room.id, "kick", userId, "", isClosing),
  });
}
