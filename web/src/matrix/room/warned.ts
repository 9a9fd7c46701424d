// Who should not be among the readers of messages: by what is known now, not when they were opened.

import type { Remote } from "../crypto/remote";
import type { SessionManager } from "../crypto/session_manager";
import type { Room } from "./room";

export async function warn(room: Room, sessions: () => Promise<Remote<SessionManager> | undefined>): Promise<void> {
  const live = room.live();
  const events = room.timeline.events.flatMap(({ event_id, origin_server_ts: at }) => {
    const opened = room.opened.get(event_id);
    return opened?.status === "read" && opened.audience ? [{ event_id, opened, audience: opened.audience, at }] : [];
  });
  const found = events.length > 0 && (await sessions());
  if (!found) return;
  const asked = events.map(({ event_id, audience, at }) => ({ audience, at, isLive: live.has(event_id) }));
  const now = await found.warnings(room.id, asked);
  events.forEach(({ event_id, opened }, at) => {
    const told = now[at];
    // Of lists that were known, the oldest are forgotten.
    const isForgotten = told?.areReadersUnknown === true && opened.areReadersUnknown === false;
    // Meanwhile it may have been removed, or opened anew.
    const isSame = room.opened.get(event_id) === opened;
    if (told && !isForgotten && isSame) room.opened.set(event_id, { ...opened, ...told });
  });
  room.changed();
}
