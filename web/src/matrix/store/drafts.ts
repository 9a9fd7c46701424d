// What somebody began to write, by room or thread: kept sealed, a moment after the last letter.

import type { DataStore } from "./data";

const PAUSE_MS = 400;
const KEY = "drafts";

/** Where a draft for a thread is found. */
export function inThread(roomId: string, rootId: string): string {
  return `${roomId} ${rootId}`;
}

/** Where the edit of something said in a room or thread is found. */
export function inEdit(of: string): string {
  return `${of} edit`;
}

/** What a message is to say instead. */
export interface Edit {
  id: string;
  words: string;
}

/** An edit as a draft. */
export function keptEdit({ id, words }: Edit): string {
  return `${id}\n${words}`;
}

export function editOf(draft: string): Edit {
  const [id = "", ...lines] = draft.split("\n");
  return { id, words: lines.join("\n") };
}

/** Where it is found what an answer in a room or thread is to. */
export function inReply(of: string): string {
  return `${of} reply`;
}

/** What is to be answered. */
export interface Answered {
  id: string;
  sender: string;
  threadRoot: string | undefined;
}

/** What is to be answered, as a draft: it need not be loaded when the answer goes on. */
export function keptReply({ id, sender, threadRoot = "" }: Answered): string {
  return [id, sender, threadRoot].join("\n");
}

export function replyOf(draft: string): Answered {
  const [id = "", sender = "", threadRoot] = draft.split("\n");
  return { id, sender, threadRoot: threadRoot || undefined };
}

/** What was begun in a room, in words. */
export function begunIn(roomId: string, drafts: ReadonlyMap<string, string>): string | undefined {
  const edit = drafts.get(inEdit(roomId));
  return edit === undefined ? drafts.get(roomId) : editOf(edit).words;
}

export class Drafts {
  readonly #store: DataStore;
  readonly #all = new Map<string, string>();
  /** Rooms whose draft is not kept yet as it is. */
  readonly #changed = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #keeping: Promise<void> = Promise.resolve();

  constructor(store: DataStore) {
    this.#store = store;
  }

  /** By room. */
  get all(): ReadonlyMap<string, string> {
    return this.#all;
  }

  async restore(): Promise<void> {
    for (const [roomId, draft] of await this.#kept()) this.#all.set(roomId, draft);
  }

  set(roomId: string, draft: string): void {
    if (draft.trim()) this.#all.set(roomId, draft);
    else this.#all.delete(roomId);
    this.#changed.add(roomId);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.keep(), PAUSE_MS);
  }

  /** Of a room and its threads nothing stays. */
  async forget(roomId: string): Promise<void> {
    const begun = [...this.#all.keys(), ...(await this.#kept()).map(([place]) => place)];
    for (const place of begun) {
      if (place !== roomId && !place.startsWith(inThread(roomId, ""))) continue;
      this.#all.delete(place);
      this.#changed.add(place);
    }
    await this.keep();
  }

  /** Writes what changed here; other tabs write other rooms. */
  keep(): Promise<void> {
    clearTimeout(this.#timer);
    this.#keeping = this.#keeping.then(() => this.#keep());
    return this.#keeping;
  }

  async #keep(): Promise<void> {
    const changed = [...this.#changed];
    if (changed.length === 0) return;
    this.#changed.clear();
    try {
      const kept = new Map(await this.#kept());
      for (const roomId of changed) {
        const draft = this.#all.get(roomId);
        if (draft === undefined) kept.delete(roomId);
        else kept.set(roomId, draft);
      }
      await this.#store.setSealedMeta(KEY, [...kept]);
    } catch (error) {
      for (const roomId of changed) this.#changed.add(roomId);
      console.error(error);
    }
  }

  async #kept(): Promise<[string, string][]> {
    return (await this.#store.sealedMeta<[string, string][]>(KEY)) ?? [];
  }
}
