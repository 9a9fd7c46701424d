// `GET /_matrix/client/v3/sync`, for servers without sliding sync.

import { Unreachable } from "../api/error";
import type { Http } from "../api/http";
import { isState, roomEvents, strippedEvents } from "../event";
import { number, object, objects, strings, text, type JsonObject } from "../json";
import type { State } from "../presence/presence";
import {
  accountDataEvents,
  e2eeOf,
  type Hero,
  type Membership,
  type RoomUpdate,
  type SyncSource,
  type SyncUpdate,
} from "./update";

const TIMEOUT_MS = 30_000;
const FILTER = JSON.stringify({
  room: { state: { lazy_load_members: true }, timeline: { limit: 20 } },
});

export class V3Sync implements SyncSource {
  readonly #http: Http;
  #since: string | undefined;
  #next: string | undefined;
  #state: State = "offline";
  #brings = false;

  constructor(http: Http) {
    this.#http = http;
  }

  look(): void {}

  be(state: State): void {
    this.#state = state;
  }

  async next(signal: AbortSignal): Promise<SyncUpdate> {
    const answer = await this.#http.call("GET", "/_matrix/client/v3/sync", {
      query: {
        filter: FILTER,
        since: this.#since,
        set_presence: this.#state,
        timeout: this.#since ? TIMEOUT_MS : 0,
      },
      timeoutMs: TIMEOUT_MS + 90_000,
      signal,
    });
    this.#next = text(answer["next_batch"]);
    // Asked again at once, such a server would be asked without end.
    if (!this.#next) throw new Unreachable("an answer without a position");
    const update = read(answer, this.#since === undefined);
    this.#brings = update.toDevice.length > 0;
    return update;
  }

  done(messages: boolean): boolean {
    // Asked for the next part, the server would delete the messages.
    if (this.#brings && !messages) return false;
    this.#since = this.#next;
    return true;
  }
}

function read(answer: JsonObject, isFirst: boolean): SyncUpdate {
  const rooms = new Map<string, RoomUpdate>();
  const all = object(answer["rooms"]) ?? {};
  const each = (kind: string) =>
    Object.entries(object(all[kind]) ?? {}).map(
      ([id, room]) => [id, object(room) ?? {}] as const,
    );
  for (const kind of ["join", "leave"] as const) {
    for (const [id, room] of each(kind)) rooms.set(id, seen(room, kind, isFirst));
  }
  for (const [kind, part] of [["invite", "invite_state"], ["knock", "knock_state"]] as const) {
    for (const [id, room] of each(kind)) {
      const inviteState = strippedEvents(object(room[part])?.["events"]);
      rooms.set(id, { membership: kind, inviteState });
    }
  }
  return {
    isFirst,
    ...(isFirst && { all: new Set(rooms.keys()) }),
    rooms,
    accountData: accountDataEvents(object(answer["account_data"])?.["events"]),
    toDevice: objects(object(answer["to_device"])?.["events"]),
    e2ee: e2eeOf(answer),
    presence: objects(object(answer["presence"])?.["events"]),
  };
}

function seen(room: JsonObject, membership: Membership, isInitial: boolean): RoomUpdate {
  const timeline = object(room["timeline"]) ?? {};
  const events = roomEvents(timeline["events"]);
  const state = roomEvents(object(room["state"])?.["events"]);
  const summary = object(room["summary"]) ?? {};
  const heroes = summary["m.heroes"];
  const counts = object(room["unread_notifications"]) ?? {};
  const update: RoomUpdate = {
    membership,
    isInitial,
    isLimited: timeline["limited"] === true,
    timeline: events,
    state: [...state, ...events].filter(isState),
    accountData: accountDataEvents(object(room["account_data"])?.["events"]),
    before: text(timeline["prev_batch"]),
    joined: number(summary["m.joined_member_count"]),
    invited: number(summary["m.invited_member_count"]),
    notifications: number(counts["notification_count"]),
    highlights: number(counts["highlight_count"]),
    // A server whose clock is ahead puts no room above the others.
    order: events.length > 0 ? Math.min(events.at(-1)?.origin_server_ts ?? 0, Date.now()) : undefined,
    heroes: heroes === undefined ? undefined : strings(heroes).map(hero),
  };
  for (const event of objects(object(room["ephemeral"])?.["events"])) {
    const content = object(event["content"]) ?? {};
    if (event["type"] === "m.receipt") update.receipts = content;
    if (event["type"] === "m.typing") update.typing = strings(content["user_ids"]);
  }
  return update;
}

function hero(userId: string): Hero {
  return { userId, displayName: undefined, avatarUrl: undefined };
}
