// What a sync brings, whichever of the two kinds it is.

import type { RoomEvent, StateEvent, StrippedEvent } from "../event";
import { number, object, objects, strings, text, type Json, type JsonObject } from "../json";
import type { State } from "../presence/presence";

export type Membership = "join" | "invite" | "knock" | "leave" | "ban";

export interface AccountDataEvent {
  type: string;
  content: JsonObject;
}

export interface Hero {
  userId: string;
  displayName: string | undefined;
  avatarUrl: string | undefined;
}

/** News of a room; what is absent or `undefined` says nothing. */
export interface RoomUpdate {
  membership?: Membership | undefined;
  /** All state that there is for us: what was known before does not count any more. */
  isInitial?: boolean;
  state?: StateEvent[];
  timeline?: RoomEvent[];
  /** Events are missing between what was known and this timeline. */
  isLimited?: boolean;
  /** Where events from before this timeline are found. */
  before?: string | undefined;
  inviteState?: StrippedEvent[] | undefined;
  heroes?: Hero[] | undefined;
  joined?: number | undefined;
  invited?: number | undefined;
  notifications?: number | undefined;
  highlights?: number | undefined;
  accountData?: AccountDataEvent[];
  /** Content of `m.receipt`. */
  receipts?: JsonObject;
  typing?: string[];
  /** The higher, the more recently something was said. */
  order?: number | undefined;
}

export interface SyncUpdate {
  /** All rooms that somebody is in or asked into, or asks to come into, once a connection told of the last of them. */
  all?: ReadonlySet<string>;
  /** It goes on from nothing: changes of devices before it are not in it. */
  isFirst: boolean;
  rooms: Map<string, RoomUpdate>;
  accountData: AccountDataEvent[];
  toDevice: JsonObject[];
  e2ee: E2ee;
  /** Events of `m.presence`, of a sync that has them. */
  presence?: JsonObject[];
}

/** As the machine takes it. */
export interface E2ee {
  device_lists?: { changed?: string[]; left?: string[] };
  device_one_time_keys_count?: Record<string, number>;
  device_unused_fallback_key_types?: string[];
}

/** One of the two kinds of sync. */
export interface SyncSource {
  /** Waits for news. Asked again without `done`, it brings the same. */
  next(signal: AbortSignal): Promise<SyncUpdate>;
  /**
   * What `next` brought is kept and need not come again; `false`: but its messages to the device must. Answers whether
   * what comes next is new: asked at once, it would bring the same.
   */
  done(messages: boolean): boolean;
  /** Wants more of this room than of others, as it is looked at. */
  look(roomId: string | undefined): void;
  /** What asking says of this person; before somebody tells, that they are not there. */
  be(state: State): void;
}

export function accountDataEvents(value: Json | undefined): AccountDataEvent[] {
  return objects(value).flatMap((event) => {
    const type = text(event["type"]);
    const content = object(event["content"]);
    return type && content ? [{ type, content }] : [];
  });
}

export function e2eeOf(value: JsonObject | undefined): E2ee {
  const lists = object(value?.["device_lists"]);
  const counts = object(value?.["device_one_time_keys_count"]);
  const fallback = value?.["device_unused_fallback_key_types"];
  return {
    ...(lists && {
      device_lists: { changed: strings(lists["changed"]), left: strings(lists["left"]) },
    }),
    ...(counts && {
      device_one_time_keys_count: Object.fromEntries(
        Object.entries(counts).map(([name, count]) => [name, number(count) ?? 0]),
      ),
    }),
    ...(fallback !== undefined && { device_unused_fallback_key_types: strings(fallback) }),
  };
}
