// When somebody came into a room, as far as that is known.

import { object } from "../json";
import type { Room } from "./room";

/** `undefined`: they are not there, or changed their name since, and when they came is not at hand. */
export function joinedAt(room: Room, userId: string): number | undefined {
  const state = room.state("m.room.member", userId);
  if (state?.content["membership"] !== "join") return undefined;
  const own = room.timeline.events.filter(({ type, state_key }) => type === "m.room.member" && state_key === userId);
  const joins = [...own, state].filter(({ content, unsigned }) => {
    if (content["membership"] !== "join") return false;
    const before = object(unsigned?.["prev_content"]);
    return before ? before["membership"] !== "join" : unsigned?.["replaces_state"] === undefined;
  });
  return joins.length > 0 ? Math.max(...joins.map(({ origin_server_ts }) => origin_server_ts)) : undefined;
}
