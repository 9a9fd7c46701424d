// The encryption library's wasm module, which `cargo xtask` builds into `web/generated`.
declare module "sealpost-e2e" {
  import type { Module } from "@e2e/machine";

  const init: (options?: { module_or_path: unknown }) => Promise<unknown>;
  export default init;
  export function initSync(options: { module: BufferSource }): unknown;
  export const RawMachine: Module["RawMachine"];
  export const Rows: Module["Rows"];
  export const RecoveryKey: Module["RecoveryKey"];
  export function safetyNumber(
    userId: string,
    masterKey: Uint8Array,
    otherUserId: string,
    otherMasterKey: Uint8Array,
  ): string;

  /** Seals a file in chunks of 16 KiB. */
  export class FileSealer {
    constructor(context: Uint8Array);
    key(): Uint8Array;
    header(): Uint8Array;
    chunk(chunk: Uint8Array): Uint8Array;
    last(rest: Uint8Array): Uint8Array;
    free(): void;
  }
  export class FileOpener {
    constructor(key: Uint8Array, context: Uint8Array, header: Uint8Array);
    chunk(sealed: Uint8Array): Uint8Array;
    last(sealed: Uint8Array): Uint8Array;
    free(): void;
  }
  export class FileSegments {
    update(bytes: Uint8Array): void;
    finish(): Uint8Array;
  }
}
