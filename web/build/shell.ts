// Writes into the service worker which files the client consists of, each with its hash.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

import type { Plugin } from "vite";

export const WORKER = "sw.js";

export function shell(): Plugin {
  let folder = "dist";
  return {
    name: "shell",
    apply: "build",
    configResolved: (config) => void (folder = resolve(config.root, config.build.outDir)),
    closeBundle() {
      const files: Record<string, string> = {};
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        if (!entry.isFile() || entry.name === WORKER || /\.(br|map)$/.test(entry.name)) continue;
        files[relative(folder, path)] = createHash("sha256").update(readFileSync(path)).digest("base64");
      }
      const sorted = Object.fromEntries(Object.entries(files).toSorted());
      const version = createHash("sha256").update(JSON.stringify(sorted)).digest("hex").slice(0, 16);
      const worker = join(folder, WORKER);
      const code = readFileSync(worker, "utf8");
      if (/\bimport\b/.test(code)) this.error("the service worker imports something");
      if (!code.includes("__SHELL__")) this.error("the service worker has no place for its files");
      writeFileSync(worker, code.replace("__SHELL__", () => JSON.stringify({ version, files: sorted })));
    },
  };
}
