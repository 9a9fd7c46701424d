// What the server sends: every file compressed once, at the build; and limits on what a person waits for.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

import type { Plugin, Rollup } from "vite";

const COMPRESSED = /\.(js|css|html|svg|wasm|webmanifest)$/;
const KIB = 1024;
const MODULE_KIB = 250;

interface Limit {
  what: string;
  kib: number;
  files: (bundle: Bundle) => string[];
}

type Bundle = Map<string, Rollup.OutputChunk>;

/** A chunk and all that it imports at once. */
function withImports(bundle: Bundle, name: string, found = new Set<string>()): Set<string> {
  if (found.has(name)) return found;
  found.add(name);
  for (const imported of bundle.get(name)?.imports ?? []) withImports(bundle, imported, found);
  return found;
}

function chunkOf(bundle: Bundle, module: string): string[] {
  const found = [...bundle].filter(
    ([, chunk]) => [chunk.facadeModuleId, ...chunk.moduleIds].some((id) => id?.endsWith(module)),
  );
  return found.flatMap(([name]) => [...withImports(bundle, name)]);
}

const first = (bundle: Bundle) => chunkOf(bundle, "/index.html");
const login = (bundle: Bundle) => [...first(bundle), ...chunkOf(bundle, "/LoginPage.svelte")];
const room = (bundle: Bundle) => ["/Main.svelte", "/matrix/client.ts"].flatMap((module) => chunkOf(bundle, module));

const LIMITS: Limit[] = [
  { what: "login page", kib: 60, files: login },
  {
    what: "room view, more than that",
    kib: 200,
    files: (bundle) => {
      const before = new Set(login(bundle));
      return room(bundle).filter((name) => !before.has(name));
    },
  },
];

/** Writes `name.br` beside `name`, prints what is loaded when, and fails when it is too much. */
export function compress(): Plugin {
  const bundle: Bundle = new Map();
  let folder = "dist";
  return {
    name: "compress",
    apply: "build",
    configResolved: (config) => void (folder = resolve(config.root, config.build.outDir)),
    generateBundle(_, output) {
      for (const [name, file] of Object.entries(output)) {
        if (file.type === "chunk") bundle.set(name, file);
      }
    },
    closeBundle() {
      const sizes = new Map<string, number>();
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        if (!entry.isFile() || !COMPRESSED.test(entry.name)) continue;
        const bytes = readFileSync(path);
        const compressed = brotliCompressSync(bytes, {
          params: {
            [constants.BROTLI_PARAM_QUALITY]: 11,
            [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
          },
        });
        sizes.set(relative(folder, path), compressed.length);
        writeFileSync(`${path}.br`, compressed);
      }
      for (const { what, kib, files } of LIMITS) {
        const names = [...new Set(files(bundle))].filter((name) => name.endsWith(".js"));
        const size = names.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
        console.log(`${what}: ${(size / KIB).toFixed(1)} KiB of JavaScript, of ${kib} at most`);
        if (names.length === 0) this.error(`${what}: no chunk was found`);
        if (size > kib * KIB) this.error(`${what}: ${(size / KIB).toFixed(1)} KiB`);
      }
      const module = [...sizes].find(([name]) => /sealpost_e2e_bg.*\.wasm$/.test(name));
      if (!module) this.error("the encryption module was not found");
      console.log(`encryption module: ${(module[1] / KIB).toFixed(1)} KiB, of ${MODULE_KIB} at most`);
      if (module[1] > MODULE_KIB * KIB) this.error("the encryption module is too large");
    },
  };
}
