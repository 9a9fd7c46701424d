// Files, sealed in chunks in the worker.

import { FileOpener, FileSealer, FileSegments } from "sealpost-e2e";

import { fromBase64, toBase64 } from "../base64";

const CHUNK = 16 * 1024;
const TAG = 16;
const HEADER = 56;

export interface SealedFile {
  bytes: Blob;
  /** Base64 of what opens it. */
  key: string;
  /** Base64 of the hash over the list of hashes of every MiB. */
  hash: string;
}

const context = (roomId: string) => new TextEncoder().encode(`org.sealpost.file.v1 ${roomId}`);

export class Files {
  async seal(file: Blob, roomId: string): Promise<SealedFile> {
    const sealer = new FileSealer(context(roomId));
    const segments = new FileSegments();
    const key = toBase64(sealer.key());
    const parts: Uint8Array<ArrayBuffer>[] = [];
    const add = (bytes: Uint8Array) => {
      segments.update(bytes);
      parts.push(bytes.slice());
    };
    add(sealer.header());
    let at = 0;
    for (; file.size - at >= CHUNK; at += CHUNK) add(sealer.chunk(await slice(file, at, at + CHUNK)));
    add(sealer.last(await slice(file, at, file.size)));
    sealer.free();
    const hash = toBase64(segments.finish().subarray(0, 32));
    return { bytes: new Blob(parts), key, hash };
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
