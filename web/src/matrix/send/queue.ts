// Messages on their way out: kept until the server has them, in the order of each room.
//
//   add ──► queued ──► sending ──► sent: gone when the event comes back by sync
//              ▲          ├──► queued     no connection: again when it is back
//              │          ├──► held       a reason that a person or a key resolves: again on `resume`
//              └──────────┴──► failed     the server refused: `retry` or `cancel`
//
// What comes after a message that waits or was refused waits too: it would arrive before it. What nobody sees as a message
// (an edit, a reaction, a vote) and was refused is told apart, and holds nothing back.

import { isOutside, isRefusal, type MatrixError } from "../api/error";
import { wait } from "../api/http";
import type { JsonObject } from "../json";
import { Topic } from "../topic";

export interface Pending {
  txnId: string;
  roomId: string;
  type: string;
  content: JsonObject;
  createdAt: number;
  /** The room was sealed when this was written: it goes out sealed or not at all. */
  isSealed?: boolean | undefined;
  /** Who was shown as its readers when it was written: nobody else gets its key. Absent: whoever is there. */
  shown?: string[] | undefined;
}

/** What is known of a room when something is written in it. */
export type Circumstances = Pick<Pending, "isSealed" | "shown">;

export type Progress =
  /** `failures`: how often the server was asked and did not take it. */
  | { state: "queued" | "sending"; failures?: number }
  /** `who`: the people whose key is missing, or new. */
  | { state: "held"; why: Hold; who?: string[] }
  | { state: "failed"; error: MatrixError }
  | { state: "sent"; eventId: string };

/** Why a message waits and is not sent in clear instead. */
export type Hold = "identity" | "own_identity" | "keys" | "unreached" | "module" | "foreign";

/** Thrown by what delivers: the message is to wait. */
export class Held extends Error {
  readonly why: Hold;
  readonly who: string[] | undefined;

  constructor(why: Hold, cause?: unknown, who?: string[]) {
    super(`waits: ${why}`, { cause });
    this.why = why;
    this.who = who;
  }
}

export interface QueueStore {
  queued<T>(): Promise<T[]>;
  /** `file`: what is kept of it goes in the same moment. */
  enqueue(id: string, value: Pending, file?: string): Promise<void>;
  dequeue(id: string): Promise<void>;
  isQueued(id: string): Promise<boolean>;
}

/** The queue of the tab that sends, as others call it. */
export interface Sender {
  take(pending: Pending): Promise<void>;
  retry(txnId: string): Promise<void>;
  cancel(txnId: string): Promise<Pending | undefined>;
  resume(): Promise<void>;
}

export type Echo = Pending & { progress: Progress };

const LONGEST_PAUSE_MS = 60_000;
/** When a key that was missing is asked for again, if nothing brought it before. */
const KEYS_AGAIN_MS = 5 * 60_000;

export class SendQueue {
  /** The room in which something changed. */
  readonly changed = new Topic<string>();
  /** Messages that the server has, and that are kept here no longer. */
  readonly done = new Topic<Pending>();
  /** Messages that do not go out after all. */
  readonly givenUp = new Topic<Pending>();
  readonly #store: QueueStore;
  readonly #deliver: (pending: Pending) => Promise<string>;
  readonly #sleep: typeof wait;
  readonly #circumstances: (roomId: string) => Circumstances;
  readonly #isShown: (pending: Pending) => boolean;
  readonly #echoes = new Map<string, Echo>();
  readonly #running = new Set<string>();
  /** Written here, and not known yet by the tab that sends. */
  readonly #untaken = new Set<string>();
  /** Came back already, though the tab that sends still shows them. */
  readonly #back = new Set<string>();
  #sender: Sender | undefined;
  #taking: Promise<void> = Promise.resolve();
  #pause = new AbortController();
  #again: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  /**
   * `deliver` answers the event's id; the same `txnId` twice sends one event. `circumstances` of what is written now;
   * `isShown`: whether a person sees it as a message, on its way and afterwards.
   */
  constructor(
    store: QueueStore,
    deliver: (pending: Pending) => Promise<string>,
    sleep = wait,
    circumstances: (roomId: string) => Circumstances = () => ({ isSealed: false }),
    isShown: (pending: Pending) => boolean = () => true,
  ) {
    this.#store = store;
    this.#deliver = deliver;
    this.#sleep = sleep;
    this.#circumstances = circumstances;
    this.#isShown = isShown;
  }

