// What a room holds besides words: pictures, videos, files, what was said aloud.
//
// In a sealed room it is what this device has read, and what it reads as it goes further back; in another, the server
// knows which of its messages have files.

import type { Message } from "../../../matrix/room/messages";
import { messageOf } from "../../../matrix/room/messages";
import type { Room } from "../../../matrix/room/room";
import type { Live } from "../../live.svelte";
import { kindOf } from "../opened.svelte";

export const KINDS = ["pictures", "videos", "files", "voice"] as const;
export type MediaKind = (typeof KINDS)[number];

/** So many pages are looked through at a time. */
const PAGES = 6;
const PAGE = 50;
const FILES = { types: ["m.room.message"], contains_url: true };
const OF_FILES = new Set<unknown>(["m.image", "m.video", "m.audio", "m.file"]);

function mediaKind({ type, content, isRedacted }: Message): MediaKind | undefined {
  if (isRedacted || type !== "m.room.message" || !OF_FILES.has(content["msgtype"])) return undefined;
  const kind = kindOf(type, content);
  if (kind === "picture") return "pictures";
  if (kind === "video") return "videos";
  return kind === "audio" && content["org.matrix.msc3245.voice"] !== undefined ? "voice" : "files";
}

export class Found {
  isLooking = $state(false);
  /** There is nothing further back. */
  isWhole = $state(false);
  hasFailed = $state(false);
  /** Of this kind nothing was found the last time: it is looked on when somebody asks for it. */
  rests = $state<MediaKind>();
  /** What the server told of, beyond what is in the timeline. */
  #told = $state.raw<readonly Message[]>([]);
  #token: string | undefined;
  readonly #live: Live;
  readonly #room: Room;

  constructor(live: Live, room: Room) {
    this.#live = live;
    this.#room = room;
  }

  /** The newest first. */
  of(kind: MediaKind): Message[] {
    const here = this.#live.items(this.#room).filter((item) => item.kind === "message");
    const { timeline } = this.#room;
    const told = this.#live.undoing.shown(this.#told.filter(({ id }) => !timeline.find(id)));
    const all = [...told, ...here];
    return all.filter((message) => mediaKind(message) === kind).toSorted((a, b) => b.ts - a.ts);
  }

  /** Looks further back, until there is more of a kind or it has looked long enough. */
  async further(kind: MediaKind): Promise<void> {
    if (this.isLooking || this.isWhole) return;
    this.isLooking = true;
    this.hasFailed = false;
    const before = this.of(kind).length;
    try {
      for (let page = 0; page < PAGES && !this.isWhole && this.of(kind).length === before; page += 1) {
        if (this.#room.sealing === "none") await this.#ask();
        else await this.#read();
      }
    } catch (error) {
      console.error(error);
      this.hasFailed = true;
    } finally {
      this.rests = this.of(kind).length === before ? kind : undefined;
      this.isLooking = false;
    }
  }

  /** As `further`, where nobody asked for it. */
  goOn(kind: MediaKind): void {
    if (this.rests !== kind) void this.further(kind);
  }

  async #ask(): Promise<void> {
    const { events, end } = await this.#live.client.api.messages(this.#room.id, this.#token, PAGE, "b", FILES);
    this.#told = [...this.#told, ...events.flatMap((event) => messageOf(this.#room, event) ?? [])];
    this.#token = end;
    this.isWhole = end === undefined;
  }

  async #read(): Promise<void> {
    const gap = this.#room.timeline.entries.findLast((entry) => entry.kind === "gap");
    if (gap?.kind === "gap") await this.#live.client.older.fill(this.#room, gap);
    else this.isWhole = true;
  }
}
