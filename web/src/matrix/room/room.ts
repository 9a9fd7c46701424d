// A room as this client knows it.

import { isState, toldTime, type RoomEvent, type StateEvent, type StrippedEvent } from "../event";
import { number, object, text, type Json, type JsonObject } from "../json";
import { localpartOf } from "../session";
import type { Hero, Membership, RoomUpdate } from "../sync/update";
import { isIn } from "./membership";
import { Namesakes } from "./namesakes";
import type { Opened } from "./opened";
import { Timeline, type Entry } from "./timeline";

export interface Receipt {
  eventId: string;
  ts: number;
}

/** How a room seals what is said in it. */
export type Sealing = "none" | "ours" | "foreign";

/** Algorithms of this client's protocol. */
export const ALGORITHM = "org.sealpost.ratchet.v1";
const OURS = new Set<unknown>([ALGORITHM, "org.sealpost.sender_key.v1"]);

export function isOurs(algorithm: unknown): boolean {
  return OURS.has(algorithm);
}

/** What is kept of a room between visits. */
export interface Snapshot {
  id: string;
  membership: Membership;
  state: StateEvent[];
  inviteState: StrippedEvent[];
  entries: Entry[];
  heroes: Hero[];
  joined: number;
  invited: number;
  notifications: number;
  highlights: number;
  order: number;
  isSealed: boolean;
  receipts: [string, Receipt][];
  tags: Record<string, number>;
  hasAllMembers?: boolean;
  liveFrom?: string | undefined;
  unreadThreads?: [string, string][];
  isUntold?: boolean;
}

const KEPT_ENTRIES = 60;

/** Versions of rooms in which those who made one stand above all levels. */
const CREATORS_ABOVE = new Set<unknown>(["12", "org.matrix.hydra.11"]);

export class Room {
  readonly id: string;
  membership: Membership = "join";
  timeline = new Timeline();
  inviteState: StrippedEvent[] = [];
  heroes: Hero[] = [];
  joined = 0;
  invited = 0;
  /** As the server counts. */
  notifications = 0;
  highlights = 0;
  order = 0;
  /** All members are in the state, not only those who said something. */
  hasAllMembers = false;
  typing: string[] = [];
  receipts = new Map<string, Receipt>();
  /** By the message that began it: the first event of a thread that was not read when the room was. Known to this device. */
  unreadThreads = new Map<string, string>();
  tags: Record<string, number> = {};
  /** It is kept no longer. */
  isForgotten = false;
  /** The machine was not told who came and went meanwhile: to be done before something is sealed here. */
  isUntold = false;
  /** Counts up with each change, for those who show it. */
  version = 0;
  /** What came of opening sealed events. */
  readonly opened = new Map<string, Opened>();

  /** By type and key. */
  readonly #state = new Map<string, Map<string, StateEvent>>();
  readonly #namesakes = new Namesakes();
  #wasSealed = false;
  /** The first event that came after others that were here. */
  #liveFrom: string | undefined;

  constructor(id: string) {
    this.id = id;
  }

  static restore(snapshot: Snapshot): Room {
    const room = new Room(snapshot.id);
    const { membership, inviteState, heroes, joined, invited } = snapshot;
    const { notifications, highlights, order, tags } = snapshot;
    Object.assign(room, { membership, inviteState, heroes, joined, invited });
    Object.assign(room, { notifications, highlights, tags });
    // An earlier version kept what this one would not take in.
    const timely = (event: StateEvent | RoomEvent) => (event.origin_server_ts = toldTime(event.origin_server_ts));
    for (const entry of snapshot.entries) if (entry.kind === "event") timely(entry.event);
    snapshot.state.forEach(timely);
    room.order = toldTime(order);
    room.timeline = new Timeline(snapshot.entries);
    room.receipts = new Map(snapshot.receipts);
    for (const event of snapshot.state) room.#setState(event);
    room.#wasSealed ||= snapshot.isSealed;
    room.hasAllMembers = snapshot.hasAllMembers === true;
    room.unreadThreads = new Map(snapshot.unreadThreads);
    room.#liveFrom = snapshot.liveFrom;
    room.isUntold = snapshot.isUntold === true;
    return room;
  }