  /** Sends from here: what an earlier visit left, or another tab that is gone. */
  async restore(): Promise<void> {
    const left = await this.#store.queued<Pending>();
    this.#sender = undefined;
    this.#untaken.clear();
    for (const [id, { progress }] of this.#echoes) if (progress.state !== "sent") this.#echoes.delete(id);
    for (const pending of left.toSorted((a, b) => a.createdAt - b.createdAt)) {
      if (!this.#echoes.has(pending.txnId)) this.#set(pending, { state: "queued" });
    }
    this.resume();
  }

  /** Another tab sends; this one shows what it tells. `echoes`: all that it has. */
  follow(sender: Sender, echoes: Echo[]): void {
    this.#sender = sender;
    for (const echo of this.#echoes.values()) {
      if (this.#untaken.has(echo.txnId)) void this.#hand(echo);
    }
    for (const roomId of new Set([...this.#echoes.values(), ...echoes].map((echo) => echo.roomId))) {
      this.hear(roomId, echoes.filter((echo) => echo.roomId === roomId));
    }
  }

  /** What the tab that sends has for a room. */
  hear(roomId: string, echoes: Echo[]): void {
    const isOld = ({ txnId, progress }: Echo) => progress.state === "sent" && this.#back.has(txnId);
    // Shown until it is back here, whatever has reached the other tab.
    const isMine = ({ txnId, progress }: Echo) =>
      this.#untaken.has(txnId) || (progress.state === "sent" && !ids.has(txnId) && !this.#back.has(txnId));
    const ids = new Set(echoes.map(({ txnId }) => txnId));
    for (const id of ids) this.#untaken.delete(id);
    const mine = this.of(roomId).filter(isMine);
    for (const { txnId } of this.of(roomId)) this.#echoes.delete(txnId);
    for (const echo of [...mine.filter(({ progress }) => progress.state === "sent"), ...echoes.filter((one) => !isOld(one)), ...mine]) this.#echoes.set(echo.txnId, echo);
    this.changed.emit(roomId);
  }

  /** Takes over what another tab wrote; nothing, if it was sent already. */
  take(pending: Pending): Promise<void> {
    this.#taking = this.#taking.then(async () => {
      const isKept = await this.#store.isQueued(pending.txnId);
      if (!isKept || this.#echoes.has(pending.txnId)) return;
      this.#set(pending, { state: "queued" });
      void this.#run(pending.roomId);
    });
    return this.#taking;
  }

  /** What is on its way in all rooms. */
  get all(): Echo[] {
    return [...this.#echoes.values()];
  }

  /** What was written in a room and has not come back yet, oldest first. */
  of(roomId: string): Echo[] {
    return [...this.#echoes.values()].filter((echo) => echo.roomId === roomId);
  }

  /** How many messages wait, in all rooms. */
  get waiting(): number {
    return [...this.#echoes.values()].filter(({ progress }) => progress.state !== "sent").length;
  }

  /** Whether anything waits for this. */
  isHeld(why: Hold): boolean {
    return [...this.#echoes.values()].some(({ progress }) => progress.state === "held" && progress.why === why);
  }

  /** What is known of a room now. */
  circumstances(roomId: string): Circumstances {
    return this.#circumstances(roomId);
  }

  /**
   * Shows it at once, and sends it when it is kept. Fails, if it can't be kept. `written`: how it was when somebody sent it,
   * if that was before; `file`: a file that was kept until now, and is not to be after that.
   */
  async add(roomId: string, type: string, content: JsonObject, written = this.circumstances(roomId), file?: string): Promise<string> {
    const createdAt = Math.max(Date.now(), ...this.of(roomId).map((echo) => echo.createdAt + 1));
    const pending = { txnId: `s${crypto.randomUUID()}`, roomId, type, content, createdAt, ...written };
    this.#untaken.add(pending.txnId);
    this.#set(pending, { state: "queued" });
    try {
      await this.#store.enqueue(pending.txnId, pending, file);
    } catch (error) {
      // What is not kept is not on its way: whoever wrote it still has it.
      this.#untaken.delete(pending.txnId);
      this.#echoes.delete(pending.txnId);
      this.changed.emit(roomId);
      throw error;
    }
    if (this.#sender) void this.#hand(pending);
    else void this.#run(roomId);
    return pending.txnId;
  }

  /** Sends a message again that was refused. */
  retry(txnId: string): void {
    if (this.#sender) return void this.#sender.retry(txnId).catch(() => {});
    const echo = this.#echoes.get(txnId);
    if (!echo || echo.progress.state === "sent") return;
    this.#set(echo, { state: "queued" });
    this.resume();
  }

  /** Gives a message up that is not on its way. */
  async cancel(txnId: string): Promise<Pending | undefined> {
    if (this.#sender) return this.#sender.cancel(txnId);
    const echo = this.#echoes.get(txnId);
    if (!echo || echo.progress.state === "sending" || echo.progress.state === "sent") return undefined;
    await this.#giveUp(echo);
    return echo;
  }

  /** Of what waits in a room nothing stays. */
  async forget(roomId: string): Promise<void> {
    for (const echo of this.of(roomId)) await this.#giveUp(echo);
  }

  async #giveUp(echo: Echo): Promise<void> {
    const { txnId, roomId } = echo;
    this.#echoes.delete(txnId);
    await this.#store.dequeue(txnId);
    this.givenUp.emit(echo);
    this.changed.emit(roomId);
  }

  /** Something may go now that could not before. */
  resume(): void {
    if (this.#sender) return void this.#sender.resume().catch(() => {});
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
    if (txnId && this.#sender) this.#back.add(txnId);
    for (const [id, echo] of this.#echoes) {
      const { progress } = echo;
      if (id === txnId || (progress.state === "sent" && progress.eventId === eventId)) {
        this.#echoes.delete(id);
        this.changed.emit(echo.roomId);
      }
    }
  }

  #resumeLater(): void {
    this.#again ??= setTimeout(() => {
      this.#again = undefined;
      if (!this.#stopped) this.resume();
    }, KEYS_AGAIN_MS);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#again);
    this.#pause.abort();
  }

  /** If the tab that sends goes meanwhile, the next one finds the message where it is kept. */
  async #hand(pending: Pending): Promise<void> {
    await this.#sender?.take(pending).catch(() => {});
  }

  /** One message of a room after the other. */
  async #run(roomId: string): Promise<void> {
    if (this.#running.has(roomId)) return;
    this.#running.add(roomId);
    try {
      for (let failures = 0; !this.#stopped; ) {
        const next = this.of(roomId).find((echo) => {
          const { state } = echo.progress;
          return state !== "sent" && !(state === "failed" && !this.#isShown(echo));
        });
        // What comes after a message that waits would arrive before it.
        if (!next || next.progress.state === "held" || next.progress.state === "failed") return;
        failures = (await this.#send(next, failures)) ? 0 : failures + 1;
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
  async #send(echo: Echo, failures: number): Promise<boolean> {
    this.#set(echo, { state: "sending", failures });
    try {
      const eventId = await this.#deliver(echo);
      if (this.#echoes.has(echo.txnId)) this.#set(echo, { state: "sent", eventId });
      await this.#store.dequeue(echo.txnId);
      this.done.emit(echo);
      return true;
    } catch (error) {
      if (error instanceof Held) {
        if (error.why === "keys" || error.why === "unreached") this.#resumeLater();
        this.#set(echo, { state: "held", why: error.why, ...(error.who && { who: error.who }) });
        return true;
      }
      if (isRefusal(error)) {
        // It stands there already, from another device.
        if (error.errcode === "M_DUPLICATE_ANNOTATION") await this.#giveUp(echo);
        else this.#set(echo, { state: "failed", error });
        return true;
      }
      if (!isOutside(error)) console.error(error);
      this.#set(echo, { state: "queued", failures: failures + 1 });
      return false;
    }
  }

  #set(pending: Pending, progress: Progress): void {
    this.#echoes.set(pending.txnId, { ...pending, progress });
    this.changed.emit(pending.roomId);
  }
}
