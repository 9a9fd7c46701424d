// Files, sealed in chunks in the worker.

import { FileOpener, FileSealer, FileSegments } from "sealpost-e2e";

import { fromBase64, toBase64 } from "../base64";
import { CHUNK, HEADER, TAG } from "./pieces";

export interface SealedFile {
  bytes: Blob;
  /** Base64 of what opens it. */
  key: string;
  /** Base64 of the hash over the list of hashes of every MiB. */
  hash: string;
}

const context = (roomId: string) => new TextEncoder().encode(`org.sealpost.file.v1 ${roomId}`);

/** So many may be half sealed; tabs that are gone finish none. */
const MOST_OPEN = 32;

interface Sealing {
  sealer: InstanceType<typeof FileSealer>;
  segments: InstanceType<typeof FileSegments>;
  pieces: Blob[];
}

export class Files {
  readonly #open = new Map<string, Sealing>();

  /** Begins to seal a file: pieces come with `add`, what is less than a piece with `finish`. */
  begin(roomId: string): string {
    const id = crypto.randomUUID();
    const sealing = { sealer: new FileSealer(context(roomId)), segments: new FileSegments(), pieces: [] };
    put(sealing, [sealing.sealer.header()]);
    for (const old of [...this.#open.keys()].slice(0, -MOST_OPEN + 1)) this.drop(old);
    this.#open.set(id, sealing);
    return id;
  }

  /** A piece, or several. */
  async add(id: string, piece: Blob): Promise<void> {
    const sealing = this.#sealing(id);
    const bytes = new Uint8Array(await piece.arrayBuffer());
    const sealed: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += CHUNK) sealed.push(sealing.sealer.chunk(bytes.subarray(at, at + CHUNK)));
    put(sealing, sealed);
  }

  async finish(id: string, rest: Blob): Promise<SealedFile> {
    const { sealer, segments, pieces } = this.#sealing(id);
    const whole = rest.size - (rest.size % CHUNK);
    await this.add(id, rest.slice(0, whole));
    put({ sealer, segments, pieces }, [sealer.last(await slice(rest, whole, rest.size))]);
    const key = toBase64(sealer.key());
    const hash = toBase64(segments.finish().subarray(0, 32));
    this.#open.delete(id);
    sealer.free();
    return { bytes: new Blob(pieces), key, hash };
  }

  /** It is wanted no more. */
  drop(id: string): void {
    this.#open.get(id)?.sealer.free();
    this.#open.delete(id);
  }

  #sealing(id: string): Sealing {
    const found = this.#open.get(id);
    if (!found) throw new Error("nothing of that is being sealed");
    return found;
  }

  /** The file, or an error if a byte of it is not the author's. */
  async open(sealed: Blob, roomId: string, key: string, hash: string): Promise<Blob> {
    const segments = new FileSegments();
    const header = await slice(sealed, 0, HEADER);
    segments.update(header);
    const opener = new FileOpener(fromBase64(key), context(roomId), header);
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
      throw Object.assign(new Error("another file"), { name: "Authentication" });
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
