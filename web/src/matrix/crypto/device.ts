// This device: the machine, and what it stores. One operation at a time; none has happened before it is on the disk.

import { Machine, type Module, type Row, type Step } from "@e2e/machine";

import type { VaultKeys } from "../store/vault";
import { CryptoStorage, type Batch } from "./storage";

interface Batched<T> {
  result: T;
  values?: Batch["values"];
}

export class Device {
  readonly userId: string;
  readonly deviceId: string;
  readonly module: Module;
  readonly storage: CryptoStorage;
  #machine: Machine | undefined;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(module: Module, storage: CryptoStorage, userId: string, deviceId: string) {
    this.module = module;
    this.storage = storage;
    this.userId = userId;
    this.deviceId = deviceId;
  }

  /** The device that is stored, or a new one. */
  static async open(module: Module, userId: string, deviceId: string, keys: VaultKeys): Promise<Device> {
    const storage = await CryptoStorage.open(userId, deviceId, keys);
    const device = new Device(module, storage, userId, deviceId);
    await device.#load();
    return device;
  }

  /** Looks something up in the machine. */
  read<T>(look: (machine: Machine) => T): Promise<T> {
    return this.#alone(async () => look(await this.#ready()));
  }

  /** An operation; `values` are written in its transaction. */
  async run<T>(
    operate: (machine: Machine) => Step<T>,
    values: (result: T) => Batch["values"] = () => [],
  ): Promise<T> {
    return this.batch((machine, write) => {
      const result = write(operate(machine));
      return { result, values: values(result) };
    });
  }

  /** Several operations in one transaction: `write` takes in the rows of each. */
  batch<T>(
    operate: (
      machine: Machine,
      write: <R>(step: Step<R>) => R,
    ) => Batched<T> | Promise<Batched<T>>,
  ): Promise<T> {
    return this.#alone(async () => {
      const machine = await this.#ready();
      const rows = new Map<string, Row>();
      const write = <R>(step: Step<R>): R => {
        // Of a row that was written twice, the last counts.
        for (const row of step.rows) rows.set(`${row[0]} ${row[1].join()}`, row);
        return step.result;
      };
      try {
        const { result, values = [] } = await operate(machine, write);
        await this.storage.write({ rows: [...rows.values()], values });
        return result;
      } catch (error) {
        // After a failed write, or an error after an operation that succeeded, the machine is ahead of the disk.
        if (rows.size > 0) this.#machine = undefined;
        throw error;
      }
    });
  }

  async #ready(): Promise<Machine> {
    return this.#machine ?? this.#load();
  }

  async #load(): Promise<Machine> {
    const rows = await this.storage.rows();
    if (rows.length > 0) return (this.#machine = Machine.open(this.module, rows));
    const created = Machine.create(this.module, this.userId, this.deviceId);
    await this.storage.write({ rows: created.rows });
    return (this.#machine = created.result);
  }

  #alone<T>(operation: () => Promise<T>): Promise<T> {
    const run = this.#last.then(operation);
    this.#last = run.catch(() => {});
    return run;
  }
}
