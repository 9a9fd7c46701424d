// Tabs of one account: one owns the keys, syncs for them and sends; the others ask it, and hear what it does.
//
//   guest ── call ──► owner ──► worker
//   guest ◄── news ── owner

import type { SyncInput } from "@e2e/machine";

import type { Standing } from "./crypto/crypto";
import { Caller, type Remote } from "./crypto/remote";
import type { Echo, Pending } from "./send/queue";
import { Topic } from "./topic";

/** What a tab tells the others. */
export type News =
  /** It owns the keys from now on. */
  | { news: "owner" }
  | { news: "standing"; standing: Standing }
  | { news: "keys"; rooms: string[] }
  | { news: "devices" }
  | { news: "verifications"; ids: string[] }
  | { news: "queue"; roomId: string; echoes: Echo[] }
  /** Somebody logged out: nothing of the account is to stay. */
  | { news: "gone" };

/** What the owner does for others, beside what its worker does for them. */
export interface Desk {
  ping(): boolean;
  /** How the module stands, when it is loaded. */
  open(): Promise<Standing>;
  standing(): Standing;
  pushSync(sync: SyncInput): Promise<void>;
  flush(): Promise<void>;
  recover(typed: string): Promise<number>;
  loadMembers(roomId: string): Promise<void>;
  echoes(): Echo[];
  take(pending: Pending): Promise<void>;
  retry(txnId: string): void;
  cancel(txnId: string): Promise<Pending | undefined>;
  resume(): void;
}

export class Tabs {
  readonly news = new Topic<News>();
  /** Calls of others arrive here, and answers to own ones. */
  readonly channel: BroadcastChannel;
  #isClosed = false;

  constructor(userId: string) {
    this.channel = new BroadcastChannel(`sealpost 1 ${userId}`);
    this.channel.addEventListener("message", ({ data }: MessageEvent<Partial<News>>) => {
      if (typeof data.news === "string") this.news.emit(data as News);
    });
  }

  tell(news: News): void {
    if (!this.#isClosed) this.channel.postMessage(news);
  }

  /** Whether the owner is there within this time. */
  async isAnswered(ms: number): Promise<boolean> {
    const desk: Remote<Desk> = new Caller(this.channel).part<Desk>("desk");
    const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), ms));
    return Promise.race([desk.ping(), late]);
  }

  close(): void {
    this.#isClosed = true;
    this.channel.close();
  }
}
