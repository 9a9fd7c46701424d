import { fileURLToPath } from "node:url";

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

import { compress } from "./build/compress.ts";
import { shell, WORKER } from "./build/shell.ts";

const server = "http://127.0.0.1:8008";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  plugins: [svelte(), shell(), compress()],
  resolve: {
    alias: {
      "@e2e": at("../e2e/wasm/face"),
      "sealpost-e2e-extra": at("generated/sealpost_e2e_extra.js"),
      "sealpost-e2e": at("generated/sealpost_e2e.js"),
    },
  },
  worker: { format: "es" },
  build: {
    target: "es2022",
    // A strict content security policy forbids inline data in scripts and styles.
    assetsInlineLimit: 0,
    rollupOptions: {
      input: { index: at("index.html"), sw: at("src/service-worker/worker.ts") },
      // Its address stays, so that a browser finds the next one.
      output: { entryFileNames: ({ name }) => (name === "sw" ? WORKER : "assets/[name]-[hash].js") },
    },
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/_matrix": server, "/.well-known": server },
  },
  test: { include: ["src/**/*.test.ts"] },
});
