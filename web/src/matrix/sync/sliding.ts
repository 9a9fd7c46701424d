// Simplified sliding sync (MSC4186): a window on the rooms, the most active first, which grows until all are in it.

import { MatrixError, Unreachable } from "../api/error";
import type { Http } from "../api/http";
import { roomEvents, stateEvents, strippedEvents, type RoomEvent, type StrippedEvent } from "../event";
import { number, object, objects, strings, text, type JsonObject } from "../json";
import type { State } from "../presence/presence";
import { ROOM_PACK } from "../room/stickers";
import {
  accountDataEvents,
  e2eeOf,
  type Hero,
  type Membership,
  type RoomUpdate,
  type SyncSource,
  type SyncUpdate,
} from "./update";

const PATH = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";
/** Less than the half minute after which a server takes somebody for gone: each answer has it told that they are there. */
const TIMEOUT_MS = 25_000;
const FIRST = 20;
const STEP = 200;

const REQUIRED_STATE = [
  ["m.room.create", ""],
  ["m.room.name", ""],
  ["m.room.avatar", ""],
  ["m.room.topic", ""],
  ["m.room.canonical_alias", ""],
  ["m.room.encryption", ""],
  ["m.room.history_visibility", ""],
  ["m.room.join_rules", ""],
  ["m.room.power_levels", ""],
  ["m.room.pinned_events", ""],
  ["m.room.tombstone", ""],
  ["m.space.child", "*"],
  ["m.room.member", "$ME"],
  ["m.room.member", "$LAZY"],
];

/** Of the room that somebody looks at, also what would be much of all. */
const STATE_OF_LOOKED = [...REQUIRED_STATE, [ROOM_PACK, "*"]];

/** Whether a server speaks it. */
export function speaksSliding(versions: JsonObject): boolean {
  return object(versions["unstable_features"])?.["org.matrix.simplified_msc3575"] === true;
}

export class SlidingSync implements SyncSource {
  readonly #http: Http;
  readonly #userId: string;
  readonly #onToDevice: (since: string) => void;
  readonly #guest: string | undefined;
  #pos: string | undefined;
  #since: string | undefined;
  #until = FIRST - 1;
  #looked: string | undefined;
  #state: State = "offline";
  #known = new Set<string>();
  /** How far the question that is open reaches. */
  #asked = 0;
  #areAllTold = false;
  #next: { pos: string; since: string | undefined; count: number; areAll: boolean } | undefined;

  /**
   * `since`: where messages to the device were left; `onToDevice` is told when it moves. `guest`: the name of a
   * connection beside the first one, without keys, which are the first one's.
   */
  constructor(
    http: Http,
    userId: string,
    since?: string,
    onToDevice: (since: string) => void = () => {},
    guest?: string,
  ) {
    this.#guest = guest;
    this.#http = http;
    this.#userId = userId;
    this.#since = since;
    this.#onToDevice = onToDevice;
  }

  look(roomId: string | undefined): void {
    this.#looked = roomId;
  }

  be(state: State): void {
    this.#state = state;
  }

  async next(signal: AbortSignal): Promise<SyncUpdate> {
    let answer: JsonObject;
    try {
      answer = await this.#ask(signal);
    } catch (error) {
      // The server forgot the connection: everything comes anew.
      if (!(error instanceof MatrixError) || error.errcode !== "M_UNKNOWN_POS") throw error;
      this.#pos = undefined;
      this.#known.clear();
      this.#areAllTold = false;
      answer = await this.#ask(signal);
    }
    return this.#read(answer);
  }

