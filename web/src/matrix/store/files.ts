// Files that wait to be sent, as they are kept: cut in pieces, each sealed under a key of the file's own, which stands in
// its record; and that is sealed under the vault. A file has a record when all of its pieces are there.

import type { IDBPDatabase } from "idb";

import { fromBase64, toBase64 } from "../base64";
import type { JsonObject } from "../json";
import type { Circumstances } from "../send/queue";
import { closed } from "./closed";
import { open, seal, type Vault } from "./vault";

/** A file on its way, and what is to be told of it. */
export interface Outgoing {
  /** Names what was sent at once, and `at` its place in that. */
  upload: string;
  at: number;
  roomId: string;
  name: string;
  type: string;
  size: number;
  /** What its message says besides: instead of its name, or as an answer. */
  said: JsonObject;
  /** It was said aloud. */
  voice?: Voice | undefined;
  /** Pictures that were chosen together have the same. */
  album?: string | undefined;
  /** As they were when somebody sent it. */
  circumstances: Circumstances;
}

/** In milliseconds, and how loud, from 0 to 1024. */
export interface Voice {
  duration: number;
  waveform: number[];
}

/** So much is cut at a time. */
const PIECE = 1024 * 1024;
/** So much is kept of all files together. */
export const MOST_BYTES = 256 * 1024 * 1024;

/** They would be more than are kept. */
export class TooMuch extends Error {}

type Kept = Outgoing & { key: string };

export class FileStore {
  #database: IDBPDatabase;
  readonly #vault: Vault;

  constructor(database: IDBPDatabase, vault: Vault) {
    this.#database = database;
    this.#vault = vault;
  }

  /** Keeps a file, or nothing of it. Errors: `TooMuch`, and those of a disk that is full. */
  async keep(file: Outgoing, blob: Blob, signal: AbortSignal): Promise<void> {
    const id = idOf(file);
    const others = await this.#all();
    if (others.reduce((sum, { size }) => sum + size, blob.size) > MOST_BYTES) throw new TooMuch(id);
    const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt", "decrypt"]);
    try {
      for (let at = 0; at * PIECE < blob.size; at += 1) {
        const piece = await blob.slice(at * PIECE, (at + 1) * PIECE).arrayBuffer();
        const sealed = await seal(key, placeOf(id, at), new Uint8Array(piece));
        signal.throwIfAborted();
        await this.#database.put("pieces", sealed, [id, at]);
      }
      const raw = toBase64(new Uint8Array(await crypto.subtle.exportKey("raw", key)));
      const record = await this.#vault.sealJson(`file ${id}`, { ...file, key: raw } satisfies Kept);
      signal.throwIfAborted();
      await this.#database.put("files", record, id);
    } catch (error) {
      await this.drop(file);
      throw error;
    }
  }

  /** Those of an upload, in their order. */
  async of(upload: string): Promise<Outgoing[]> {
    const files = (await this.#all()).filter((file) => file.upload === upload);
    return files.toSorted((a, b) => a.at - b.at);
  }

  /** Uploads of which anything is kept, the oldest first. */
  async uploads(): Promise<string[]> {
    const transaction = this.#database.transaction(["files", "pieces"]);
    const [files, pieces] = await Promise.all([
      transaction.objectStore("files").getAllKeys() as Promise<string[]>,
      transaction.objectStore("pieces").getAllKeys() as Promise<[string, number][]>,
    ]);
    return [...new Set([...files, ...pieces.map(([id]) => id)].map(uploadOf))];
  }

  /** The bytes of a file. */
  async open(file: Outgoing): Promise<Blob> {
    const id = idOf(file);
    const record = (await this.#database.get("files", id)) as Uint8Array | undefined;
    if (!record) throw new Error("the file is not kept any more");
    const { key: raw } = await this.#vault.openJson<Kept>(`file ${id}`, record);
    const key = await crypto.subtle.importKey("raw", fromBase64(raw), "AES-GCM", false, ["decrypt"]);
    const pieces: Blob[] = [];
    for (let at = 0; at * PIECE < file.size; at += 1) {
      const sealed = (await this.#database.get("pieces", [id, at])) as Uint8Array;
      pieces.push(new Blob([(await open(key, placeOf(id, at), sealed)).slice()]));
    }
    return new Blob(pieces);
  }

  async drop(file: Pick<Outgoing, "upload" | "at">): Promise<void> {
    const transaction = this.#database.transaction(["files", "pieces"], "readwrite");
    const id = idOf(file);
    const gone = [transaction.objectStore("files").delete(id), transaction.objectStore("pieces").delete(piecesOf(id))];
    await Promise.all([...gone, transaction.done]);
  }

  /** Takes away what is left of an upload: all, or the pieces without a record. */
  async dropUpload(upload: string, isWhole: boolean): Promise<void> {
    const transaction = this.#database.transaction(["files", "pieces"], "readwrite");
    const files = transaction.objectStore("files");
    const pieces = transaction.objectStore("pieces");
    const kept = new Set(isWhole ? [] : ((await files.getAllKeys()) as string[]));
    const ids = new Set(((await pieces.getAllKeys()) as [string, number][]).map(([id]) => id));
    const stray = [...ids].filter((id) => uploadOf(id) === upload && !kept.has(id));
    const gone = stray.map((id) => pieces.delete(piecesOf(id)));
    if (isWhole) gone.push(files.delete(IDBKeyRange.bound(`${upload} `, `${upload} \uffff`)));
    await Promise.all([...gone, transaction.done]);
  }

  /** Of a room nothing stays. */
  async forget(roomId: string): Promise<void> {
    for (const file of await this.#all()) if (file.roomId === roomId) await this.drop(file);
  }

  /** What is still asked of it is never answered. */
  close(): void {
    this.#database = closed();
  }

  async #all(): Promise<Kept[]> {
    const transaction = this.#database.transaction("files");
    const [ids, records] = await Promise.all([transaction.store.getAllKeys(), transaction.store.getAll()]);
    return Promise.all(records.map((record: Uint8Array, at) => this.#vault.openJson<Kept>(`file ${String(ids[at])}`, record)));
  }
}

export function idOf({ upload, at }: Pick<Outgoing, "upload" | "at">): string {
  return `${upload} ${at}`;
}

export function piecesOf(id: string): IDBKeyRange {
  return IDBKeyRange.bound([id, 0], [id, Infinity]);
}

function uploadOf(id: string): string {
  return id.split(" ")[0] ?? "";
}

function placeOf(id: string, at: number): string {
  return `piece ${id} ${at}`;
}
