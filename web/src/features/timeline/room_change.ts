// What somebody changed about a room, in words that say from what to what.

import type { RoomEvent } from "../../matrix/event";
import { object, strings, text, type JsonObject } from "../../matrix/json";
import { roleOf } from "../../matrix/room/power";
import { levelOf } from "../../matrix/room/room";
import { listed, t } from "../../ui/words.svelte";

/** So much of a text is told. */
const MOST = 300;
/** More servers than these are counted instead. */
const MOST_NAMED = 3;

type NameOf = (userId: string) => string;
type Tell = (now: JsonObject, before: JsonObject, who: string, nameOf: NameOf) => string;

const CHANGES: Record<string, Tell> = {
  "m.room.name": (now, before, who) => {
    const [from, to] = [told(before["name"]), told(now["name"])];
    if (!to) return t.nameGone(who);
    return from && from !== to ? t.renamedRoom(who, from, to) : t.named(who, to);
  },
  "m.room.topic": (now, _, who) => {
    const topic = told(now["topic"]);
    return topic ? t.topicSet(who, topic) : t.topicGone(who);
  },
  "m.room.avatar": (now, _, who) => (text(now["url"]) ? t.avatarSet(who) : t.avatarGone(who)),
  "m.room.join_rules": (now, _, who) => (by(t.opened, now["join_rule"]) ?? t.openedOtherwise)(who),
  "m.room.history_visibility": (now, _, who) => (by(t.readable, now["history_visibility"]) ?? t.readableOtherwise)(who),
  "m.room.guest_access": (now, _, who) => (now["guest_access"] === "can_join" ? t.guestsMay : t.guestsMayNot)(who),
  "m.room.power_levels": levels,
  "m.room.pinned_events": (now, before, who) => {
    const { came, gone } = changed(now["pinned"], before["pinned"]);
    if (came.length === 1 && gone.length === 0) return t.pinnedOne(who);
    return gone.length === 1 && came.length === 0 ? t.unpinnedOne(who) : t.pinsSet(who);
  },
  "m.room.canonical_alias": (now, before, who) => {
    const [from, to] = [told(before["alias"]), told(now["alias"])];
    if (from === to) return t.addressesSet(who);
    return to ? t.addressSet(who, to) : t.addressGone(who);
  },
  "m.room.server_acl": servers,
  "m.space.parent": (now, _, who) => (Array.isArray(now["via"]) ? t.intoSpace : t.outOfSpace)(who),
  "m.room.third_party_invite": (now, _, who) => {
    const name = told(now["display_name"]);
    return name ? t.invitedByMail(who, name) : t.mailTakenBack(who);
  },
};

/** Whether it is something that is told in these words. */
export function isRoomChange({ type, state_key }: RoomEvent): boolean {
  return state_key !== undefined && Object.hasOwn(CHANGES, type);
}

/** One sentence; empty, if it is none of these. */
export function roomChange(event: RoomEvent, who: string, nameOf: NameOf): string {
  const tell = isRoomChange(event) ? CHANGES[event.type] : undefined;
  return tell?.(event.content, object(event.unsigned?.["prev_content"]) ?? {}, who, nameOf) ?? "";
}

/** The message that was pinned, if it was that one alone. */
export function pinnedBy({ type, content, unsigned }: RoomEvent): string | undefined {
  if (type !== "m.room.pinned_events") return undefined;
  const { came } = changed(content["pinned"], object(unsigned?.["prev_content"])?.["pinned"]);
  return came.length === 1 ? came[0] : undefined;
}

function levels(now: JsonObject, before: JsonObject, who: string, nameOf: NameOf): string {
  const all = new Set([before, now].flatMap((content) => Object.keys(object(content["users"]) ?? {})));
  const others = [...all].filter((userId) => levelOf(userId, before) !== levelOf(userId, now));
  const [one] = others;
  if (one === undefined || Object.keys(before).length === 0) return t.rulesSet(who);
  if (others.length > 1) return t.rolesGiven(who, others.length);
  const named = nameOf(one);
  return t.roleGiven(who, named === t.you ? t.youWhom : named, t.roles[roleOf(levelOf(one, now))]);
}

function servers(now: JsonObject, before: JsonObject, who: string): string {
  const [allowed, denied] = [changed(now["allow"], before["allow"]), changed(now["deny"], before["deny"])];
  const only = strings(now["allow"]);
  if (allowed.came.length + allowed.gone.length > 0) {
    const isAll = only.includes("*");
    if (!isAll) return t.serversOnly(who, named(only));
    if (denied.came.length === 0 || !wasAll(before)) return t.serversSet(who);
  }
  if (denied.gone.length === 0 && denied.came.length > 0) return t.serversOut(who, named(denied.came));
  return denied.came.length === 0 && denied.gone.length > 0 ? t.serversIn(who, named(denied.gone)) : t.serversSet(who);
}

/** Before there is such a rule, all may take part. */
function wasAll(before: JsonObject): boolean {
  return before["allow"] === undefined || strings(before["allow"]).includes("*");
}

function named(all: readonly string[]): string {
  return all.length > MOST_NAMED ? t.servers(all.length) : listed([...all]);
}

function changed(now: unknown, before: unknown): { came: string[]; gone: string[] } {
  const [is, was] = [new Set(strings(now)), new Set(strings(before))];
  return { came: [...is].filter((one) => !was.has(one)), gone: [...was].filter((one) => !is.has(one)) };
}

function by<T>(words: Record<string, T>, key: unknown): T | undefined {
  return typeof key === "string" && Object.hasOwn(words, key) ? words[key] : undefined;
}

function told(value: unknown): string | undefined {
  const words = text(value)?.trim();
  return words && words.length > MOST ? `${words.slice(0, MOST)}…` : words || undefined;
}
