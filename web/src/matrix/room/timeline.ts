// What was said in a room, oldest first, with gaps where the server has more than was fetched.

import type { RoomEvent } from "../event";

export interface Gap {
  kind: "gap";
  /** Where events from before the gap's end are found; empty: to be asked by the event after the gap. */
  token: string;
  /** Where events from after the gap's beginning are found, if what is before it was looked up out of order. */
  onward?: string;
}

export type Entry = { kind: "event"; event: RoomEvent } | Gap;

export class Timeline {
  #entries: Entry[] = [];
  #events: readonly RoomEvent[] | undefined;
  readonly #byId = new Map<string, RoomEvent>();

  constructor(entries: Entry[] = []) {
    this.#put(entries);
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  get events(): readonly RoomEvent[] {
    return (this.#events ??= this.#entries.flatMap((entry) => (entry.kind === "event" ? entry.event : [])));
  }

  get last(): RoomEvent | undefined {
    return this.#entries.findLast((entry) => entry.kind === "event")?.event;
  }

  /** Whether something is missing between what is known, not before it. */
  get isTorn(): boolean {
    return this.#entries.some((entry, at) => entry.kind === "gap" && at > 0);
  }

  find(eventId: string): RoomEvent | undefined {
    return this.#byId.get(eventId);
  }

  /**
   * Takes in the newest events; answers those that are new. `before` is where older ones are found: with `isApart`,
   * unless the events overlap with what is known, a gap comes first.
   */
  receive(events: RoomEvent[], isApart: boolean, before: string | undefined): RoomEvent[] {
    const fresh = events.filter((event) => !this.#byId.has(event.event_id));
    if (fresh.length < events.length) this.#merge(events, before);
    else {
      const added = fresh.map(entryOf);
      const isEmpty = added.length === 0 && this.#entries.length > 0;
      if (isApart && before !== undefined && !isEmpty) added.unshift({ kind: "gap", token: before });
      this.#put([...this.#entries, ...added], added);
    }
    return fresh;
  }

  /** Takes in events of which some are known: each new one has its place before the next that is known. */
  #merge(events: RoomEvent[], before: string | undefined): void {
    const entries = [...this.#entries];
    let waiting: Entry[] = [];
    let isFirst = true;
    for (const event of events) {
      if (!this.#byId.has(event.event_id)) {
        waiting.push(entryOf(event));
        continue;
      }
      const at = placeOf(entries, event);
      // What is older than all that was known comes out of the gap there, which is now before it.
      const gap = isFirst && waiting.length > 0 ? entries[at - 1] : undefined;
      if (gap?.kind === "gap") entries.splice(at - 1, 1, { ...gap, token: before ?? "" }, ...waiting);
      else entries.splice(at, 0, ...waiting);
      waiting = [];
      isFirst = false;
    }
    this.#put([...entries, ...waiting]);
  }

  /** The event that follows a gap. */
  after(gap: Gap): RoomEvent | undefined {
    const next = this.#entries[this.#indexOf(gap) + 1];
    return next?.kind === "event" ? next.event : undefined;
  }

  /** Fills a gap with what `/messages` answered backwards: newest first. Answers the events that are new. */
  fill(gap: Gap, backwards: RoomEvent[], end: string | undefined): RoomEvent[] {
    const at = this.#indexOf(gap);
    if (at === -1) return [];
    const { fresh, more } = this.#untilKnown(backwards, end);
    const added = fresh.map(entryOf).toReversed();
    if (more !== undefined) added.unshift({ ...gap, token: more });
    this.#putAt(at, added);
    return fresh.toReversed();
  }

  /** Fills a gap from its beginning, with what `/messages` answered forwards: oldest first. */
  fillOnward(gap: Gap, onwards: RoomEvent[], end: string | undefined): RoomEvent[] {
    const at = this.#indexOf(gap);
    if (at === -1) return [];
    const { fresh, more } = this.#untilKnown(onwards, end);
    const added = fresh.map(entryOf);
    if (more !== undefined) added.push({ ...gap, onward: more });
    this.#putAt(at, added);
    return fresh;
  }

  /** Those from an end of a gap that are new, and where more of them are found, if the gap does not close. */
  #untilKnown(events: RoomEvent[], end: string | undefined): { fresh: RoomEvent[]; more: string | undefined } {
    const known = events.findIndex((event) => this.#byId.has(event.event_id));
    if (known !== -1) return { fresh: events.slice(0, known), more: undefined };
    return { fresh: events, more: events.length === 0 ? undefined : end };
  }

  /**
   * Takes in events that were looked up out of order, oldest first, into the gap where they belong: what is before them
   * is found by `before`, what is after them by `onward`.
   */
  insert(events: RoomEvent[], before: string | undefined, onward: string | undefined): RoomEvent[] {
    const fresh = events.filter((event) => !this.#byId.has(event.event_id));
    const [first, last] = [fresh[0], fresh.at(-1)];
    if (!first || !last) return [];
    const added = fresh.map(entryOf);
    const next = events[events.indexOf(last) + 1];
    const previous = events[events.indexOf(first) - 1];
    const at = this.#gapFor(first.origin_server_ts, previous, next);
    const gap = this.#entries[at];
    if (gap?.kind !== "gap") return [];
    if (!previous && before !== undefined) added.unshift({ kind: "gap", token: before });
    if (!next) added.push({ ...gap, ...(onward !== undefined && { onward }) });
    this.#putAt(at, added);
    return fresh;
  }

  /** The gap beside an event that is known, or else the first after which things are younger. */
  #gapFor(ts: number, previous: RoomEvent | undefined, next: RoomEvent | undefined): number {
    if (next) return placeOf(this.#entries, next) - 1;
    if (previous) return placeOf(this.#entries, previous) + 1;
    return this.#entries.findIndex((entry, at) => {
      const after = this.#entries[at + 1];
      return entry.kind === "gap" && (after?.kind !== "event" || after.event.origin_server_ts >= ts);
    });
  }

  /** Replaces an event, as a redaction does. */
  replace(event: RoomEvent): void {
    const at = placeOf(this.#entries, event);
    if (at !== -1) this.#putAt(at, [entryOf(event)]);
  }

  /** The newest entries, to be stored: before them, a gap if anything was left out. */
  tail(length: number): Entry[] {
    if (this.#entries.length <= length) return [...this.#entries];
    const kept = this.#entries.slice(-length);
    return kept[0]?.kind === "gap" ? kept : [{ kind: "gap", token: "" }, ...kept];
  }

  /** By its token: what is shown is a copy, with a name besides. */
  #indexOf(gap: Gap): number {
    return this.#entries.findIndex((entry) => entry.kind === "gap" && entry.token === gap.token);
  }

  /** In the place of one entry. */
  #putAt(at: number, added: Entry[]): void {
    this.#put(this.#entries.toSpliced(at, 1, ...added), added);
  }

  /** `added`: those that are new. */
  #put(entries: Entry[], added = entries): void {
    this.#entries = entries;
    this.#events = undefined;
    for (const entry of added) {
      if (entry.kind === "event") this.#byId.set(entry.event.event_id, entry.event);
    }
  }
}

function entryOf(event: RoomEvent): Entry {
  return { kind: "event", event };
}

function placeOf(entries: readonly Entry[], { event_id: id }: RoomEvent): number {
  return entries.findIndex((entry) => entry.kind === "event" && entry.event.event_id === id);
}
