// A file of a message: fetched and opened when somebody wants it, shown with how far that is, stopped on demand.

import type { Client } from "../../matrix/client";
import { openFile } from "../../matrix/files";
import { object, text, type JsonObject } from "../../matrix/json";

export type FileKind = "picture" | "video" | "audio" | "file";

const PICTURE = /^image\/(png|jpeg|gif|webp|avif)$/;

export function kindOf(type: string, content: JsonObject): FileKind {
  const mime = text(object(content["info"])?.["mimetype"]) ?? "";
  const msgtype = type === "m.sticker" ? "m.image" : content["msgtype"];
  if (msgtype === "m.image" && PICTURE.test(mime)) return "picture";
  if (msgtype === "m.video" && /^video\/\w+$/.test(mime)) return "video";
  if (msgtype === "m.audio" && /^audio\/\w+(;|$)/.test(mime)) return "audio";
  return "file";
}

export class OpenedFile {
  url = $state<string>();
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
    return text(this.#content["filename"]) ?? text(this.#content["body"]);
  }

  async load(): Promise<string | undefined> {
    if (this.url || this.part !== undefined) return this.url;
    const stop = (this.#stop = new AbortController());
    this.hasFailed = false;
    this.part = 0;
    try {
      const onprogress = (part: number) => {
        if (!stop.signal.aborted) this.part = part;
      };
      const blob = await openFile(this.#client, this.#roomId, this.#content, onprogress, stop.signal);
      if (!stop.signal.aborted) this.url = URL.createObjectURL(blob);
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
    this.stop();
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = undefined;
  }
}
