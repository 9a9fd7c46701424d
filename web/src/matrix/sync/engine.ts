// Asks for news without end: at once after an answer, later and later after failures.

import { isOutside, MatrixError } from "../api/error";
import { wait } from "../api/http";
import type { State } from "../presence/presence";
import { Topic } from "../topic";
import type { SyncSource, SyncUpdate } from "./update";

/** `behind`: not answered yet since the start; `offline`: the last question failed. */
export type SyncState = "behind" | "live" | "offline" | "stopped";

const LONGEST_PAUSE_MS = 30_000;
/** When something is asked for again that could not be kept. */
const SAME_AGAIN_MS = 10_000;

export class SyncEngine {
  readonly changed = new Topic();
  readonly #source: SyncSource;
  readonly #take: (update: SyncUpdate) => Promise<boolean>;
  readonly #sleep: typeof wait;
  #state: SyncState = "behind";
  #stop = new AbortController();
  #question = new AbortController();
  #pause = new AbortController();

  /**
   * `take` has kept what came when it is done; only then is it not asked for again. `false`: all but the messages to
   * the device.
   */
  constructor(source: SyncSource, take: (update: SyncUpdate) => Promise<boolean>, sleep = wait) {
    this.#source = source;
    this.#take = take;
    this.#sleep = sleep;
  }

  get state(): SyncState {
    return this.#state;
  }

  /** Runs until `stop` or until the server does not know the token any more. */
  async run(): Promise<void> {
    for (let failures = 0; !this.#stop.signal.aborted; ) {
      this.#question = new AbortController();
      const { signal } = this.#question;
      try {
        const update = await this.#source.next(AbortSignal.any([signal, this.#stop.signal]));
        const isMore = this.#source.done(await this.#take(update));
        failures = 0;
        this.#become("live");
        if (!isMore) await this.#rest(SAME_AGAIN_MS);
      } catch (error) {
        if (this.#stop.signal.aborted) break;
        if (signal.aborted) continue;
        if (error instanceof MatrixError && error.isUnknownToken) break;
        if (!isOutside(error)) console.error(error);
        failures += 1;
        this.#become("offline");
        await this.#rest(Math.min(1000 * 2 ** (failures - 1), LONGEST_PAUSE_MS));
      }
    }
    this.#become("stopped");
  }

  stop(): void {
    this.#stop.abort();
    this.#pause.abort();
  }

  /** The network may be back: a pause ends. */
  poke(): void {
    this.#pause.abort();
  }

  /** The network is gone: a question that waits for an answer is given up. */
  interrupt(): void {
    this.#become("offline");
    this.#question.abort();
  }

  /** Another room is looked at: asks anew, with it. */
  look(roomId: string | undefined): void {
    this.#source.look(roomId);
    if (this.#state === "live") this.#question.abort();
  }

  /** What the next question says of this person. */
  be(state: State): void {
    this.#source.be(state);
  }

  async #rest(ms: number): Promise<void> {
    this.#pause = new AbortController();
    await this.#sleep(ms, this.#pause.signal).catch(() => {});
  }

  #become(state: SyncState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.changed.emit();
  }
}
