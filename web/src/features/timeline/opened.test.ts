import { expect, test } from "vitest";

import { MatrixError } from "../../matrix/api/error";
import type { Client } from "../../matrix/client";
import { OpenedFile } from "./opened.svelte";

test("a picture for which nothing else stands is fetched once where both are wanted", async () => {
  const asked: string[] = [];
  const http = {
    send: async (path: string) => {
      asked.push(path);
      throw new MatrixError(404, { errcode: "M_NOT_FOUND" });
    },
  };
  const download = async (url: string) => {
    asked.push(url);
    return new Response("a picture");
  };
  const client = { api: { http, download } } as unknown as Client;
  const content = { msgtype: "m.image", body: "roof.png", url: "mxc://a/roof", info: { mimetype: "image/png", size: 9_000_000 } };
  const [small, file] = [new OpenedFile(client, "!a", content), new OpenedFile(client, "!a", content)];
  await Promise.all([small.loadStandIn(), file.load()]);
  expect(asked.filter((one) => one === "mxc://a/roof")).toHaveLength(1);
  expect([small.url, small.hasFailed, file.hasFailed]).toEqual([undefined, false, false]);
  for (const one of [small, file]) one.drop();
});
