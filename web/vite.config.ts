import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

const server = "http://127.0.0.1:8008";

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: "es2022",
    // A strict content security policy forbids inline data in scripts and styles.
    assetsInlineLimit: 0,
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/_matrix": server, "/.well-known": server },
  },
  test: { include: ["src/**/*.test.ts"] },
});
