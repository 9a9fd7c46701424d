// The keys of what was said before, as this device has them: packed for an own device that was approved, and taken in from one
// that approved this one. What goes between the two is in `history_exchange.ts`.

import type { JsonObject, Machine, Synced } from "@e2e/machine";

import {
  handOver,
  historyDue,
  historyLeftOut,
  historySent,
  historyTaken,
  historyTold,
  keepTold,
  type LeftOut,
  type Write,
} from "./approval";
import type { Device } from "./device";
import { inFiles, packHistory, unpackHistory, type Packed, type RoomKeys } from "./history_file";
import type { Values } from "./storage";

export class HistoryKeys {
  readonly #device: Device;
  /** None are known to wait. */
  #isPassed = false;

  constructor(device: Device) {
    this.#device = device;
  }

  /** What other own devices sent or confirmed: to be written in the transaction in which it came. */
  async takeIn(machine: Machine, write: Write, came: Synced): Promise<Values> {
    const told = await keepTold(this.#device.storage, this.#device, came);
    if (told.length > 0) this.#isPassed = false;
    return [...told, ...(await this.handOver(machine, write, came.verifications))];
  }

  /** Hands over to own devices with which a comparison is done just now: the same. */
  async handOver(machine: Machine, write: Write, verifications: string[]): Promise<Values> {
    const { storage, userId } = this.#device;
    const due = await handOver(storage, userId, machine, write, verifications);
    if (due.length > 0) this.#isPassed = false;
    return due;
  }

  /** Own devices that are to get the keys of what was said before, and files of such keys that are to be fetched. */
  async waiting(): Promise<{ due: string[]; told: JsonObject[] }> {
    if (this.#isPassed) return { due: [], told: [] };
    const { storage } = this.#device;
    // Not beside what has just come and is not on the disk yet: that would wait for the next start.
    return this.#device.batch(async () => {
      const [due, told] = await Promise.all([historyDue(storage), historyTold(storage)]);
      this.#isPassed = due.length + told.length === 0;
      return { result: { due, told } };
    });
  }

  /**
   * The keys of these rooms, in files of at most so many bytes; of rooms without any, nothing. `broken`: rooms whose keys
   * can't be put together.
   */
  pack(roomIds: string[], most: number): Promise<{ files: Packed[]; broken: string[] }> {
    return this.#device.batch(async (machine, write) => {
      const nothing = write(machine.history("!")).length;
      const all = roomIds.flatMap((roomId): RoomKeys[] => alone(roomId, () => [[roomId, write(machine.history(roomId))]]));
      const files = inFiles(all.filter(([, keys]) => keys.length > nothing), most);
      const got = new Set(all.map(([roomId]) => roomId));
      const packed = files.map((rooms) => ({ roomIds: rooms.map(([roomId]) => roomId), bytes: packHistory(rooms) }));
      return { result: { files: packed, broken: roomIds.filter((roomId) => !got.has(roomId)) } };
    });
  }

  share(description: JsonObject): Promise<null> {
    return this.#device.run((machine) => machine.shareHistory(this.#device.userId, description));
  }

  async sent(deviceId: string, leftOut: LeftOut[]): Promise<void> {
    await this.#device.batch(async () => ({ result: undefined, values: await historySent(this.#device.storage, deviceId, leftOut) }));
  }

  leftOut(): Promise<[deviceId: string, LeftOut[]][]> {
    return historyLeftOut(this.#device.storage);
  }

  /** Takes in the keys of a file of which an own device told. Answers the rooms for which there were new ones. */
  take(url: string, packed: Uint8Array): Promise<string[]> {
    return this.#device.batch(async (machine, write) => {
      const result = unpackHistory(packed).flatMap(([roomId, keys]) => {
        return alone(roomId, () => (write(machine.takeHistory(this.#device.userId, roomId, keys)) > 0 ? [roomId] : []));
      });
      return { result, values: await historyTaken(this.#device.storage, url) };
    });
  }

  /** A file of keys can't be had. */
  async taken(url: string): Promise<void> {
    await this.#device.batch(async () => ({ result: undefined, values: await historyTaken(this.#device.storage, url) }));
  }
}

/** What can't be done for one room, as there is too much of it, must not keep the others back. */
function alone<T>(roomId: string, operate: () => T[]): T[] {
  try {
    return operate();
  } catch (error) {
    console.error(`no keys of ${roomId}`, error);
    return [];
  }
}
