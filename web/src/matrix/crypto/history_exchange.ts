// The keys of what was said before, from an approved device to one that it approved: sealed files at the server, whose keys
// go inside a session between the two.

import type { JsonObject } from "@e2e/machine";

import type { Api } from "../api/api";
import { isRefusal, Unreachable } from "../api/error";
import { number, object, text } from "../json";
import { serverOf } from "../session";
import type { LeftOut } from "./approval";
import type { Files } from "./files";
import type { Packed } from "./history_file";
import type { HistoryKeys } from "./history_keys";
import { mostWithin, padded } from "./pieces";
import type { Remote } from "./remote";

/** As letters name the form of a file. */
const FORM = "org.sealpost.file.v2";
/** How large one file is at most, where the server takes as much. */
const FILE_BYTES = 16 * 1024 * 1024;
/** After a failure it is waited, longer and longer. */
const [PAUSE_MS, LONGEST_PAUSE_MS] = [15_000, 10 * 60_000];
/** What a file is in which there are no such keys. */
const BROKEN = ["Authentication", "Encoding", "Key", "Order", "RangeError", "TooLong"];
const NOTHING: Passed = { rooms: [], hasTold: false };

/** What is needed of the client. */
export interface ExchangeParts {
  readonly history: Remote<HistoryKeys>;
  readonly files: Remote<Files>;
}

interface Passed {
  /** For these keys came. */
  rooms: string[];
  /** Another device was told of files: that is to be sent. */
  hasTold: boolean;
}

export class HistoryExchange {
  readonly #api: Api;
  readonly #userId: string;
  readonly #parts: ExchangeParts;
  readonly #rooms: () => string[];
  readonly #now: () => number;
  /** What is left of what was packed for a device, and what will not go along. */
  #packed: { deviceId: string; files: Packed[]; leftOut: LeftOut[] } | undefined;
  #failures = 0;
  #notBefore = 0;
  #passing: Promise<Passed> | undefined;

  /** `rooms`: those that this device knows. */
  constructor(api: Api, userId: string, parts: ExchangeParts, rooms: () => string[], now = Date.now) {
    this.#api = api;
    this.#userId = userId;
    this.#parts = parts;
    this.#rooms = rooms;
    this.#now = now;
  }

  /** Sends what is due and fetches what was told; what fails is to be tried again, and is, not before some time. */
  async pass(): Promise<Passed> {
    if (this.#now() < this.#notBefore) return NOTHING;
    this.#passing ??= this.#attempt().finally(() => (this.#passing = undefined));
    return this.#passing;
  }

  async #attempt(): Promise<Passed> {
    try {
      const passed = await this.#pass();
      this.#failures = 0;
      return passed;
    } catch (error) {
      this.#notBefore = this.#now() + Math.min(PAUSE_MS * 2 ** this.#failures, LONGEST_PAUSE_MS);
      this.#failures += 1;
      throw error;
    }
  }

  async #pass(): Promise<Passed> {
    const { due, told } = await this.#parts.history.waiting();
    for (const deviceId of due) await this.#send(deviceId);
    const came = new Set<string>();
    for (const one of told) for (const room of await this.#take(one)) came.add(room);
    return { rooms: [...came], hasTold: due.length > 0 };
  }

  async #send(deviceId: string): Promise<void> {
    const { history, files } = this.#parts;
    const most = Math.min(FILE_BYTES, mostWithin((await this.#api.uploadLimit()) ?? Infinity));
    if (this.#packed?.deviceId !== deviceId) {
      const { files: packed, broken } = await history.pack(this.#rooms(), most);
      this.#packed = { deviceId, files: packed, leftOut: broken.map((roomId) => ({ roomId, why: "broken" })) };
    }
    const { files: left, leftOut } = this.#packed;
    for (let [file] = left; file; [file] = left) {
      // Padded, it is still one that the server takes.
      const { length } = file.bytes;
      const size = Math.max(Math.min(padded(length), most), length);
      const plain = new Blob([file.bytes.slice(), new Uint8Array(size - length)]);
      const { bytes, key, hash } = await files.finish(await files.begin(this.#place, "history"), plain);
      try {
        const url = await this.#api.upload(new Blob([bytes], { type: "application/octet-stream" }));
        const told = { v: FORM, url, key, hash, size: bytes.size };
        await history.share({ room_id: this.#place, file: told, for: deviceId, length });
      } catch (error) {
        // One that the server never takes must not keep the others back.
        if (!isRefusal(error)) throw error;
        console.error(error);
        leftOut.push(...file.roomIds.map((roomId): LeftOut => ({ roomId, why: "refused" })));
      }
      left.shift();
    }
    await history.sent(deviceId, leftOut);
    this.#packed = undefined;
  }

  async #take(told: JsonObject): Promise<string[]> {
    const { history } = this.#parts;
    const file = object(told["file"]) ?? {};
    const url = text(file["url"]) ?? "";
    try {
      const opened = await this.#open(url, file);
      const length = number(told["length"]) ?? opened.size;
      return await history.take(url, new Uint8Array(await opened.slice(0, length).arrayBuffer()));
    } catch (error) {
      // What failed here, as where the disk is full, or on the way may succeed later: there is no other copy for this device.
      if (!isRefusal(error) && !isBroken(error)) throw error;
      console.error(error);
      await history.taken(url);
      return [];
    }
  }

  async #open(url: string, file: JsonObject): Promise<Blob> {
    const { files } = this.#parts;
    const response = await this.#api.download(url);
    // The connection may end in the middle of it.
    const sealed = await response.blob().catch((error: unknown) => {
      throw new Unreachable(error);
    });
    const [key, hash] = [text(file["key"]) ?? "", text(file["hash"]) ?? ""];
    const size = number(file["size"]) ?? sealed.size;
    const id = await files.beginOpening({ roomId: this.#place, role: "history", key, hash, size });
    try {
      return new Blob([await files.feed(id, sealed), await files.finishOpening(id)]);
    } catch (error) {
      void files.drop(id).catch(() => {});
      throw error;
    }
  }

  /** In the place of a room: these files are of several. */
  get #place(): string {
    return `!org.sealpost.history:${serverOf(this.#userId)}`;
  }
}

function isBroken(error: unknown): boolean {
  return error instanceof Error && BROKEN.includes(error.name);
}
