// Going out of a room: for a moment that can be taken back.

import type { Room } from "../matrix/room/room";
import { t } from "../ui/words.svelte";
import type { Live } from "./live.svelte";

export function leave(live: Live, room: Room): void {
  // By then it is gone from the page.
  const name = live.summary(room).name || t.emptyRoom;
  const mayComeBack = room.state("m.room.join_rules")?.content["join_rule"] === "public";
  live.undoing.do({
    words: () => t.undoLeft(name),
    more: mayComeBack ? undefined : () => t.leaveMore,
    hides: [room.id],
    failed: (why) => t.notLeft(name, why),
    act: (isClosing) => live.client.leave(room, isClosing),
  });
}
