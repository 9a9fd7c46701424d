// Files of keys, sealed and opened by the real module, over a server that keeps bytes.
import { readFileSync } from "node:fs";

import * as module from "sealpost-e2e";
import { beforeAll, expect, test, vi } from "vitest";

import type { Api } from "../api/api";
import { MatrixError, Unreachable } from "../api/error";
import type { JsonObject } from "../json";
import type { LeftOut } from "./approval";
import { Files } from "./files";
import { HistoryExchange, type ExchangeParts } from "./history_exchange";

beforeAll(() => {
  module.initSync({ module: readFileSync("generated/sealpost_e2e_bg.wasm") });
});

const LIMIT = 100_000;

/** Two devices of one person: what the old one is to send, and what the new one took. */
function made() {
  const files = Object.assign(new Files(), { drop: async () => {} });
  const device = { due: ["NEW"], told: [] as JsonObject[], packed: [] as Uint8Array[], leftOut: [] as LeftOut[], taken: [] as (Uint8Array | undefined)[] };
  const history = {
    waiting: async () => ({ due: [...device.due], told: [...device.told] }),
    pack: async (_rooms: string[], most: number) => {
      device.packed = [new Uint8Array(1000).fill(1), new Uint8Array(most).fill(2)];
      return { files: device.packed.map((bytes, at) => ({ roomIds: [`!${at}:a.test`], bytes })), broken: ["!broken:a.test"] };
    },
    share: async (told: JsonObject) => void device.told.push(told),
    sent: async (_deviceId: string, leftOut: LeftOut[]) => {
      device.due = [];
      device.leftOut = leftOut;
    },
    take: async (_url: string, bytes: Uint8Array) => {
      device.told.shift();
      device.taken.push(bytes);
      return ["!room:a.test"];
    },
    taken: async () => {
      device.told.shift();
      device.taken.push(undefined);
    },
  };
  const kept = new Map<string, Blob>();
  const api = {
    uploadLimit: async () => LIMIT,
    upload: async (blob: Blob) => {
      if (blob.size > LIMIT) throw new MatrixError(413, { errcode: "M_TOO_LARGE" });
      const url = `mxc://a.test/${kept.size}`;
      kept.set(url, blob);
      return url;
    },
    download: async (url: string) => new Response(kept.get(url)),
  };
  const parts = { history, files } as unknown as ExchangeParts;
  const clock = { now: 0 };
  const exchange = new HistoryExchange(api as unknown as Api, "@me:a.test", parts, () => ["!room:a.test"], () => clock.now);
  return { device, api, history, clock, exchange };
}

test("keys that an old device sent are those that the new one takes, as large as the server allows", async () => {
  const { device, exchange } = made();
  expect(await exchange.pass()).toEqual({ rooms: [], hasTold: true });
  expect(device.told).toHaveLength(2);
  expect(await exchange.pass()).toEqual({ rooms: ["!room:a.test"], hasTold: false });
  expect(device.taken).toEqual(device.packed);
});

test("a file that broke off on the way, or that nobody may have just now, is fetched again", async () => {
  const { device, api, clock, exchange } = made();
  await exchange.pass();
  const { download } = api;
  api.download = async () => ({ blob: () => Promise.reject(new TypeError("network error")) }) as unknown as Response;
  await expect(exchange.pass()).rejects.toThrow(Unreachable);
  clock.now += 15_000;
  api.download = () => Promise.reject(new MatrixError(401, { errcode: "M_UNKNOWN_TOKEN", soft_logout: true }));
  await expect(exchange.pass()).rejects.toThrow(MatrixError);
  expect(device.taken).toEqual([]);
  api.download = download;
  clock.now += 30_000;
  await exchange.pass();
  expect(device.taken).toEqual(device.packed);
});

test("keys that could not be kept, as the disk was full, are fetched again", async () => {
  const { device, history, clock, exchange } = made();
  await exchange.pass();
  const take = vi.spyOn(history, "take");
  take.mockRejectedValueOnce(Object.assign(new Error("full"), { name: "QuotaExceededError" }));
  await expect(exchange.pass()).rejects.toThrow("full");
  expect(device.told).toHaveLength(2);
  clock.now += 15_000;
  await exchange.pass();
  expect(device.taken).toEqual(device.packed);
});

test("what was changed on the way, or is gone, is waited for no longer", async () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  const { device, api, exchange } = made();
  await exchange.pass();
  api.download = async () => new Response(new Uint8Array(5000));
  await exchange.pass();
  expect(device.taken).toEqual([undefined, undefined]);
  expect(device.told).toEqual([]);
});

test("what fails is tried again after longer and longer pauses, and nothing is packed or sent twice", async () => {
  const { device, api, history, clock, exchange } = made();
  const pack = vi.spyOn(history, "pack");
  const { upload } = api;
  const sent = vi.fn(upload);
  api.upload = sent.mockImplementationOnce(upload).mockRejectedValue(new Unreachable(undefined));
  await expect(exchange.pass()).rejects.toThrow(Unreachable);
  const failures: number[] = [];
  for (; clock.now < 3_600_000; clock.now += 5000) await exchange.pass().catch(() => failures.push(clock.now / 1000));
  expect(failures.slice(0, 4)).toEqual([15, 45, 105, 225]);
  expect(failures.length).toBeLessThan(12);
  sent.mockImplementation(upload);
  clock.now += 600_000;
  expect(await exchange.pass()).toMatchObject({ hasTold: true });
  expect([device.told.length + device.taken.length, device.due, pack.mock.calls.length]).toEqual([2, [], 1]);
});

test("which rooms' keys did not go along is known, and why", async () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  const { device, api, exchange } = made();
  const { upload } = api;
  api.upload = async (blob: Blob) => {
    api.upload = upload;
    throw new MatrixError(413, { errcode: "M_TOO_LARGE", error: `${blob.size}` });
  };
  await exchange.pass();
  expect(device.told).toHaveLength(1);
  expect(device.leftOut).toEqual([{ roomId: "!broken:a.test", why: "broken" }, { roomId: "!0:a.test", why: "refused" }]);
  vi.restoreAllMocks();
});
