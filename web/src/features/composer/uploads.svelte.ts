// Files on their way: shown with how far they are, and stopped when somebody wants that. What is chosen at once is one
// upload, and goes in its order. It is kept until its messages are queued, if there is room for that: when the tab dies, the
// next one goes on.

import { MatrixError, Unreachable } from "../../matrix/api/error";
import type { Client } from "../../matrix/client";
import { mostBytes, uploadFile } from "../../matrix/files";
import type { Room } from "../../matrix/room/room";
import type { NotKept } from "../../matrix/send/outgoing";
import { Held } from "../../matrix/send/queue";
import { idOf, type Outgoing, type Voice } from "../../matrix/store/files";
import { fileSize, t } from "../../ui/words.svelte";
import { saidBy } from "../refused";
import type { Prepared } from "./prepare";
import { Tray, type ToSend } from "./tray.svelte";

/** When a file is tried again that did not go: later and later. */
const [PAUSE_MS, LONGEST_PAUSE_MS] = [2000, 60_000];

/** A file, and the way to its bytes. */
type FileToSend = Outgoing & { open: () => Promise<File> };

export class Upload {
  readonly id: string;
  readonly roomId: string;
  readonly files: readonly FileToSend[];
  /** It is there also when the page is gone. */
  isKept = false;
  /** Why it is not. */
  notKept = $state<NotKept>();
  /** Until then neither is known. */
  keeping: Promise<void> = Promise.resolve();
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

  constructor(id: string, roomId: string, files: readonly FileToSend[]) {
    this.id = id;
    this.roomId = roomId;
    this.files = files;
  }

  get next(): FileToSend | undefined {
    return this.files[this.sent];
  }

  get bytes(): number {
    return sizeOf(this.files);
  }

  get bytesDone(): number {
    return sizeOf(this.files.slice(0, this.sent)) + Math.round((this.next?.size ?? 0) * this.part);
  }
}

function sizeOf(files: readonly FileToSend[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
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

  /**
   * Goes on with what the connection stopped, when it is back, and with what tabs left that are gone; until the answer is
   * called.
   */
  follow(): () => void {
    this.#isFollowing = true;
    void this.#takeUp();
    const unsubscribe = this.#client.syncChanged.subscribe(() => {
      if (this.#client.syncState !== "live") return;
      void this.#takeUp();
      for (const upload of this.all) if (upload.waits) void this.retry(upload);
    });
    return () => {
      unsubscribe();
      this.#isFollowing = false;
      for (const tray of Object.values(this.#trays)) tray.clear();
      for (const { id, again, stop } of this.all) {
        clearTimeout(again);
        stop.abort();
        this.#client.outgoing.release(id);
      }
    };
  }

  /** What was chosen for a place, and not sent yet: there also when somebody comes back to it. */
  tray(of: string): Tray {
    return (this.#trays[of] ??= new Tray());
  }

  /** Something would be lost with the page. */
  get areUnsent(): boolean {
    return this.all.some(({ isKept }) => !isKept) || Object.values(this.#trays).some(({ files }) => files.length > 0);
  }

  of(roomId: string): Upload[] {
    return this.all.filter((upload) => upload.roomId === roomId);
  }

  async add(room: Room, files: readonly ToSend[], voice?: Voice): Promise<void> {
    const id = crypto.randomUUID();
    const album = files.filter(({ file }) => isShown(file)).length > 1 ? crypto.randomUUID() : undefined;
    const circumstances = this.#client.queue.circumstances(room.id);
    const all = files.map(({ file, said }, at): FileToSend => {
      const { name, type, size } = file;
      const more = { ...(voice && { voice }), ...(album && isShown(file) && { album }) };
      return { upload: id, at, roomId: room.id, name, type, size, said, circumstances, ...more, open: async () => file };
    });
    const upload = new Upload(id, room.id, all);
    upload.keeping = this.#keep(upload);
    await this.#begin(upload, room.sealing === "ours");
  }

  async #begin(upload: Upload, isSealed: boolean): Promise<void> {
    upload.isSealed = isSealed;
    this.all = [...this.all, upload];
    await this.#send(upload);
  }

  async #keep(upload: Upload): Promise<void> {
    const why = await this.#client.outgoing.keep(upload.files, upload.stop.signal);
    upload.notKept = why;
    upload.isKept = why === undefined;
  }

  async #takeUp(): Promise<void> {
    const { outgoing, rooms } = this.#client;
    const left = await outgoing.left().catch((error: unknown) => {
      console.error(error);
      return [];
    });
    for (const files of left) {
      const [first] = files;
      if (!first) continue;
      const { upload: id, roomId, circumstances } = first;
      // What was to go out sealed does, or not at all.
      if (circumstances.isSealed) rooms.get(roomId)?.pinSealed();
      const opened = (file: Outgoing) => outgoing.open(file).then((blob) => new File([blob], file.name, { type: file.type }));
      const upload = new Upload(id, roomId, files.map((file) => ({ ...file, open: () => opened(file) })));
      upload.isKept = true;
      void this.#begin(upload, circumstances.isSealed === true);
    }
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
    const { next, keeping } = upload;
    if (next) void keeping.then(() => this.#client.outgoing.drop(next)).catch(console.error);
    this.#gone(upload);
    await this.#send(upload);
  }

  cancel(upload: Upload): void {
    clearTimeout(upload.again);
    upload.stop.abort();
    void upload.keeping.then(() => this.#client.outgoing.end(upload.id)).catch(console.error);
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
        : error instanceof MatrixError ? `${t.uploadFailed} ${saidBy(error)}`
        : t.uploadFailed;
      if (!upload.waits || !this.#isFollowing) return;
      // The sync may not have noticed.
      const ms = Math.min(PAUSE_MS * 2 ** upload.failures, LONGEST_PAUSE_MS);
      upload.failures += 1;
      upload.again = setTimeout(() => void this.retry(upload), ms);
    }
  }

  /** Whether it is sent; else a person is to decide something. */
  async #sendFile(upload: Upload, next: FileToSend): Promise<boolean> {
    const { roomId, stop } = upload;
    const { name, size, said, voice, album, circumstances } = next;
    // As the room is now: it may have been sealed since the first try.
    const isSealed = (upload.isSealed = await this.#client.isSealed(roomId));
    const most = await mostBytes(this.#client, isSealed);
    if (size > most) {
      upload.error = t.fileLarger(name, fileSize(size), fileSize(most));
      return false;
    }
    const { mayTellPlace, ...made } = await prepare(await next.open());
    stop.signal.throwIfAborted();
    if (mayTellPlace && !upload.isPlaceTold) {
      upload.asks = true;
      return false;
    }
    const content = await uploadFile(
      this.#client, roomId, { ...made, ...voice, name, album },
      isSealed, (part) => (upload.part = part), stop.signal,
    );
    // What went up in clear meanwhile is named to nobody.
    if (!isSealed && (await this.#client.isSealed(roomId))) return this.#sendFile(upload, next);
    await upload.keeping;
    stop.signal.throwIfAborted();
    await this.#client.queue.add(roomId, "m.room.message", { ...content, ...said }, circumstances, idOf(next));
    return true;
  }
}

async function prepare(file: File): Promise<Prepared> {
  if (file.type.startsWith("audio/")) return { file, mayTellPlace: false };
  const { prepared } = await import("./prepare");
  return prepared(file);
}
