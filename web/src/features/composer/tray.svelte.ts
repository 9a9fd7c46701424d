// Files that were chosen and not sent yet: they stand above the field for words until somebody sends them.

import type { JsonObject } from "../../matrix/json";
import { isPicture } from "../../matrix/media";

/** A file to send, and what is said of it in its message. */
export interface ToSend {
  file: File;
  said: JsonObject;
}

export class Chosen {
  readonly id = crypto.randomUUID();
  readonly file: File;
  /** Of a picture. */
  readonly url: string | undefined;
  /** What is said of it, where it is one of several. */
  caption = $state("");

  constructor(file: File) {
    this.file = file;
    this.url = isPicture(file.type) ? URL.createObjectURL(file) : undefined;
  }
}

export class Tray {
  files = $state.raw<readonly Chosen[]>([]);

  add(files: Iterable<File>): void {
    this.files = [...this.files, ...Array.from(files, (file) => new Chosen(file))];
  }

  remove(chosen: Chosen): void {
    this.files = this.files.filter((one) => one !== chosen);
    drop([chosen]);
  }

  clear(): void {
    drop(this.files);
    this.files = [];
  }

  /** Takes all of them, to send them: they come back with `giveBack`, or go with `drop`. */
  take(): readonly Chosen[] {
    const { files } = this;
    this.files = [];
    return files;
  }

  /** They did not go: they stand before what was chosen since. */
  giveBack(files: readonly Chosen[]): void {
    this.files = [...files, ...this.files];
  }
}

/** They are shown no longer. */
export function drop(files: readonly Chosen[]): void {
  for (const { url } of files) if (url) URL.revokeObjectURL(url);
}
