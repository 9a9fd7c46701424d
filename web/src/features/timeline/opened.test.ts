import { afterEach, expect, test, vi } from "vitest";

import { MatrixError } from "../../matrix/api/error";
import type { Client } from "../../matrix/client";
import { OpenedFile } from "./opened.svelte";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

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

/** A file in clear, in a browser with or without a worker. */
function heard(hasWorker: boolean, more: object = {}) {
  vi.stubGlobal("navigator", { serviceWorker: { controller: hasWorker ? {} : null } });
  const fetched: string[] = [];
  const download = async (url: string) => {
    fetched.push(url);
    return new Response("sound");
  };
  const client = { api: { download } } as unknown as Client;
  const content = { msgtype: "m.audio", url: "mxc://a/song", info: { mimetype: "audio/ogg" }, ...more };
  return { fetched, file: new OpenedFile(client, "!a", content) };
}

test("a file in clear is played as it comes, through the worker, by an address without a token", async () => {
  const { fetched, file } = heard(true);
  await file.play();
  expect([file.played, file.url, fetched]).toEqual(["/_matrix/client/v1/media/download/a/song", undefined, []]);
  file.drop();
  expect(file.played).toBeUndefined();
});

test("what does not play as it comes is fetched whole and goes on there, and what does not play then is no sound", async () => {
  const { fetched, file } = heard(true);
  await file.play();
  await file.stumble(7);
  expect([file.played?.slice(0, 5), file.from, file.hasFailed, fetched]).toEqual(["blob:", 7, false, ["mxc://a/song"]]);
  await file.stumble(7);
  expect([file.played, file.hasFailed]).toEqual([undefined, true]);
  file.drop();
});

test("without a worker, sealed, from no address of media or fetched already, a file is played whole or not at all", async () => {
  const plain = heard(false).file;
  await plain.play();
  expect(plain.played).toMatch(/^blob:/);
  for (const more of [{ file: { url: "mxc://a/song" }, url: "mxc://a/song" }, { url: "https://a.example/song" }]) {
    const { file } = heard(true, more);
    vi.spyOn(console, "error").mockImplementation(() => {});
    await file.play();
    expect(file.played?.startsWith("/_matrix/") ?? false).toBe(false);
  }
  const { file } = heard(true);
  await file.load();
  await file.play();
  expect(file.played).toBe(file.url);
  for (const one of [plain, file]) one.drop();
});