  snapshot(): Snapshot {
    const { id, membership, inviteState, heroes, joined, invited } = this;
    const { notifications, highlights, order, tags } = this;
    const entries = this.timeline.tail(KEPT_ENTRIES);
    return {
      ...{ id, membership, inviteState, heroes, joined, invited },
      ...{ notifications, highlights, order, tags },
      state: [...this.#state.values()].flatMap((ofType) => [...ofType.values()]),
      entries,
      liveFrom: this.#liveWithin(entries),
      isSealed: this.#wasSealed,
      hasAllMembers: this.hasAllMembers,
      receipts: [...this.receipts],
      unreadThreads: [...this.unreadThreads],
      ...(this.isUntold && { isUntold: true }),
    };
  }

  /** Takes in news; answers the events that are new. */
  update(update: RoomUpdate): RoomEvent[] {
    this.changed();
    if (update.membership) this.membership = update.membership;
    if (update.inviteState) this.inviteState = told(this.inviteState, update.inviteState);
    if (update.heroes) this.heroes = update.heroes;
    this.joined = update.joined ?? this.joined;
    this.invited = update.invited ?? this.invited;
    this.notifications = update.notifications ?? this.notifications;
    this.highlights = update.highlights ?? this.highlights;
    this.order = Math.max(this.order, update.order ?? 0);
    this.typing = update.typing ?? this.typing;
    for (const event of update.state ?? []) this.#setState(event);
    for (const { type, content } of update.accountData ?? []) {
      if (type === "m.tag") this.tags = tagsOf(content);
    }
    for (const [eventId, kinds] of Object.entries(update.receipts ?? {})) {
      this.#receipts(eventId, object(kinds) ?? {});
    }
    const isApart = update.isLimited === true || update.isInitial === true;
    const timeline = update.timeline ?? [];
    // What stands before something known is older than the state that is known.
    const newest = timeline.slice(timeline.findLastIndex((event) => this.timeline.find(event.event_id)) + 1);
    if (this.timeline.last) this.#liveFrom ??= newest[0]?.event_id;
    const fresh = this.timeline.receive(timeline, isApart, update.before);
    for (const event of newest) if (isState(event)) this.#setState(event);
    return this.#redacted(fresh);
  }

  /** Events that came while this device was there, wherever their server says they are in time. */
  live(): ReadonlySet<string> {
    if (this.#liveFrom === undefined) return new Set();
    const { events } = this.timeline;
    const from = events.findLastIndex((event) => event.event_id === this.#liveFrom);
    return new Set(from === -1 ? [] : events.slice(from).map((event) => event.event_id));
  }

  /** The first such event of those that are kept. */
  #liveWithin(entries: Entry[]): string | undefined {
    const ids = entries.flatMap((entry) => (entry.kind === "event" ? entry.event.event_id : []));
    return this.#liveFrom === undefined || ids.includes(this.#liveFrom) ? this.#liveFrom : ids[0];
  }

  /** Whether an update holds anything that is kept between visits. */
  isKept(update: RoomUpdate): boolean {
    const counts = ["joined", "invited", "notifications", "highlights", "membership"] as const;
    const lists = [update.state, update.timeline, update.accountData, Object.keys(update.receipts ?? {})];
    return (
      lists.some((one) => one !== undefined && one.length > 0) ||
      update.inviteState !== undefined ||
      update.heroes !== undefined ||
      (update.order ?? 0) > this.order ||
      counts.some((name) => update[name] !== undefined && update[name] !== this[name])
    );
  }

  /** Takes in older events; answers those that are new. */
  fill(...[gap, events, end]: Parameters<Timeline["fill"]>): RoomEvent[] {
    this.changed();
    return this.#redacted(this.timeline.fill(gap, events, end));
  }

  /** As `fill`, from the gap's beginning. */
  fillOnward(...[gap, events, end]: Parameters<Timeline["fillOnward"]>): RoomEvent[] {
    this.changed();
    return this.#redacted(this.timeline.fillOnward(gap, events, end));
  }

  /** Takes in events that were looked up; answers those that are new. */
  insert(...[events, before, onward]: Parameters<Timeline["insert"]>): RoomEvent[] {
    this.changed();
    return this.#redacted(this.timeline.insert(events, before, onward));
  }

  /** Takes in members that were fetched; `isWhole`: these are all. */
  learnMembers(events: StateEvent[], isWhole = false): void {
    this.changed();
    if (isWhole) this.hasAllMembers = true;
    for (const event of events) this.#setState(event);
  }

  state(type: string, key = ""): StateEvent | undefined {
    return this.#state.get(type)?.get(key);
  }

  /** All state of a type. */
  states(type: string): StateEvent[] {
    return [...(this.#state.get(type)?.values() ?? [])];
  }

  get sealing(): Sealing {
    if (this.#wasSealed) return "ours";
    const state = this.state("m.room.encryption");
    const stripped = this.inviteState.find((event) => event.type === "m.room.encryption");
    const algorithm = (state ?? stripped)?.content["algorithm"];
    if (algorithm === undefined && !state) return "none";
    return isOurs(algorithm) ? "ours" : "foreign";
  }

  /** A room that was sealed once is sealed for ever, whatever the server says. */
  pinSealed(): void {
    if (!this.#wasSealed) this.changed();
    this.#wasSealed = true;
  }

  /** What is shown of it is to be read anew. */
  changed(): void {
    this.version += 1;
  }

  get isSpace(): boolean {
    return this.known("m.room.create")?.content["type"] === "m.space";
  }

  get topic(): string | undefined {
    return text(this.state("m.room.topic")?.content["topic"]);
  }

  /** A user's power level; without end for a creator where the room's version has it so. */
  level(userId: string): number {
    const levels = this.state("m.room.power_levels")?.content;
    const create = this.state("m.room.create");
    if (create && CREATORS_ABOVE.has(create.content["room_version"])) {
      const more = create.content["additional_creators"];
      if (create.sender === userId || (Array.isArray(more) && more.includes(userId))) return Infinity;
    }
    if (!levels) return create && (text(create.content["creator"]) ?? create.sender) === userId ? 100 : 0;
    return levelOf(userId, levels);
  }

  may(userId: string, action: "invite" | "kick" | "ban" | "redact"): boolean {
    const levels = this.state("m.room.power_levels")?.content;
    const wanted = level(levels?.[action]) ?? (action === "invite" ? 0 : 50);
    return this.level(userId) >= wanted;
  }

  maySend(userId: string, type: string, isState = false): boolean {
    const levels = this.state("m.room.power_levels")?.content;
    const named = level(object(levels?.["events"])?.[type]);
    const usual = isState ? (level(levels?.["state_default"]) ?? (levels ? 50 : 0)) : (level(levels?.["events_default"]) ?? 0);
    return this.level(userId) >= (named ?? usual);
  }

  /** State, or what is known of it from an invitation. */
  known(type: string, key = ""): StrippedEvent | undefined {
    const isIt = (event: StrippedEvent) => event.type === type && event.state_key === key;
    return this.state(type, key) ?? this.inviteState.find(isIt);
  }

  /** Several people here are called so. */
  isNameShared(name: string): boolean {
    return this.#namesakes.has(name);
  }

  #setState(event: StateEvent): void {
    const ofType = this.#state.get(event.type) ?? new Map<string, StateEvent>();
    this.#state.set(event.type, ofType.set(event.state_key, event));
    if (event.type === "m.room.member") {
      const isHere = isIn(event.content["membership"]);
      this.#namesakes.set(event.state_key, isHere ? text(event.content["displayname"]) || localpartOf(event.state_key) : undefined);
    }
    if (event.type === "m.room.encryption" && this.sealing === "ours") this.#wasSealed = true;
  }

  /** Takes from what is there what new events redact. */
  #redacted(fresh: RoomEvent[]): RoomEvent[] {
    for (const event of fresh) if (event.type === "m.room.redaction") this.#redact(event);
    return fresh;
  }

  #redact(redaction: RoomEvent): void {
    const event = redaction.redacts && this.timeline.find(redaction.redacts);
    if (!event) return;
    const unsigned = { ...event.unsigned, redacted_because: { sender: redaction.sender } };
    this.opened.delete(event.event_id);
    this.timeline.replace({ ...event, content: {}, unsigned });
  }

  #receipts(eventId: string, kinds: JsonObject): void {
    for (const kind of ["m.read", "m.read.private"]) {
      for (const [userId, value] of Object.entries(object(kinds[kind]) ?? {})) {
        const ts = toldTime(object(value)?.["ts"]);
        const present = this.receipts.get(userId);
        if (!present || present.ts <= ts) this.receipts.set(userId, { eventId, ts });
      }
    }
  }
}

function tagsOf(content: JsonObject): Record<string, number> {
  const tags = Object.entries(object(content["tags"]) ?? {});
  return Object.fromEntries(tags.map(([tag, value]) => [tag, number(object(value)?.["order"]) ?? 1]));
}

/** A user's level by power levels, whoever made the room. */
export function levelOf(userId: string, levels: JsonObject): number {
  return level(object(levels["users"])?.[userId]) ?? level(levels["users_default"]) ?? 0;
}

/** A power level: before version 10 of rooms, in a string too. */
export function level(value: Json | undefined): number | undefined {
  const digits = typeof value === "string" ? /^\s*([+-]?\d+)\s*$/.exec(value)?.[1] : undefined;
  return digits === undefined ? number(value) : Number(digits);
}

/** What invitations tell of a room: a later one may tell less, and takes nothing back. */
function told(before: StrippedEvent[], now: StrippedEvent[]): StrippedEvent[] {
  const nameOf = (event: StrippedEvent) => `${event.type}\0${event.state_key}`;
  const names = new Set(now.map(nameOf));
  return [...before.filter((event) => !names.has(nameOf(event))), ...now];
}
