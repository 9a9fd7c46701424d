// What somebody is writing: kept as a draft, said as a message, or done as a command.

import type { Message } from "../../matrix/room/messages";
import type { Room } from "../../matrix/room/room";
import type { Edit } from "../../matrix/store/drafts";
import { emoji } from "../../ui/emoji";
import { t } from "../../ui/words.svelte";
import { leave } from "../leaving";
import type { Live } from "../live.svelte";
import { peopleIn } from "./candidates";
import { parsed } from "./commands";
import { withEmoji } from "./complete";
import { asWritten, compose, type About, type InThread, type Said } from "./compose";
import { Typing } from "./typing";

/** Where it is written. */
export interface Place {
  /** What it is about, as it is now. */
  about(): About | undefined;
  /** Where it is said, if not in the room itself. */
  thread(): InThread | undefined;
  ondraft(draft: string): void;
  /** Keeps what was changed of a message so far; nothing, if no edit is under way. */
  onedit(edit: Edit | undefined): void;
  onabout(about: About | undefined): void;
  /** Another room was joined by a command. */
  onopen(roomId: string): void;
  /** This room was left by one. */
  onleave(): void;
}

export class Writing {
  words = $state("");
  /** Why something was not done. */
  complaint = $state("");

  readonly #live: Live;
  readonly #room: Room;
  readonly #place: Place;
  readonly #typing: Typing;
  /** What was being written when an edit began: it comes back after it. */
  #aside: string | undefined;
  /** An edit that did not go, or was begun before: it goes on when its message is edited again. */
  #begun: Edit | undefined;
  /** What was sent first goes first, however long it takes to put together. */
  #sending: Promise<unknown> = Promise.resolve();

  constructor(live: Live, room: Room, draft: string, begun: Edit | undefined, place: Place) {
    this.#live = live;
    this.#room = room;
    this.#begun = begun;
    this.#place = place;
    this.#typing = new Typing(live.client, room.id);
    this.words = draft;
  }

  /** Changes what a message says; or no longer any, and what was being written before is in the field again. */
  edit(message: Message | undefined): void {
    if (message) {
      this.#aside ??= this.words;
      this.words = this.#begun?.id === message.id ? this.#begun.words : asWritten(message.content);
      this.#begun = undefined;
    } else if (this.#aside !== undefined) {
      this.words = this.#aside;
      this.#aside = undefined;
      this.#place.onedit(undefined);
    }
  }

  /** An edit is no draft of something new. */
  keep(): void {
    const about = this.#place.about();
    if (about?.kind === "edit") this.#place.onedit({ id: about.message.id, words: this.words });
    else this.#place.ondraft(this.words);
  }

  /** Somebody typed. */
  changed(): void {
    this.complaint = "";
    this.keep();
    this.#typing.tell(this.words !== "" && !this.words.startsWith("/"));
  }

  async send(): Promise<void> {
    const words = this.words.trim();
    if (!words) return;
    const said = parsed(words);
    if (said.kind === "wrong") return void (this.complaint = t.commandWrong[said.why](said.name));
    const [about, thread] = [this.#place.about(), this.#place.thread()];
    this.words = "";
    if (about?.kind === "edit") this.#place.onedit(undefined);
    else this.keep();
    this.#place.onabout(undefined);
    this.#typing.tell(false);
    if (said.kind === "leave") {
      leave(this.#live, this.#room);
      return this.#place.onleave();
    }
    if (said.kind === "do") return this.#do(said.run, words);
    const say = this.#sending.then(() => this.#say(said, about, thread)).catch((failure: unknown) => {
      console.error(failure);
      this.complaint = t.notComposed;
      this.#bringBack(words, about);
    });
    this.#sending = say;
    await say;
  }

  /** Words that did not go are in the field again: before what was written since, or as the edit that they were. */
  #bringBack(words: string, about: About | undefined): void {
    const since = this.#place.about();
    if (about?.kind === "edit" && since?.kind !== "edit") {
      this.#begun = { id: about.message.id, words };
      this.#place.onedit(this.#begun);
      return this.#place.onabout(about);
    }
    this.words = this.words.trim() === "" ? words : `${words}\n${this.words}`;
    if (!since && about) this.#place.onabout(about);
    this.keep();
  }

  async #do(run: Extract<ReturnType<typeof parsed>, { kind: "do" }>["run"], words: string): Promise<void> {
    try {
      const { opens } = await run(this.#live.client, this.#room);
      if (opens) this.#place.onopen(opens);
    } catch (error) {
      this.complaint = t.commandFailed(error instanceof Error ? error.message : String(error));
      if (this.words === "") this.words = words;
      this.keep();
    }
  }

  async #say(said: Said, about: About | undefined, thread: InThread | undefined): Promise<void> {
    if (/:[\w+-]+:/.test(said.words)) {
      const all = await emoji().catch(() => []);
      said.words = withEmoji(said.words, (name) => all.find(({ names }) => names.includes(name))?.emoji);
    }
    const { client } = this.#live;
    const people = said.words.includes("@") ? peopleIn(this.#room) : [];
    const content = await compose(said, about, people, client.me, thread);
    await client.queue.add(this.#room.id, "m.room.message", content);
  }
}
