// A file of a message: fetched and opened when somebody wants it, shown with how far that is, stopped on demand.

import type { Client } from "../../matrix/client";
import { openFile, openSmall, SMALL_BYTES, streamOf } from "../../matrix/files";
import { number, object, text, type JsonObject } from "../../matrix/json";
import { isPicture } from "../../matrix/media";
import { sizeOf } from "../../matrix/room/told";

export type FileKind = "picture" | "video" | "audio" | "file";

export function kindOf(type: string, content: JsonObject): FileKind {
  const mime = text(object(content["info"])?.["mimetype"]) ?? "";
  const isSticker = type === "m.sticker";
  const msgtype = isSticker ? "m.image" : content["msgtype"];
  // Some tell of stickers no more than where they are.
  if (msgtype === "m.image" && (isPicture(mime) || (isSticker && mime === ""))) return "picture";
  if (msgtype === "m.video" && /^video\/\w+$/.test(mime)) return "video";
  if (msgtype === "m.audio" && /^audio\/\w+(;|$)/.test(mime)) return "audio";
  return "file";
}

/** How a file is called. */
export function nameOf(content: JsonObject): string | undefined {
  return text(content["filename"]) ?? text(content["body"]);
}

/** Width by height, as far as a screen can show it; so that its place is known before it is there. */
export function ratioOf(content: JsonObject): number {
  const info = object(content["info"]);
  const [w, h] = [number(info?.["w"]), number(info?.["h"])];
  return w && h ? Math.min(Math.max(w / h, 0.4), 3) : 1.5;
}

/** Whether a picture shows itself, without another that stands for it. */
function isSmall(content: JsonObject): boolean {
  const size = sizeOf(content);
  return size !== undefined && size <= SMALL_BYTES;
}

export class OpenedFile {
  url = $state<string>();
  /** Where it is played from, as soon as somebody wants that. */
  played = $state<string>();
  /** Where in it, in seconds. */
  from = 0;
  hasFailed = $state(false);
  /** How much of it has come; `undefined` while nobody asked. */
  part = $state<number>();
  readonly #client: Client;
  readonly #roomId: string;
  readonly #content: JsonObject;
  #stop: AbortController | undefined;

  constructor(client: Client, roomId: string, content: JsonObject) {
    this.#client = client;
    this.#roomId = roomId;
    this.#content = content;
  }

  get name(): string | undefined {
    return nameOf(this.#content);
  }

  async load(): Promise<string | undefined> {
    return this.#load((signal) => {
      const onprogress = (part: number) => {
        if (!signal.aborted) this.part = part;
      };
      return openFile(this.#client, this.#roomId, this.#content, onprogress, signal);
    });
  }

  /** Plays it: in clear as it comes, where there is a worker that asks for it with the token; else whole. */
  async play(): Promise<void> {
    if (this.played) return;
    const stream = this.url || !hasWorker() ? undefined : streamOf(this.#client, this.#content);
    this.played = stream ?? (await this.load());
  }

  /** It does not play from there: a server may send no parts, or call it something else. */
  async stumble(at: number): Promise<void> {
    if (!this.played) return;
    const wasWhole = this.played === this.url;
    this.played = undefined;
    this.hasFailed = wasWhole;
    this.from = at;
    if (!wasWhole) this.played = await this.load();
  }

  /** The picture that stands for it; a picture without one, itself. */
  async loadSmall(): Promise<string | undefined> {
    const isPicture = this.#content["msgtype"] !== "m.video";
    if (isPicture && isSmall(this.#content)) return this.load();
    const found = await this.#load((signal) => openSmall(this.#client, this.#roomId, this.#content, signal));
    return found === undefined && isPicture && !this.hasFailed ? this.load() : found;
  }

  /** As `loadSmall`, where it is another file than the whole, which is fetched beside it. */
  async loadStandIn(): Promise<void> {
    if (this.#content["msgtype"] !== "m.video" && isSmall(this.#content)) return;
    await this.#load((signal) => openSmall(this.#client, this.#roomId, this.#content, signal));
  }

  async #load(open: (signal: AbortSignal) => Promise<Blob | undefined>): Promise<string | undefined> {
    if (this.url || this.part !== undefined) return this.url;
    const stop = (this.#stop = new AbortController());
    this.hasFailed = false;
    this.part = 0;
    try {
      const blob = await open(stop.signal);
      if (!stop.signal.aborted && blob) this.url = URL.createObjectURL(blob);
    } catch (error) {
      if (!stop.signal.aborted) {
        console.error(error);
        this.hasFailed = true;
      }
    }
    // Who stopped it may have begun anew.
    if (!stop.signal.aborted) this.part = undefined;
    return this.url;
  }

  stop(): void {
    this.#stop?.abort();
    this.part = undefined;
  }

  async save(): Promise<void> {
    const href = await this.load();
    if (!href) return;
    const link = document.createElement("a");
    link.href = href;
    link.download = this.name ?? "file";
    link.click();
  }

  /** It is not shown any more. */
  drop(): void {
    this.#stop?.abort();
    this.part = undefined;
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = undefined;
    this.played = undefined;
  }
}

function hasWorker(): boolean {
  return Boolean((navigator.serviceWorker as ServiceWorkerContainer | undefined)?.controller);
}

/** Does something when an element comes near the screen. */
export function near(act: () => void) {
  return (node: HTMLElement) => {
    const observer = new IntersectionObserver(([entry]) => {
      if (!entry?.isIntersecting) return;
      observer.disconnect();
      act();
    }, { rootMargin: "300px" });
    observer.observe(node);
    return () => observer.disconnect();
  };
}
