// Who of the others is there.
//
// The older sync tells it. Sliding sync does not: there it is asked, of those whom somebody looks at and as long as they
// do; more and more seldom where nothing changes, and soon again when something is heard of them.

import { MatrixError } from "../api/error";
import { path, type Http } from "../api/http";
import { text, type JsonObject } from "../json";
import { Topic } from "../topic";
import { isUnknown, presenceOf, type Presence } from "./presence";

/** How long an answer counts, when somebody is looked at anew. */
const FRESH_MS = 10_000;
/** Who is passed by only is not asked about. */
const GLANCE_MS = 300;
const SHORTEST_MS = 60_000;
const LONGEST_MS = 5 * 60_000;
/** How soon it is asked again when something is heard of somebody. */
const HEARD_MS = 5000;
const MOST_KNOWN = 5000;

type Known = Presence & { at: number };

interface Watched {
  watchers: number;
  due: number;
  /** How long it is waited after the next answer. */
  pause: number;
}

export class OthersPresence {
  /** The user of whom there is news. */
  readonly changed = new Topic<string>();
  readonly #http: Http;
  readonly #now: () => number;
  readonly #isMet: (userId: string) => boolean;
  readonly #known = new Map<string, Known>();
  readonly #watched = new Map<string, Watched>();
  /** The sync tells of changes. */
  #isTold = false;
  /** The server does not tell of it at all. */
  #isOff = false;
  /** Somebody looks at the page. */
  #isLooking = true;
  #isAsking = false;
  #isStopped = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `isMet`: whether somebody is in a room with this person. A server tells of nobody else. */
  constructor(http: Http, isMet: (userId: string) => boolean = () => true, now = Date.now) {
    this.#http = http;
    this.#isMet = isMet;
    this.#now = now;
  }

  /** Undefined, where nothing is known that is worth telling. */
  of(userId: string): Presence | undefined {
    const found = this.#isOff ? undefined : this.#known.get(userId);
    const isNothing = found?.state === "offline" && found.lastActive === undefined && !found.status;
    return isNothing ? undefined : found;
  }

  /** Somebody is looked at; answers what ends that. */
  watch(userId: string): () => void {
    const now = this.#now();
    const watched = this.#watched.get(userId) ?? { watchers: 0, due: 0, pause: SHORTEST_MS };
    if (watched.watchers === 0) {
      const at = this.#known.get(userId)?.at;
      watched.due = Math.max(now + GLANCE_MS, at === undefined ? 0 : at + FRESH_MS);
    }
    watched.watchers += 1;
    this.#watched.set(userId, watched);
    this.#plan();
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      watched.watchers -= 1;
      if (watched.watchers === 0) this.#watched.delete(userId);
    };
  }

  /** Whether somebody looks at the page: else nothing is asked. */
  look(isLooking: boolean): void {
    this.#isLooking = isLooking;
    this.#plan();
  }

  /** Events of `m.presence` that a sync brought; `undefined`: this kind of sync brings none. */
  take(events: readonly JsonObject[] | undefined): void {
    if (!events) return;
    this.#isTold = true;
    for (const event of events) {
      const userId = text(event["sender"]);
      if (userId) this.#learn(userId, presenceOf(event["content"], this.#now()));
    }
  }

  /** Somebody wrote, or is writing: they may be there. */
  heard(userId: string): void {
    const watched = this.#watched.get(userId);
    if (!watched || this.#isTold) return;
    const now = this.#now();
    const soon = Math.max(now, (this.#known.get(userId)?.at ?? 0) + HEARD_MS);
    if (watched.due > soon) Object.assign(watched, { due: soon, pause: SHORTEST_MS });
    // They may have come in just now.
    this.#plan();
  }

  /** The server does not tell: nothing is shown, and nothing asked. */
  switchOff(): void {
    this.#isOff = true;
    this.stop();
    for (const userId of this.#known.keys()) this.changed.emit(userId);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #plan(): void {
    clearTimeout(this.#timer);
    if (this.#isStopped || this.#isOff || !this.#isLooking || this.#isAsking) return;
    const dues = [...this.#watched].filter(([userId]) => this.#isAsked(userId)).map(([, { due }]) => due);
    if (dues.length === 0) return;
    const ms = Math.max(0, Math.min(...dues) - this.#now());
    this.#timer = setTimeout(() => void this.#askDue(), ms);
  }

  /** Whom the sync told of is not asked about. */
  #isAsked(userId: string): boolean {
    return !(this.#isTold && this.#known.has(userId)) && this.#isMet(userId);
  }

  /** One after the other: there is no hurry. */
  async #askDue(): Promise<void> {
    this.#isAsking = true;
    const isDue = ([userId, { due }]: [string, Watched]) => due <= this.#now() && this.#isAsked(userId);
    try {
      let next = [...this.#watched].find(isDue);
      while (next && !this.#isStopped && !this.#isOff && this.#isLooking) {
        const [userId, watched] = next;
        watched.due = this.#now() + (await this.#ask(userId, watched));
        next = [...this.#watched].find(isDue);
      }
    } finally {
      this.#isAsking = false;
    }
    this.#plan();
  }

  /** How long it is to be waited until the next question. */
  async #ask(userId: string, watched: Watched): Promise<number> {
    const at = path`/_matrix/client/v3/presence/${userId}/status`;
    let hasChanged = false;
    try {
      hasChanged = this.#learn(userId, presenceOf(await this.#http.call("GET", at, { impatient: true }), this.#now()));
    } catch (error) {
      if (isUnknown(error)) this.switchOff();
      // Nothing is told of who is in no common room.
      if (error instanceof MatrixError && error.status === 403) return LONGEST_MS;
    }
    if (hasChanged) watched.pause = SHORTEST_MS;
    const { pause } = watched;
    watched.pause = Math.min(pause * 2, LONGEST_MS);
    return pause;
  }

  /** Whether that is news. */
  #learn(userId: string, presence: Presence | undefined): boolean {
    if (!presence) return false;
    const before = this.#known.get(userId);
    this.#known.delete(userId);
    this.#known.set(userId, { ...presence, at: this.#now() });
    if (this.#known.size > MOST_KNOWN) this.#forgetOldest();
    const isSame =
      before?.state === presence.state && before.status === presence.status &&
      // Of who is there it is not told since when.
      (presence.state === "online" || minute(before.lastActive) === minute(presence.lastActive));
    if (!isSame) this.changed.emit(userId);
    return !isSame;
  }

  #forgetOldest(): void {
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}

function minute(ts: number | undefined): number | undefined {
  return ts === undefined ? undefined : Math.round(ts / 60_000);
}
