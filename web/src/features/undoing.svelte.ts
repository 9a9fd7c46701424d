// What looks done and is not yet: for a few seconds it can be taken back. It is done when they are over, or when the page
// is hidden or closed.

import type { Item, Message } from "../matrix/room/messages";
import type { Troubles } from "./troubles.svelte";

export interface Deed {
  id: string;
  /** What was done, in the language of now. */
  words: () => string;
  /** What it means. */
  more?: (() => string) | undefined;
}

export interface Wanted {
  words: () => string;
  more?: (() => string) | undefined;
  /** Ids of messages and rooms that are shown no longer, and what else is called so. */
  hides: readonly string[];
  /** `isClosing`: the page may be gone before there is an answer. */
  act: (isClosing: boolean) => Promise<void>;
  /** Tells that it could not be done after all, and why. */
  failed: (why: string) => string;
}

const PAUSE_MS = 7000;
/** How long the server's own news of it may take. */
const NEWS_MS = 5000;

function gone(message: Message): Message {
  return { ...message, isRedacted: true, content: {}, replyTo: undefined, reactions: [], poll: undefined };
}

export class Undoing {
  all = $state.raw<readonly Deed[]>([]);
  #hidden = $state.raw<readonly string[]>([]);
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- what is shown of it is in `all`
  readonly #open = new Map<string, Wanted & { timer: ReturnType<typeof setTimeout> | undefined }>();
  readonly #troubles: Troubles;

  constructor(troubles: Troubles) {
    this.#troubles = troubles;
  }

  do(wanted: Wanted): void {
    const { words, more } = wanted;
    const id = crypto.randomUUID();
    this.all = [...this.all, { id, words, more }];
    this.#hidden = [...this.#hidden, ...wanted.hides];
    this.#open.set(id, { ...wanted, timer: undefined });
    this.wait(id);
  }

  isHidden(id: string): boolean {
    return this.#hidden.includes(id);
  }

  /** All of them; another list whenever one is added or gone. */
  get hidden(): readonly string[] {
    return this.#hidden;
  }

  /** Items, those that are hidden as if they were removed. */
  shown<T extends Item>(items: T[]): T[];
  shown(items: Item[]): Item[] {
    const hidden = this.#hidden;
    if (hidden.length === 0) return items;
    return items.map((item) => {
      if (item.kind !== "message") return item;
      const thread = item.thread && hidden.includes(item.thread.last.id) ? { ...item.thread, last: gone(item.thread.last) } : item.thread;
      const isGone = hidden.includes(item.id);
      return isGone || thread !== item.thread ? { ...(isGone ? gone(item) : item), thread } : item;
    });
  }

  /** Takes back; without an id, the last. */
  undo(id = this.all.at(-1)?.id): boolean {
    const deed = id === undefined ? undefined : this.#take(id);
    if (deed) this.#reveal(deed.hides);
    return deed !== undefined;
  }

  /** Somebody looks at it: the time stands still. */
  hold(id: string): void {
    clearTimeout(this.#open.get(id)?.timer);
  }

  wait(id: string): void {
    const deed = this.#open.get(id);
    if (!deed) return;
    clearTimeout(deed.timer);
    deed.timer = setTimeout(() => void this.now(id), PAUSE_MS);
  }

  /** Does it without waiting longer; resolves when it is done, or could not be. */
  async now(id: string, isClosing = false): Promise<void> {
    const deed = this.#take(id);
    if (!deed) return;
    const act = async () => {
      try {
        await deed.act(isClosing);
        setTimeout(() => this.#reveal(deed.hides), NEWS_MS);
      } catch (error) {
        this.#reveal(deed.hides);
        throw error;
      }
    };
    await this.#troubles.try(act, deed.failed);
  }

  /** The page is hidden, or closed; or somebody logs out, who waits for it. */
  async flush(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((id) => this.now(id, true)));
  }

  #take(id: string) {
    const deed = this.#open.get(id);
    clearTimeout(deed?.timer);
    this.#open.delete(id);
    this.all = this.all.filter((one) => one.id !== id);
    return deed;
  }

  #reveal(ids: readonly string[]): void {
    const open = [...this.#open.values()].flatMap(({ hides }) => hides);
    this.#hidden = this.#hidden.filter((id) => open.includes(id) || !ids.includes(id));
  }
}
