// Tells of new messages while somebody looks elsewhere.

import type { Client } from "../../matrix/client";
import { relationOf, type RoomEvent } from "../../matrix/event";
import { verdict } from "../../matrix/push/rules";
import { inside, isReadable } from "../../matrix/room/messages";
import { displayName, profile, roomName } from "../../matrix/room/names";
import type { Room } from "../../matrix/room/room";
import { t } from "../../ui/words.svelte";
import { plainText } from "../plain";

export interface Told {
  title: string;
  body: string;
  /** A later one of the same room takes its place. */
  tag: string;
  roomId: string;
  isSilent: boolean;
}

/** How far back something is still new: what was missed for longer shows in the list. */
const RECENT_MS = 10 * 60_000;
const LOOKS_BACK = 20;

export class Notifier {
  readonly #client: Client;
  readonly #show: (told: Told) => void;
  /** By room: those of its last events that were seen. */
  readonly #known = new Map<string, ReadonlySet<string>>();
  /** Rooms to which one is invited, as it was told. */
  readonly #invited = new Set<string>();
  /** Shown with what was written. */
  withWords = true;

  constructor(client: Client, show: (told: Told) => void) {
    this.#client = client;
    this.#show = show;
  }

  /** Listens until the answer is called. What is there already is not new. */
  listen(): () => void {
    for (const room of this.#client.rooms.values()) {
      this.#fresh(room);
      if (room.membership === "invite") this.#invited.add(room.id);
    }
    return this.#client.changed.subscribe((rooms) => {
      for (const id of rooms) {
        const room = this.#client.rooms.get(id);
        if (room?.membership === "join") this.#look(room);
        if (room?.membership === "invite" && !this.#invited.has(id)) this.#tellInvited(room);
        else if (room && room.membership !== "invite") this.#invited.delete(id);
      }
    });
  }

  #tellInvited(room: Room): void {
    const { me, accountData } = this.#client;
    const invite = room.known("m.room.member", me);
    if (!invite) return;
    this.#invited.add(room.id);
    const heard = { type: "m.room.member", sender: invite.sender, content: invite.content, stateKey: me };
    const said = verdict(accountData.get("m.push_rules"), room, heard, me, displayName(room, me));
    const who = profile(room, invite.sender).name;
    const title = this.withWords ? roomName(room, me).name || who : who;
    if (said.notify) this.#show({ title, body: t.invitesYou(who), tag: room.id, roomId: room.id, isSilent: !said.sound });
  }

  /** Events that were not seen before; one that can't be read yet is seen when it can. */
  #fresh(room: Room): RoomEvent[] {
    const known = this.#known.get(room.id);
    const seen = room.timeline.events.slice(-LOOKS_BACK).filter((event) => {
      return known?.has(event.event_id) || isReadable(inside(room, event).seal);
    });
    this.#known.set(room.id, new Set(seen.map(({ event_id }) => event_id)));
    return seen.filter((event) => !known?.has(event.event_id));
  }

  #look(room: Room): void {
    const { me, accountData } = this.#client;
    const fresh = this.#fresh(room);
    if (fresh.length === 0) return;
    const { events } = room.timeline;
    const readId = room.receipts.get(me)?.eventId;
    const read = events.findLastIndex(({ event_id }) => event_id === readId);
    for (const event of fresh) {
      const isOld = events.lastIndexOf(event) <= read || Date.now() - event.origin_server_ts > RECENT_MS;
      if (isOld || event.unsigned?.["redacted_because"]) continue;
      const { type, content, seal } = inside(room, event);
      // Other words for what was said are no news, whatever the rules that the server tells.
      if (relationOf(content)?.type === "m.replace") continue;
      const heard = { type, sender: event.sender, content, stateKey: event.state_key };
      const myName = displayName(room, me);
      const said = verdict(accountData.get("m.push_rules"), room, heard, me, myName);
      if (!said.notify) continue;
      const who = profile(room, event.sender).name;
      const where = roomName(room, me).name || who;
      this.#show({
        title: where === who ? who : t.inRoom(who, where),
        body: this.withWords ? plainText(type, content, seal) : t.newMessageFrom(who),
        tag: room.id,
        roomId: room.id,
        isSilent: !said.sound,
      });
    }
  }
}
