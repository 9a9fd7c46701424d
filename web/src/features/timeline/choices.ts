// What can be done with what somebody said: beside answering it.

import { isChangeable, type Message } from "../../matrix/room/messages";
import type { Room } from "../../matrix/room/room";
import type { Choice } from "../../ui/choice";
import { t } from "../../ui/words.svelte";
import type { Acts } from "./acts";

/** Edits, reports and removes. `album`: the pictures that were sent at once, of which the message is the first. */
export function changesTo(message: Message, room: Room, me: string, acts: Acts, album?: readonly Message[]): Choice[] {
  const isOwn = message.sender === me;
  const all: Choice[] = [];
  // Of pictures each is changed by itself.
  if (isOwn && !album && isChangeable(message)) all.push({ label: t.edit, icon: "edit", onchoose: () => acts.edit(message) });
  if (!isOwn) all.push({ label: t.report, icon: "alert", onchoose: () => acts.report(message) });
  if (isOwn || room.may(me, "redact")) {
    all.push({ label: t.remove, icon: "trash", isBad: true, onchoose: () => acts.remove(album ?? [message]) });
  }
  return all;
}
