// Files, sealed in chunks and opened while they come, in the worker.

import { FileOpener, FileSealer, FileSegments, FileStream, fileContext } from "sealpost-e2e";
import type { FileRole } from "@e2e/machine";

import { fromBase64, toBase64 } from "../base64";
import { named } from "./named";
import { CHUNK, HEADER, TAG } from "./pieces";

export interface SealedFile {
  /** As it is uploaded: the list of the hashes of every MiB, then what is sealed. */
  bytes: Blob;
  /** Base64 of what opens it. */
  key: string;
  /** Base64 of the hash over that list. */
  hash: string;
}

/** What an event says of a file. */
export interface FileToOpen {
  roomId: string;
  role: FileRole;
  key: string;
  hash: string;
  size: number;
}

/** What files of version 1 were sealed with, whatever they were for. */
const contextBefore = (roomId: string) => new TextEncoder().encode(`org.sealpost.file.v1 ${roomId}`);

/** So many may be half sealed, or half open; tabs that are gone finish none. Of pictures, a whole panel comes at once. */
const [MOST_SEALING, MOST_OPENING] = [32, 128];

interface Sealing {
  sealer: InstanceType<typeof FileSealer>;
  segments: InstanceType<typeof FileSegments>;
  pieces: Blob[];
}

/** By an id; of too many, the oldest goes. */
class Open<T> {
  readonly #all = new Map<string, T>();
  readonly #most: number;
  readonly #gone: (one: T) => void;

  constructor(most: number, gone: (one: T) => void) {
    this.#most = most;
    this.#gone = gone;
  }

  add(one: T): string {
    for (const old of [...this.#all.keys()].slice(0, -this.#most + 1)) this.drop(old);
    const id = crypto.randomUUID();
    this.#all.set(id, one);
    return id;
  }

  get(id: string): T {
    const found = this.#all.get(id);
    if (!found) throw new Error("nothing of that is being sealed or opened");
    return found;
  }

  drop(id: string): void {
    const found = this.#all.get(id);
    this.#all.delete(id);
    if (found) this.#gone(found);
  }
}

export class Files {
  readonly #sealing = new Open<Sealing>(MOST_SEALING, ({ sealer }) => sealer.free());
  readonly #opening = new Open<InstanceType<typeof FileStream>>(MOST_OPENING, (stream) => stream.free());

  /** Begins to seal a file: pieces come with `add`, what is less than a piece with `finish`. */
  begin(roomId: string, role: FileRole): string {
    const sealer = new FileSealer(fileContext(roomId, role));
    const sealing = { sealer, segments: new FileSegments(), pieces: [] };
    put(sealing, [sealer.header()]);
    return this.#sealing.add(sealing);
  }

  /** A piece, or several. */
  async add(id: string, piece: Blob): Promise<void> {
    const sealing = this.#sealing.get(id);
    const bytes = new Uint8Array(await piece.arrayBuffer());
    const sealed: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += CHUNK) sealed.push(sealing.sealer.chunk(bytes.subarray(at, at + CHUNK)));
    put(sealing, sealed);
  }

  async finish(id: string, rest: Blob): Promise<SealedFile> {
    const { sealer, segments, pieces } = this.#sealing.get(id);
    const whole = rest.size - (rest.size % CHUNK);
    await this.add(id, rest.slice(0, whole));
    put({ sealer, segments, pieces }, [sealer.last(await slice(rest, whole, rest.size))]);
    const key = toBase64(sealer.key());
    const told = segments.finish();
    const hash = toBase64(told.subarray(0, 32));
    this.#sealing.drop(id);
    return { bytes: new Blob([told.slice(32), ...pieces]), key, hash };
  }

  /** Begins to open a file: what was uploaded comes with `feed`. */
  beginOpening({ roomId, role, key, hash, size }: FileToOpen): string {
    return this.#opening.add(new FileStream(fromBase64(key), fromBase64(hash), size, fileContext(roomId, role)));
  }

  /** What comes next of it, of any length; answers what is certain by now to be its author's. */
  async feed(id: string, piece: Blob): Promise<Blob> {
    const bytes = new Uint8Array(await piece.arrayBuffer());
    return new Blob([this.#opening.get(id).push(bytes).slice()]);
  }

  /** What is left. Only now is it known to be complete. */
  finishOpening(id: string): Blob {
    const last = this.#opening.get(id).finish().slice();
    this.#opening.drop(id);
    return new Blob([last]);
  }

  /** It is wanted no more. */
  drop(id: string): void {
    this.#sealing.drop(id);
    this.#opening.drop(id);
  }

  /** A file of version 1, or an error if a byte of it is not the author's: that is known at its end. */
  async openWhole(sealed: Blob, roomId: string, key: string, hash: string): Promise<Blob> {
    const segments = new FileSegments();
    const header = await slice(sealed, 0, HEADER);
    segments.update(header);
    const opener = new FileOpener(fromBase64(key), contextBefore(roomId), header);
    const parts: Uint8Array<ArrayBuffer>[] = [];
    const length = CHUNK + TAG;
    let at = HEADER;
    for (; sealed.size - at >= length; at += length) {
      const chunk = await slice(sealed, at, at + length);
      segments.update(chunk);
      parts.push(opener.chunk(chunk).slice());
    }
    const rest = await slice(sealed, at, sealed.size);
    segments.update(rest);
    parts.push(opener.last(rest).slice());
    opener.free();
    if (toBase64(segments.finish().subarray(0, 32)) !== hash) {
      throw named("Authentication", "another file");
    }
    return new Blob(parts);
  }
}

async function slice(file: Blob, from: number, to: number): Promise<Uint8Array> {
  return new Uint8Array(await file.slice(from, to).arrayBuffer());
}

/** What is sealed leaves the memory: a browser keeps large blobs on the disk. */
function put({ segments, pieces }: Sealing, sealed: Uint8Array[]): void {
  for (const bytes of sealed) segments.update(bytes);
  pieces.push(new Blob(sealed.map((bytes) => bytes.slice())));
}
