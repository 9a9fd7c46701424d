// The keys of what was said before, from an approved device to one that it approved: sealed files at the server, whose keys
// go inside a session between the two.

import type { JsonObject } from "@e2e/machine";

import type { Api } from "../api/api";
import { isOutside, MatrixError } from "../api/error";
import { number, object, text } from "../json";
import { serverOf } from "../session";
import type { Files } from "./files";
import type { KeyManager } from "./key_manager";
import { mostWithin, padded } from "./pieces";
import type { Remote } from "./remote";

/** As letters name the form of a file. */
const FORM = "org.sealpost.file.v2";
/** How large one file is at most, where the server takes as much. */
const FILE_BYTES = 16 * 1024 * 1024;

/** What is needed of the client. */
export interface HistoryParts {
  readonly keys: Remote<KeyManager>;
  readonly files: Remote<Files>;
}

interface Passed {
  /** For these keys came. */
  rooms: string[];
  /** Another device was told of files: that is to be sent. */
  hasTold: boolean;
}

export class History {
  readonly #api: Api;
  readonly #userId: string;
  readonly #parts: HistoryParts;
  readonly #rooms: () => string[];
  #passing: Promise<Passed> | undefined;

  /** `rooms`: those that this device knows. */
  constructor(api: Api, userId: string, parts: HistoryParts, rooms: () => string[]) {
    this.#api = api;
    this.#userId = userId;
    this.#parts = parts;
    this.#rooms = rooms;
  }

  /** Sends what is due and fetches what was told; what fails is to be tried again. */
  pass(): Promise<Passed> {
    this.#passing ??= this.#pass().finally(() => (this.#passing = undefined));
    return this.#passing;
  }

  async #pass(): Promise<Passed> {
    const { due, told } = await this.#parts.keys.historyWaiting();
    for (const deviceId of due) await this.#send(deviceId);
    const came = new Set<string>();
    for (const one of told) for (const room of await this.#take(one)) came.add(room);
    return { rooms: [...came], hasTold: due.length > 0 };
  }

  async #send(deviceId: string): Promise<void> {
    const { keys, files } = this.#parts;
    const limit = (await this.#api.uploadLimit()) ?? Infinity;
    const packed = await keys.packHistory(this.#rooms(), Math.min(FILE_BYTES, mostWithin(limit)));
    for (const file of packed) {
      const plain = new Blob([file.slice(), new Uint8Array(padded(file.length) - file.length)]);
      const { bytes, key, hash } = await files.finish(await files.begin(this.#place, "history"), plain);
      try {
        const url = await this.#api.upload(new Blob([bytes], { type: "application/octet-stream" }));
        const told = { v: FORM, url, key, hash, size: bytes.size };
        await keys.shareHistory({ room_id: this.#place, file: told, for: deviceId, length: file.length });
      } catch (error) {
        // One that the server never takes must not keep the others back.
        if (!(error instanceof MatrixError) || error.isTemporary) throw error;
        console.error(error);
      }
    }
    await keys.historySent(deviceId);
  }

  async #take(told: JsonObject): Promise<string[]> {
    const { keys, files } = this.#parts;
    const file = object(told["file"]);
    const [url, key, hash] = [text(file?.["url"]) ?? "", text(file?.["key"]) ?? "", text(file?.["hash"]) ?? ""];
    try {
      const sealed = await (await this.#api.download(url)).blob();
      const size = number(file?.["size"]) ?? 0;
      const id = await files.beginOpening({ roomId: this.#place, role: "history", key, hash, size });
      const opened = new Blob([await files.feed(id, sealed), await files.finishOpening(id)]);
      const length = number(told["length"]) ?? opened.size;
      return await keys.takeHistory(url, new Uint8Array(await opened.slice(0, length).arrayBuffer()));
    } catch (error) {
      if (isOutside(error) && !(error instanceof MatrixError && !error.isTemporary)) throw error;
      console.error(error);
      await keys.historyTaken(url);
      return [];
    }
  }

  /** In the place of a room: these files are of several. */
  get #place(): string {
    return `!org.sealpost.history:${serverOf(this.#userId)}`;
  }
}
