import { expect, test } from "vitest";

import { Server } from "./server.svelte";

test("a server that did not answer is found when it is asked again", async () => {
  let up = false;
  const server = new Server("https://garden.example", async () => {
    if (!up) throw new TypeError("connection refused");
    return new Response('{"versions":["v1.1"]}');
  });
  await server.load();
  expect([server.failed, server.asking, server.found]).toEqual([true, false, undefined]);
  up = true;
  await server.load();
  expect([server.failed, server.asking, server.found?.serverName]).toEqual([
    false,
    false,
    "garden.example",
  ]);
});
