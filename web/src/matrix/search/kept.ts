// Looking through all sealed messages that this device keeps, page by page: they lie in no order, so that what is found
// comes as it is found, and says at last what it said after its last edit.

import type { KeptMessage, KeptPage } from "../crypto/kept";
import type { Hit } from "./search";

/** Where messages are kept; both look only for these words. */
export interface KeptSource {
  searchKept(roomIds: string[], words: string[], after: string | undefined): Promise<KeptPage>;
  keptMessage(roomId: string, eventId: string, words: string[]): Promise<KeptMessage | undefined>;
}

/** So many are held, the newest. */
const MOST = 300;

export class KeptSearch {
  /** How many messages were looked at, and how many there are. */
  looked = 0;
  total = 0;

  readonly #source: KeptSource;
  readonly #roomIds: string[];
  readonly #words: string[];
  readonly #messages = new Map<string, KeptMessage>();
  readonly #edits = new Map<string, KeptMessage[]>();

  constructor(source: KeptSource, roomIds: string[], words: string[]) {
    this.#source = source;
    this.#roomIds = roomIds;
    this.#words = words;
  }

  /** Looks until the end, or until it is aborted; calls `came` after each page. */
  async run(signal: AbortSignal, came: () => void): Promise<void> {
    let after: string | undefined;
    do {
      const page = await this.#source.searchKept(this.#roomIds, this.#words, after);
      if (signal.aborted) return;
      this.looked += page.looked;
      this.total = Math.max(page.total, this.looked);
      for (const message of page.messages) await this.#take(message);
      this.#prune();
      if (signal.aborted) return;
      came();
      after = page.next;
    } while (after !== undefined);
  }

  /** What was found so far, the newest first. */
  get hits(): Hit[] {
    const found = [...this.#messages.values()].flatMap((message): Hit[] => {
      const edit = (this.#edits.get(message.eventId) ?? [])
        .filter((one) => isEditOf(one, message))
        .reduce<KeptMessage | undefined>((last, one) => (last && last.ts > one.ts ? last : one), undefined);
      const { roomId, eventId, sender, ts } = message;
      const now = edit ?? message;
      return now.matches ? [{ roomId, eventId, sender, ts, body: now.body }] : [];
    });
    return found.toSorted((a, b) => b.ts - a.ts);
  }

  async #take(message: KeptMessage): Promise<void> {
    const { target, roomId, matches } = message;
    if (target === undefined) return void this.#messages.set(message.eventId, message);
    this.#edits.set(target, [...(this.#edits.get(target) ?? []), message]);
    if (!matches || this.#messages.has(target)) return;
    // It said something else before.
    const edited = await this.#source.keptMessage(roomId, target, this.#words);
    if (edited && edited.target === undefined) this.#messages.set(target, edited);
  }

  #prune(): void {
    if (this.#messages.size <= MOST) return;
    const oldest = [...this.#messages.values()].toSorted((a, b) => b.ts - a.ts).slice(MOST);
    for (const { eventId } of oldest) this.#messages.delete(eventId);
  }
}

/** As in a room (`room/about.ts`): by its proven author, and about the message that they meant. */
function isEditOf(edit: KeptMessage, message: KeptMessage): boolean {
  const isBy = edit.sender === message.sender && edit.roomId === message.roomId;
  const isAuthor = edit.isProven || (!message.isProven && edit.sharedBy === message.sharedBy);
  const isMeant = edit.means === undefined || message.messageId === undefined || edit.means === message.messageId;
  return isBy && isAuthor && isMeant;
}
