/**
 * What is seldom needed, in a module of its own: `sealpost_e2e_extra.js`. Passphrases and files take a second and 64 MiB,
 * so load it in a worker and let go of it.
 */

/** What `cargo xtask` builds, after its `default` export was awaited in a browser. */
export interface ExtraModule {
  /** JSON of the member `passphrase` of the account data `m.secret_storage.key.<id>`, for a new passphrase. */
  describePassphrase(): string;
  /**
   * The 32 bytes that a passphrase gives, for `RecoveryKey.fromBytes`: by our own description or by `m.pbkdf2` of
   * other clients. Whether they are right says `RecoveryKey.check`. Throws `Unknown` for another algorithm.
   */
  derivePassphrase(passphrase: string, description: string): Uint8Array;
  /** A file of what `Machine.exportKeys` gave. */
  sealExport(passphrase: string, keys: Uint8Array): Uint8Array;
  /** What is in such a file, for `Machine.importKeys`. Throws `Authentication` for another passphrase. */
  openExport(passphrase: string, file: Uint8Array): Uint8Array;
  /** The modules of a QR code of some bytes, row by row: 1 is dark. */
  qrModules(bytes: Uint8Array): Uint8Array;
}

/** A QR code as an SVG path in units of modules, four of quiet zone around it included. */
export function qrPath(module: Pick<ExtraModule, "qrModules">, bytes: Uint8Array): { size: number; path: string } {
  const modules = module.qrModules(bytes);
  const side = Math.sqrt(modules.length);
  let path = "";
  modules.forEach((dark, at) => {
    if (dark) path += `M${(at % side) + 4} ${Math.floor(at / side) + 4}h1v1h-1z`;
  });
  return { size: side + 8, path };
}
