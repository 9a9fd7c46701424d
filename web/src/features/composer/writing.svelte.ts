// What somebody is writing: kept as a draft, said as a message, or done as a command.

import type { Message } from "../../matrix/room/messages";
import type { JsonObject } from "../../matrix/json";
import { isFile } from "../../matrix/room/caption";
import { mayNotify } from "../../matrix/room/power";
import type { Room } from "../../matrix/room/room";
import type { Edit } from "../../matrix/store/drafts";
import { emoji } from "../../ui/emoji";
import { t } from "../../ui/words.svelte";
import { leave } from "../leaving";
import type { Live } from "../live.svelte";
import { saidBy } from "../refused";
import { peopleIn } from "./candidates";
import { parsed } from "./commands";
import { withEmoji } from "./complete";
import { aboutFile, asWritten, compose, type About, type InThread, type Said } from "./compose";
import { drop, type Chosen, type ToSend, type Tray } from "./tray.svelte";
import { Typing } from "./typing";

/** Where it is written. */
export interface Place {
  /** What it is about, as it is now. */
  about(): About | undefined;
  /** Where it is said, if not in the room itself. */
  thread(): InThread | undefined;
  /** What goes with the words. */
  readonly tray: Tray;
  onfiles(files: ToSend[]): void;
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

  /** There is something to send: words, files, or that nothing is said of a file any more. */
  get isReady(): boolean {
    const about = this.#place.about();
    if (this.words.trim() !== "") return true;
    return about?.kind === "edit" ? isFile(about.message.content) : this.#place.tray.files.length > 0;
  }

  async send(): Promise<void> {
    if (!this.isReady) return;
    const words = this.words.trim();
    const said = parsed(words);
    if (said.kind === "wrong") return void (this.complaint = t.commandWrong[said.why](said.name));
    const [about, thread] = [this.#place.about(), this.#place.thread()];
    const files = said.kind === "say" && about?.kind !== "edit" ? this.#place.tray.take() : [];
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
    const say = this.#sending.then(() => this.#say(said, about, thread, files)).catch((failure: unknown) => {
      console.error(failure);
      this.complaint = t.notComposed;
      this.#place.tray.giveBack(files);
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
    this.words = [words, this.words].filter((some) => some.trim() !== "").join("\n");
    if (!since && about) this.#place.onabout(about);
    this.keep();
  }

  async #do(run: Extract<ReturnType<typeof parsed>, { kind: "do" }>["run"], words: string): Promise<void> {
    try {
      const { opens } = await run(this.#live.client, this.#room);
      if (opens) this.#place.onopen(opens);
    } catch (error) {
      this.complaint = t.commandFailed(saidBy(error));
      if (this.words === "") this.words = words;
      this.keep();
    }
  }

  /** Of a single file the words are what is said of it; of several, they go before them. */
  async #say(said: Said, about: About | undefined, thread: InThread | undefined, files: readonly Chosen[]): Promise<void> {
    const { client } = this.#live;
    const [only, ...others] = files;
    if (!only || (others.length > 0 && said.words !== "")) {
      await client.queue.add(this.#room.id, "m.room.message", await this.#content(compose, said, about, thread));
    }
    if (!only) return;
    const one = async (chosen: Chosen, words: Said, to: About | undefined): Promise<ToSend> => {
      return { file: chosen.file, said: await this.#content(aboutFile, words, to, thread) };
    };
    const captioned = (chosen: Chosen): Said => ({ kind: "say", words: chosen.caption.trim() });
    const first = others.length === 0 ? one(only, said, about) : one(only, captioned(only), said.words === "" ? about : undefined);
    this.#place.onfiles(await Promise.all([first, ...others.map((chosen) => one(chosen, captioned(chosen), undefined))]));
    drop(files);
  }

  async #content(make: typeof compose, said: Said, about: About | undefined, thread: InThread | undefined): Promise<JsonObject> {
    const words = await this.#withEmoji(said.words);
    const people = words.includes("@") ? peopleIn(this.#room) : [];
    const { me } = this.#live.client;
    const speaker = { userId: me, mayCallAll: mayNotify(this.#room, me, "room") };
    return make({ ...said, words }, about, people, speaker, thread);
  }

  async #withEmoji(words: string): Promise<string> {
    if (!/:[\w+-]+:/.test(words)) return words;
    const all = await emoji().catch(() => []);
    return withEmoji(words, (name) => all.find(({ names }) => names.includes(name))?.emoji);
  }
}