  done(messages: boolean): boolean {
    if (!this.#next) return true;
    this.#pos = this.#next.pos;
    if (messages && this.#next.since !== undefined && this.#next.since !== this.#since) {
      this.#since = this.#next.since;
      this.#onToDevice(this.#since);
    }
    const { count, areAll } = this.#next;
    this.#areAllTold ||= areAll;
    if (this.#until < count - 1) this.#until = Math.min(this.#until + STEP, count + STEP);
    this.#next = undefined;
    return true;
  }

  #ask(signal: AbortSignal): Promise<JsonObject> {
    const looked = this.#looked;
    this.#asked = this.#until;
    const config = { required_state: REQUIRED_STATE };
    return this.#http.call("POST", PATH, {
      query: { pos: this.#pos, set_presence: this.#state, timeout: this.#pos ? TIMEOUT_MS : 0 },
      timeoutMs: TIMEOUT_MS + 30_000,
      signal,
      body: {
        conn_id: this.#guest ?? "main",
        lists: { all: { ...config, ranges: [[0, this.#until]], timeline_limit: 8 } },
        room_subscriptions: looked ? { [looked]: { required_state: STATE_OF_LOOKED, timeline_limit: 40 } } : {},
        extensions: {
          ...(this.#guest === undefined && {
            to_device: { enabled: true, limit: 100, ...(this.#since && { since: this.#since }) },
            e2ee: { enabled: true },
          }),
          account_data: { enabled: true },
          receipts: { enabled: true },
          typing: { enabled: true },
        },
      },
    });
  }

  #read(answer: JsonObject): SyncUpdate {
    const pos = text(answer["pos"]);
    // Asked again at once, such a server would be asked without end.
    if (!pos) throw new Unreachable("an answer without a position");
    const extensions = object(answer["extensions"]) ?? {};
    const part = (name: string) => object(extensions[name]) ?? {};
    const rooms = new Map<string, RoomUpdate>();
    for (const [id, room] of Object.entries(object(answer["rooms"]) ?? {})) {
      rooms.set(id, this.#room(id, object(room) ?? {}));
    }
    const update = (id: string) => {
      const found = rooms.get(id) ?? {};
      rooms.set(id, found);
      return found;
    };
    const accountData = part("account_data");
    for (const [id, events] of Object.entries(object(accountData["rooms"]) ?? {})) {
      update(id).accountData = accountDataEvents(events);
    }
    for (const [id, event] of Object.entries(object(part("receipts")["rooms"]) ?? {})) {
      update(id).receipts = object(object(event)?.["content"]) ?? {};
    }
    for (const [id, event] of Object.entries(object(part("typing")["rooms"]) ?? {})) {
      update(id).typing = strings(object(object(event)?.["content"])?.["user_ids"]);
    }
    const count = number(object(object(answer["lists"])?.["all"])?.["count"]);
    // A room that is looked at may be told of besides those of the list.
    const areAll = !this.#areAllTold && count !== undefined && this.#asked >= count - 1 && this.#known.size >= count;
    this.#next = { pos, since: text(part("to_device")["next_batch"]), count: count ?? 0, areAll };
    return {
      ...(areAll && { all: new Set(this.#known) }),
      isFirst: this.#pos === undefined,
      rooms,
      accountData: accountDataEvents(accountData["global"]),
      toDevice: objects(part("to_device")["events"]),
      e2ee: e2eeOf(part("e2ee")),
    };
  }

  #room(id: string, room: JsonObject): RoomUpdate {
    const timeline = roomEvents(room["timeline"]);
    const state = stateEvents(room["required_state"]);
    const stripped = room["invite_state"] ?? room["stripped_state"];
    const inviteState = stripped === undefined ? undefined : strippedEvents(stripped);
    const isExpanded = room["unstable_expanded_timeline"] === true;
    const isInitial = room["initial"] === true || isExpanded || !this.#known.has(id);
    this.#known.add(id);
    const membership = this.#membership([...state, ...timeline], inviteState) ?? "join";
    return {
      state,
      timeline,
      isInitial,
      isLimited: room["limited"] === true,
      membership: membership === "join" && !isInitial ? undefined : membership,
      inviteState,
      before: text(room["prev_batch"]),
      joined: number(room["joined_count"]),
      invited: number(room["invited_count"]),
      notifications: number(room["notification_count"]),
      highlights: number(room["highlight_count"]),
      order: number(room["bump_stamp"]),
      heroes: room["heroes"] === undefined ? undefined : objects(room["heroes"]).map(hero),
    };
  }

  /** Our own membership, where the answer shows it. */
  #membership(events: RoomEvent[], inviteState: StrippedEvent[] = []): Membership | undefined {
    const own = (event: StrippedEvent | RoomEvent) =>
      event.type === "m.room.member" && event.state_key === this.#userId;
    const found = inviteState.findLast(own) ?? events.findLast(own);
    return text(found?.content["membership"]) as Membership | undefined;
  }
}

function hero(value: JsonObject): Hero {
  return {
    userId: text(value["user_id"]) ?? "",
    displayName: text(value["displayname"]) ?? text(value["name"]),
    avatarUrl: text(value["avatar_url"]) ?? text(value["avatar"]),
  };
}
