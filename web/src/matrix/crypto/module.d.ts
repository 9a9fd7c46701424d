// The encryption library's wasm modules, which `cargo xtask` builds into `web/generated`.
declare module "sealpost-e2e" {
  import type { Module } from "@e2e/machine";

  const init: (options?: { module_or_path: unknown }) => Promise<unknown>;
  export default init;
  export function initSync(options: { module: BufferSource }): unknown;
  export const RawMachine: Module["RawMachine"];
  export const Rows: Module["Rows"];
  export const RecoveryKey: Module["RecoveryKey"];
  export const safetyNumber: Module["safetyNumber"];
  export const FileSealer: Module["FileSealer"];
  export const FileOpener: Module["FileOpener"];
  export const FileSegments: Module["FileSegments"];
  export const FileStream: Module["FileStream"];
  export const fileContext: Module["fileContext"];
}

declare module "sealpost-e2e-extra" {
  import type { ExtraModule } from "@e2e/extra";

  const init: (options?: { module_or_path: unknown }) => Promise<unknown>;
  export default init;
  export function initSync(options: { module: BufferSource }): unknown;
  export const describePassphrase: ExtraModule["describePassphrase"];
  export const derivePassphrase: ExtraModule["derivePassphrase"];
  export const sealExport: ExtraModule["sealExport"];
  export const openExport: ExtraModule["openExport"];
  export const qrModules: ExtraModule["qrModules"];
}
