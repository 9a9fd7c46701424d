// Sealed rooms that nobody looks at: the server can't say who is mentioned there, so what was missed is fetched and read.
//
// Room by room, the newest first, back to what was read last; of each as far as somebody would scroll.

import { isOutside } from "../api/error";
import type { Room } from "./room";
import type { Gap } from "./timeline";
import { readUntil } from "./unread";

/** How many times more is fetched for one room, and for how many rooms one after the other. */
const MOST_PAGES = 5;
const MOST_ROOMS = 100;

/** The gap in what is unread of a sealed room, if there is one. */
export function unreadGap(room: Room, me: string): Gap | undefined {
  if (room.sealing !== "ours" || room.membership !== "join" || room.notifications === 0) return undefined;
  // Who never was here before has read nothing, and misses nothing.
  if (!room.receipts.has(me)) return undefined;
  const read = room.timeline.events[readUntil(room, me)];
  const last = room.timeline.entries.findLast((entry) => entry.kind === "gap" || entry.event === read);
  return last?.kind === "gap" ? last : undefined;
}

export class CatchingUp {
  readonly #me: string;
  readonly #fill: (room: Room, gap: Gap) => Promise<void>;
  readonly #waiting = new Map<string, Room>();
  readonly #done = new Set<string>();
  #isBusy = false;
  #isStopped = false;

  constructor(me: string, fill: (room: Room, gap: Gap) => Promise<void>) {
    this.#me = me;
    this.#fill = fill;
  }

  /** These rooms came anew: looks whether something of them is missing. */
  consider(rooms: Iterable<Room>): void {
    for (const room of rooms) {
      if (unreadGap(room, this.#me) && !this.#done.has(room.id)) this.#waiting.set(room.id, room);
    }
    if (!this.#isBusy) void this.#run();
  }

  /** A new connection: what was given up may be tried again. */
  again(): void {
    this.#done.clear();
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #run(): Promise<void> {
    this.#isBusy = true;
    for (let room = this.#next(); room && !this.#isStopped; room = this.#next()) {
      this.#waiting.delete(room.id);
      this.#done.add(room.id);
      try {
        let gap = unreadGap(room, this.#me);
        for (let page = 0; gap && page < MOST_PAGES && !this.#isStopped; page += 1) {
          await this.#fill(room, gap);
          gap = unreadGap(room, this.#me);
        }
      } catch (error) {
        if (!isOutside(error)) console.error(error);
      }
    }
    this.#isBusy = false;
  }

  #next(): Room | undefined {
    if (this.#done.size >= MOST_ROOMS) return undefined;
    return [...this.#waiting.values()].toSorted((a, b) => b.order - a.order)[0];
  }
}
