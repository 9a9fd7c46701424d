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
  /** None for an invitation. */
  eventId?: string;
  isSilent: boolean;
}

/** How far back something is still new: what was missed for longer shows in the list. */
const RECENT_MS = 10 * 60_000;
const LOOKS_BACK = 20;
/** So long a key may take to come before a message is told without its words. */
const PATIENCE_MS = 10_000;

export class Notifier {
  readonly #client: Client;
  readonly #show: (told: Told) => void;
  /** By room: those of its last events that were seen. */
  readonly #known = new Map<string, ReadonlySet<string>>();
  /** Rooms to which one is invited, as it was told. */
  readonly #invited = new Set<string>();
  /** By event that can't be read: until when its key is waited for. */
  readonly #patience = new Map<string, number>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  /** Shown with what was written. */
  withWords = true;

  constructor(client: Client, show: (told: Told) => void) {
    this.#client = client;
    this.#show = show;
  }

  /** Listens until the answer is called. What is there already is not new. */
  listen(): () => void {
    for (const room of this.#client.rooms.values()) {
      for (const { event_id } of room.timeline.events.slice(-LOOKS_BACK)) this.#patience.set(event_id, Infinity);
      this.#fresh(room);
      if (room.membership === "invite") this.#invited.add(room.id);
    }
    const stop = this.#client.changed.subscribe((rooms) => {
      for (const id of rooms) {
        const room = this.#client.rooms.get(id);
        if (room?.membership === "join") this.#look(room);
        if (room?.membership === "invite" && !this.#invited.has(id)) this.#tellInvited(room);
        else if (room && room.membership !== "invite") this.#invited.delete(id);
      }
    });
    return () => {
      stop();
      for (const timer of this.#timers) clearTimeout(timer);
    };
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

  /** Events that were not seen before; one that can't be read yet is seen when it can, or is not waited for any more. */
  #fresh(room: Room): RoomEvent[] {
    const known = this.#known.get(room.id);
    const seen = room.timeline.events.slice(-LOOKS_BACK).filter((event) => {
      return known?.has(event.event_id) || isReadable(inside(room, event).seal) || this.#isGivenUp(room, event);
    });
    this.#known.set(room.id, new Set(seen.map(({ event_id }) => event_id)));
    return seen.filter((event) => !known?.has(event.event_id));
  }

  /** Whether it is told without its words; begins to wait for them. */
  #isGivenUp(room: Room, event: RoomEvent): boolean {
    const { seal } = inside(room, event);
    if (seal === "foreign") return true;
    if (seal !== "missing_key" || Date.now() - event.origin_server_ts > RECENT_MS) return false;
    const until = this.#patience.get(event.event_id);
    if (until !== undefined) return Date.now() >= until;
    this.#patience.set(event.event_id, Date.now() + PATIENCE_MS);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (room.membership === "join") this.#look(room);
      this.#patience.delete(event.event_id);
    }, PATIENCE_MS);
    this.#timers.add(timer);
    return false;
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
        eventId: event.event_id,
        isSilent: !said.sound,
      });
    }
  }
}
