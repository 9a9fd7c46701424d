// Messages on their way out: kept until the server has them, in the order of each room.
//
//   add ──► queued ──► sending ──► sent: gone when the event comes back by sync
//              ▲          ├──► queued     no connection: again when it is back
//              │          ├──► held       a reason that a person or a key resolves: again on `resume`
//              └──────────┴──► failed     the server refused: `retry` or `cancel`

import { isOutside, MatrixError } from "../api/error";
import { wait } from "../api/http";
import type { JsonObject } from "../json";
import { Topic } from "../topic";

export interface Pending {
  txnId: string;
  roomId: string;
  type: string;
  content: JsonObject;
  createdAt: number;
}

export type Progress =
  | { state: "queued" | "sending" }
  | { state: "held"; why: Hold }
  | { state: "failed"; why: string }
  | { state: "sent"; eventId: string };

/** Why a message waits and is not sent in clear instead. */
export type Hold = "identity" | "own_identity" | "keys" | "module" | "foreign";

/** Thrown by what delivers: the message is to wait. */
export class Held extends Error {
  readonly why: Hold;

  constructor(why: Hold, cause?: unknown) {
    super(`waits: ${why}`, { cause });
    this.why = why;
  }
}

export interface QueueStore {
  queued<T>(): Promise<T[]>;
  enqueue(id: string, value: Pending): Promise<void>;
  dequeue(id: string): Promise<void>;
}

export type Echo = Pending & { progress: Progress };

const LONGEST_PAUSE_MS = 60_000;

export class SendQueue {
  /** The room in which something changed. */
  readonly changed = new Topic<string>();
  readonly #store: QueueStore;
  readonly #deliver: (pending: Pending) => Promise<string>;
  readonly #sleep: typeof wait;
  readonly #echoes = new Map<string, Echo>();
  readonly #running = new Set<string>();
  #pause = new AbortController();
  #stopped = false;

  /** `deliver` answers the event's id; the same `txnId` twice sends one event. */
  constructor(store: QueueStore, deliver: (pending: Pending) => Promise<string>, sleep = wait) {
    this.#store = store;
    this.#deliver = deliver;
    this.#sleep = sleep;
  }

  /** Takes up what an earlier visit left. */
  async restore(): Promise<void> {
    const left = await this.#store.queued<Pending>();
    for (const pending of left.toSorted((a, b) => a.createdAt - b.createdAt)) {
      this.#echoes.set(pending.txnId, { ...pending, progress: { state: "queued" } });
    }
    this.resume();
  }

  /** What was written in a room and has not come back yet, oldest first. */
  of(roomId: string): Echo[] {
    return [...this.#echoes.values()].filter((echo) => echo.roomId === roomId);
  }

  /** How many messages wait, in all rooms. */
  get waiting(): number {
    return [...this.#echoes.values()].filter(({ progress }) => progress.state !== "sent").length;
  }

  /** Shows it at once, and sends it when it is kept. */
  async add(roomId: string, type: string, content: JsonObject): Promise<string> {
    const createdAt = Math.max(Date.now(), ...this.of(roomId).map((echo) => echo.createdAt + 1));
    const pending = { txnId: `s${crypto.randomUUID()}`, roomId, type, content, createdAt };
    this.#set(pending, { state: "queued" });
    await this.#store.enqueue(pending.txnId, pending);
    void this.#run(roomId);
    return pending.txnId;
  }

  /** Sends a message again that was refused. */
  retry(txnId: string): void {
    const echo = this.#echoes.get(txnId);
    if (!echo || echo.progress.state === "sent") return;
    this.#set(echo, { state: "queued" });
    this.resume();
  }

  /** Gives a message up that is not on its way. */
  async cancel(txnId: string): Promise<Pending | undefined> {
    const echo = this.#echoes.get(txnId);
    if (!echo || echo.progress.state === "sending" || echo.progress.state === "sent") return undefined;
    this.#echoes.delete(txnId);
    await this.#store.dequeue(txnId);
    this.changed.emit(echo.roomId);
    return echo;
  }

  /** Something may go now that could not before. */
  resume(): void {
    this.#pause.abort();
    this.#pause = new AbortController();
    const rooms = new Set<string>();
    for (const echo of this.#echoes.values()) {
      if (echo.progress.state === "held") this.#set(echo, { state: "queued" });
      rooms.add(echo.roomId);
    }
    for (const roomId of rooms) void this.#run(roomId);
  }

  /** The event came by sync: its echo is shown no longer. */
  arrived(txnId: string | undefined, eventId: string): void {
    for (const [id, echo] of this.#echoes) {
      const { progress } = echo;
      if (id === txnId || (progress.state === "sent" && progress.eventId === eventId)) {
        this.#echoes.delete(id);
        this.changed.emit(echo.roomId);
      }
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#pause.abort();
  }

  /** One message of a room after the other. */
  async #run(roomId: string): Promise<void> {
    if (this.#running.has(roomId)) return;
    this.#running.add(roomId);
    try {
      for (let failures = 0; !this.#stopped; ) {
        const next = this.of(roomId).find(({ progress }) => progress.state !== "sent");
        // What comes after a message that waits would arrive before it.
        if (!next || next.progress.state === "held" || next.progress.state === "failed") return;
        failures = (await this.#send(next)) ? 0 : failures + 1;
        if (failures > 0) {
          const ms = Math.min(1000 * 2 ** (failures - 1), LONGEST_PAUSE_MS);
          await this.#sleep(ms, this.#pause.signal).catch(() => {});
        }
      }
    } finally {
      this.#running.delete(roomId);
    }
  }

  /** Whether it is worth going on at once. */
  async #send(echo: Echo): Promise<boolean> {
    this.#set(echo, { state: "sending" });
    try {
      const eventId = await this.#deliver(echo);
      if (this.#echoes.has(echo.txnId)) this.#set(echo, { state: "sent", eventId });
      await this.#store.dequeue(echo.txnId);
      return true;
    } catch (error) {
      if (error instanceof Held) {
        this.#set(echo, { state: "held", why: error.why });
        return true;
      }
      const isRefused = error instanceof MatrixError && !error.isTemporary;
      if (isRefused && error.errcode !== "M_UNKNOWN_TOKEN") {
        this.#set(echo, { state: "failed", why: error.message });
        return true;
      }
      if (!isOutside(error)) console.error(error);
      this.#set(echo, { state: "queued" });
      return false;
    }
  }

  #set(pending: Pending, progress: Progress): void {
    const { txnId, roomId, type, content, createdAt } = pending;
    this.#echoes.set(txnId, { txnId, roomId, type, content, createdAt, progress });
    this.changed.emit(roomId);
  }
}
