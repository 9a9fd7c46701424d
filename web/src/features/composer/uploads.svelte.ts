// Files on their way: shown with how far they are, and stopped when somebody wants that.

import { MatrixError } from "../../matrix/api/error";
import type { Client } from "../../matrix/client";
import { uploadFile } from "../../matrix/files";
import { withoutTraces } from "../../matrix/picture";
import type { Room } from "../../matrix/room/room";
import { t } from "../../ui/words.svelte";
import { threadRelation, type InThread } from "./compose";

/** What is said of a file besides. */
export interface About {
  /** In milliseconds: it was said aloud. */
  duration?: number;
  /** Where it is said, if not in the room itself. */
  thread?: InThread | undefined;
}

export class Upload {
  readonly id = crypto.randomUUID();
  readonly roomId: string;
  readonly file: File;
  isSealed = $state(false);
  readonly about: About;
  part = $state(0);
  error = $state<string>();
  readonly stop = new AbortController();

  constructor(roomId: string, file: File, about: About) {
    this.roomId = roomId;
    this.file = file;
    this.about = about;
  }
}

export class Uploads {
  all = $state.raw<Upload[]>([]);
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  of(roomId: string): Upload[] {
    return this.all.filter((upload) => upload.roomId === roomId);
  }

  async add(room: Room, chosen: File, about: About = {}): Promise<void> {
    const upload = new Upload(room.id, chosen, about);
    upload.isSealed = this.#isSealed(room.id);
    this.all = [...this.all, upload];
    await this.#send(upload);
  }

  async retry(upload: Upload): Promise<void> {
    upload.error = undefined;
    await this.#send(upload);
  }

  cancel(upload: Upload): void {
    upload.stop.abort();
    this.all = this.all.filter((one) => one !== upload);
  }

  #isSealed(roomId: string): boolean {
    return this.#client.rooms.get(roomId)?.sealing === "ours";
  }

  async #send(upload: Upload): Promise<void> {
    const { roomId, stop } = upload;
    const { duration, thread } = upload.about;
    try {
      const file = await withoutPlace(upload.file);
      const size = await dimensions(file);
      // As the room is now: it may have been sealed since the first try.
      const isSealed = (upload.isSealed = this.#isSealed(roomId));
      const content = await uploadFile(
        this.#client, roomId, { file, ...size, duration }, isSealed, (part) => (upload.part = part), stop.signal,
      );
      // What went up in clear meanwhile is named to nobody.
      if (!isSealed && this.#isSealed(roomId)) return await this.#send(upload);
      if (thread) content["m.relates_to"] = threadRelation(thread);
      await this.#client.queue.add(roomId, "m.room.message", content);
      this.cancel(upload);
    } catch (error) {
      if (stop.signal.aborted) return;
      console.error(error);
      const isLarge = error instanceof MatrixError && error.errcode === "M_TOO_LARGE";
      upload.error = isLarge ? t.fileTooLarge : t.uploadFailed;
    }
  }
}

/** A picture without where it was taken; other files are sent as they are. */
async function withoutPlace(file: File): Promise<File> {
  if (!file.type.startsWith("image/")) return file;
  const bytes = withoutTraces(new Uint8Array(await file.arrayBuffer()));
  return new File([bytes.slice()], file.name, { type: file.type });
}

/** So that the place of a picture is known before it is there. */
async function dimensions(file: File): Promise<{ width?: number; height?: number }> {
  if (!file.type.startsWith("image/")) return {};
  try {
    const bitmap = await createImageBitmap(file);
    const { width, height } = bitmap;
    bitmap.close();
    return { width, height };
  } catch {
    return {};
  }
}
