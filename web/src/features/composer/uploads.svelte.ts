// Files on their way: shown with how far they are, and stopped when somebody wants that. What is chosen at once is one
// upload, and goes in its order.

import { MatrixError, Unreachable } from "../../matrix/api/error";
import type { Client } from "../../matrix/client";
import { mostBytes, uploadFile } from "../../matrix/files";
import type { Room } from "../../matrix/room/room";
import { Held } from "../../matrix/send/queue";
import { fileSize, t } from "../../ui/words.svelte";
import type { Prepared } from "./prepare";
import { Tray, type ToSend } from "./tray.svelte";

/** When a file is tried again that did not go: later and later. */
const [PAUSE_MS, LONGEST_PAUSE_MS] = [2000, 60_000];

/** Something that was said aloud: in milliseconds, and how loud, from 0 to 1024. */
export interface Voice {
  duration: number;
  waveform: number[];
}

export class Upload {
  readonly id = crypto.randomUUID();
  readonly roomId: string;
  readonly files: readonly ToSend[];
  readonly voice: Voice | undefined;
  isSealed = $state(false);
  /** How many files have gone. */
  sent = $state(0);
  /** How much of the next one has. */
  part = $state(0);
  error = $state<string>();
  /** The server could not be reached, or not take it now: it goes on by itself. */
  waits = false;
  again: ReturnType<typeof setTimeout> | undefined;
  /** How often in a row it did not go. */
  failures = 0;
  /** The next one may say where it was taken: a person decides. */
  asks = $state(false);
  /** That was decided. */
  isPlaceTold = false;
  readonly stop = new AbortController();
  /** Pictures that were chosen together are shown together. */
  readonly album: string | undefined;

  constructor(roomId: string, files: readonly ToSend[], voice: Voice | undefined) {
    this.roomId = roomId;
    this.files = files;
    this.voice = voice;
    const pictures = files.filter(({ file }) => isShown(file));
    this.album = pictures.length > 1 ? crypto.randomUUID() : undefined;
  }

  get next(): ToSend | undefined {
    return this.files[this.sent];
  }

  get bytes(): number {
    return sizeOf(this.files);
  }

  get bytesDone(): number {
    return sizeOf(this.files.slice(0, this.sent)) + Math.round((this.next?.file.size ?? 0) * this.part);
  }
}

function sizeOf(files: readonly ToSend[]): number {
  return files.reduce((sum, { file }) => sum + file.size, 0);
}

/** Whether it is shown among pictures. */
function isShown({ type }: File): boolean {
  return /^(image|video)\//.test(type);
}

export class Uploads {
  all = $state.raw<Upload[]>([]);
  readonly #client: Client;
  #isFollowing = false;
  /** By where they are to be said: a room, or `inThread`. */
  readonly #trays: Record<string, Tray> = {};

  constructor(client: Client) {
    this.#client = client;
  }

  /** Goes on with what the connection stopped, when it is back; until the answer is called. */
  follow(): () => void {
    this.#isFollowing = true;
    const unsubscribe = this.#client.syncChanged.subscribe(() => {
      if (this.#client.syncState !== "live") return;
      for (const upload of this.all) if (upload.waits) void this.retry(upload);
    });
    return () => {
      unsubscribe();
      this.#isFollowing = false;
      for (const tray of Object.values(this.#trays)) tray.clear();
      for (const { again } of this.all) clearTimeout(again);
    };
  }

  /** What was chosen for a place, and not sent yet: there also when somebody comes back to it. */
  tray(of: string): Tray {
    return (this.#trays[of] ??= new Tray());
  }

  /** Something would be lost with the page. */
  get areUnsent(): boolean {
    return this.all.length > 0 || Object.values(this.#trays).some(({ files }) => files.length > 0);
  }

  of(roomId: string): Upload[] {
    return this.all.filter((upload) => upload.roomId === roomId);
  }

  async add(room: Room, files: readonly ToSend[], voice?: Voice): Promise<void> {
    const upload = new Upload(room.id, files, voice);
    upload.isSealed = room.sealing === "ours";
    this.all = [...this.all, upload];
    await this.#send(upload);
  }

  async retry(upload: Upload): Promise<void> {
    clearTimeout(upload.again);
    upload.error = undefined;
    upload.waits = false;
    await this.#send(upload);
  }

  /** Sends a file although it may say where it was taken. */
  async tellPlace(upload: Upload): Promise<void> {
    upload.asks = false;
    upload.isPlaceTold = true;
    await this.#send(upload);
  }

  /** Leaves the next file out; the others go. */
  async leaveOut(upload: Upload): Promise<void> {
    upload.asks = false;
    upload.error = undefined;
    this.#gone(upload);
    await this.#send(upload);
  }

  cancel(upload: Upload): void {
    clearTimeout(upload.again);
    upload.stop.abort();
    this.all = this.all.filter((one) => one !== upload);
  }

  #gone(upload: Upload): void {
    upload.sent += 1;
    upload.part = 0;
    upload.failures = 0;
    upload.isPlaceTold = false;
  }

  async #send(upload: Upload): Promise<void> {
    try {
      for (let next = upload.next; next; next = upload.next) {
        if (!(await this.#sendFile(upload, next))) return;
        this.#gone(upload);
      }
      this.cancel(upload);
    } catch (error) {
      upload.part = 0;
      if (upload.stop.signal.aborted) return;
      console.error(error);
      const isLarge = error instanceof MatrixError && error.errcode === "M_TOO_LARGE";
      const isCut = error instanceof Unreachable;
      upload.waits = isCut || (error instanceof MatrixError && error.isTemporary);
      upload.error = isLarge ? t.fileTooLarge
        : error instanceof Held ? t.waitsModule
        : isCut ? t.waitsOffline
        : upload.waits ? t.waitsServer
        : t.uploadFailed;
      if (!upload.waits || !this.#isFollowing) return;
      // The sync may not have noticed.
      const ms = Math.min(PAUSE_MS * 2 ** upload.failures, LONGEST_PAUSE_MS);
      upload.failures += 1;
      upload.again = setTimeout(() => void this.retry(upload), ms);
    }
  }

  /** Whether it is sent; else a person is to decide something. */
  async #sendFile(upload: Upload, next: ToSend): Promise<boolean> {
    const { roomId, stop, voice, album } = upload;
    const { file: chosen, said } = next;
    // As the room is now: it may have been sealed since the first try.
    const isSealed = (upload.isSealed = await this.#client.isSealed(roomId));
    const most = await mostBytes(this.#client, isSealed);
    if (chosen.size > most) {
      upload.error = t.fileLarger(chosen.name, fileSize(chosen.size), fileSize(most));
      return false;
    }
    const { mayTellPlace, ...made } = await prepare(chosen);
    stop.signal.throwIfAborted();
    if (mayTellPlace && !upload.isPlaceTold) {
      upload.asks = true;
      return false;
    }
    const content = await uploadFile(
      this.#client, roomId, { ...made, ...voice, name: chosen.name, ...(isShown(chosen) && album && { album }) },
      isSealed, (part) => (upload.part = part), stop.signal,
    );
    // What went up in clear meanwhile is named to nobody.
    if (!isSealed && (await this.#client.isSealed(roomId))) return this.#sendFile(upload, next);
    stop.signal.throwIfAborted();
    await this.#client.queue.add(roomId, "m.room.message", { ...content, ...said });
    return true;
  }
}

async function prepare(file: File): Promise<Prepared> {
  if (file.type.startsWith("audio/")) return { file, mayTellPlace: false };
  const { prepared } = await import("./prepare");
  return prepared(file);
}
