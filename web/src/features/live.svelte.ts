// What the client knows, as components see it: read anew when it changed.

import { getContext, setContext } from "svelte";
import { createSubscriber } from "svelte/reactivity";

import type { Client } from "../matrix/client";
import { text, type JsonObject } from "../matrix/json";
import { ignoredList, ignoredSet } from "../matrix/people";
import { items, preview, type Item } from "../matrix/room/messages";
import type { Presence } from "../matrix/presence/presence";
import { displayName, profile, roomName, partner, type Profile } from "../matrix/room/names";
import type { Room } from "../matrix/room/room";
import { unread, type Unread } from "../matrix/room/unread";
import { Copying } from "./copying.svelte";
import { Troubles } from "./troubles.svelte";
import { Undoing } from "./undoing.svelte";

interface Cached<T> {
  version: number;
  value: T;
}

export interface RoomSummary {
  room: Room;
  name: string;
  partner: string | undefined;
  /** `mxc:` of the room's picture, or of the one whom it is with. */
  avatarUrl: string | undefined;
  unread: Unread;
  preview: ReturnType<typeof preview>;
  ts: number;
}

export class Live {
  readonly client: Client;
  /** What a person did and the server did not. */
  readonly troubles = new Troubles();
  readonly copying = new Copying();
  /** What looks done and can be taken back yet. */
  readonly undoing = new Undoing(this.troubles);
  readonly #all: () => void;
  readonly #state: () => void;
  readonly #rooms: Record<string, () => void> = {};
  /** What is on its way: in all rooms, and by room. */
  readonly #queue: () => void;
  readonly #echoes: Record<string, () => void> = {};
  /** Who is there, by person. */
  readonly #presences: Record<string, () => void> = {};
  readonly #presenceOff: () => void;
  #summaries = new WeakMap<Room, Cached<RoomSummary>>();
  /** Without what is hidden. */
  readonly #lessened = new WeakMap<RoomSummary, { hidden: readonly string[]; value: RoomSummary }>();
  #items = new WeakMap<Room, Cached<Item[]>>();
  #ignored: { by: unknown; who: ReadonlySet<string> } | undefined;

  constructor(client: Client) {
    this.client = client;
    this.#all = createSubscriber((update) => client.changed.subscribe(later(update)));
    this.#queue = createSubscriber((update) => client.queue.changed.subscribe(later(update)));
    this.#presenceOff = createSubscriber((update) => client.here.isOffChanged.subscribe(update));
    this.#state = createSubscriber((update) => {
      const stops = [client.syncChanged.subscribe(update), client.crypto.changed.subscribe(update)];
      return () => stops.forEach((stop) => stop());
    });
  }

  /** All rooms. */
  get rooms(): Room[] {
    this.#all();
    return [...this.client.rooms.values()].filter(({ id }) => !this.undoing.isHidden(id));
  }

  /** The client; what is read of it is read again when anything changes. */
  get latest(): Client {
    this.#all();
    return this.client;
  }

  /** How the connection stands. */
  get syncState() {
    this.#state();
    return this.client.syncState;
  }

  get standing() {
    this.#state();
    return this.client.crypto.standing;
  }

  /** A room; read again when something in it changes. */
  room(id: string): Room | undefined {
    this.#follow(id);
    return this.client.rooms.get(id);
  }

  /** Whether the server may know what is said in a room. */
  isClear(room: Room): boolean {
    this.#follow(room.id);
    return this.client.isClear(room);
  }

  /** The same room; what is read of it is read again when something in it changes. */
  now(room: Room): Room {
    this.#follow(room.id);
    return room;
  }

  items(room: Room): Item[] {
    this.#follow(room.id);
    const unheard = this.#unheard;
    return this.undoing.shown(cached(this.#items, room, () => items(room, this.client.me, unheard)));
  }

  /** What was written in a room and has not come back yet. */
  echoes(roomId: string) {
    const follow = (this.#echoes[roomId] ??= createSubscriber((update) => {
      const soon = later(update);
      return this.client.queue.changed.subscribe((changed) => {
        if (changed === roomId) soon();
      });
    }));
    follow();
    return this.client.queue.of(roomId);
  }

  /** How many messages wait to be sent, in all rooms. */
  get waiting(): number {
    this.#queue();
    return this.client.queue.waiting;
  }

  summary(room: Room): RoomSummary {
    const summary = this.#summary(room);
    const { hidden } = this.undoing;
    if (!summary.preview || !hidden.includes(summary.preview.event.event_id)) return summary;
    // The same as long as nothing changes: a row is not looked at again then.
    const before = this.#lessened.get(summary);
    if (before?.hidden === hidden) return before.value;
    const last = preview(room, this.#unheard, hidden);
    const value = { ...summary, preview: last, ts: last?.event.origin_server_ts ?? 0 };
    this.#lessened.set(summary, { hidden, value });
    return value;
  }

  #summary(room: Room): RoomSummary {
    const unheard = this.#unheard;
    return cached(this.#summaries, room, () => {
      const { me } = this.client;
      const last = preview(room, unheard);
      const myName = displayName(room, me);
      const { name, people } = roomName(room, me);
      const whom = partner(room, people);
      return {
        room,
        name,
        partner: whom,
        avatarUrl: text(room.known("m.room.avatar")?.content["url"]) ?? (whom && profile(room, whom).avatarUrl),
        unread: unread(room, me, myName, unheard),
        preview: last,
        ts: last?.event.origin_server_ts ?? room.timeline.last?.origin_server_ts ?? 0,
      };
    });
  }

  /** Whether somebody is there; it is asked as long as this is read. */
  presence(userId: string): Presence | undefined {
    const { presence } = this.client;
    const follow = (this.#presences[userId] ??= createSubscriber((update) => {
      const ends = [presence.watch(userId), presence.changed.subscribe((id) => id === userId && update())];
      return () => ends.forEach((end) => end());
    }));
    follow();
    return presence.of(userId);
  }

  /** The server tells nobody who is there. */
  get isPresenceOff(): boolean {
    this.#presenceOff();
    return this.client.here.isOff;
  }

  /** Read anew with each change; the same object until the rules are others. */
  get pushRules(): JsonObject | undefined {
    return this.latest.accountData.get("m.push_rules");
  }

  profile(room: Room, userId: string): Profile {
    return profile(room, userId);
  }

  /** Whose words are not shown. All is read anew when others are ignored. */
  get #unheard(): ReadonlySet<string> {
    const by = ignoredList(this.client);
    if (!this.#ignored || this.#ignored.by !== by) {
      this.#ignored = { by, who: ignoredSet(this.client) };
      this.#summaries = new WeakMap();
      this.#items = new WeakMap();
    }
    return this.#ignored.who;
  }

  #follow(id: string): void {
    let follow = this.#rooms[id];
    if (!follow) {
      follow = createSubscriber((update) => {
        const soon = later(update);
        return this.client.changed.subscribe((rooms) => {
          if (rooms.size === 0 || rooms.has(id)) soon();
        });
      });
      this.#rooms[id] = follow;
    }
    follow();
  }
}

function cached<T>(cache: WeakMap<Room, Cached<T>>, room: Room, make: () => T): T {
  const found = cache.get(room);
  if (found?.version === room.version) return found.value;
  const value = make();
  cache.set(room, { version: room.version, value });
  return value;
}

/** Many changes at once are one. */
function later(update: () => void): () => void {
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    queueMicrotask(() => {
      waits = false;
      update();
    });
  };
}

const KEY = Symbol("live");

export function provideLive(live: Live): void {
  setContext(KEY, live);
}

export function useLive(): Live {
  return getContext<Live>(KEY);
}
