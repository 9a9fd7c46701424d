// Tabs of one account: one owns the keys, syncs for them and sends; the others ask it, and hear what it does.
//
//   guest ── call ──► owner ──► worker
//   guest ◄── news ── owner

import type { SyncInput } from "@e2e/machine";

import type { Standing } from "./crypto/crypto";
import { Caller, type Remote } from "./crypto/remote";
import type { Echo, Pending } from "./send/queue";
import type { Vaults } from "./store/lock";
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
  | { news: "gone" }
  /** The account is locked: nothing sealed stays open. */
  | { news: "locked" }
  /** Somebody does something there. */
  | { news: "active" }
  /** Threads of a room are unread, these and no others. */
  | { news: "threads"; roomId: string; unread: [string, string][] }
  /** Nothing of a room is to stay. */
  | { news: "forgot"; roomId: string }
  /** A room was made that is sealed, whatever is known of its state. */
  | { news: "made"; roomId: string }
  /** The tab in which somebody is looks at this room, or at none. */
  | { news: "looks"; roomId: string | undefined };

/** What the owner does for others, beside what its worker does for them. */
export interface Desk {
  ping(): boolean;
  /** The keys of the stores: who opens another tab is not asked for the passphrase again. */
  vaults(): Vaults;
  /** How the module stands, when it is loaded. */
  open(): Promise<Standing>;
  standing(): Standing;
  /** Finds out how this device stands. */
  settle(): Promise<Standing>;
  /** Goes on with what waited for the identity, which the server has. */
  published(): Promise<Standing>;
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

  /** What the owner answers within this time; `undefined`, if it does not. */
  async ask<T>(question: (desk: Remote<Desk>) => Promise<T>, ms: number): Promise<T | undefined> {
    const caller = new Caller(this.channel);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), ms)));
    try {
      return await Promise.race([question(caller.part<Desk>("desk")), late]);
    } finally {
      clearTimeout(timer);
      caller.close();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.channel.close();
  }
}
