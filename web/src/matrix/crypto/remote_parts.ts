// The parts of the worker, or of the tab that has one, as they are called from here.

import type { Desk } from "../tabs";
import type { Parts } from "./parts";
import { Caller, type Port, type Remote } from "./remote";

export class RemoteParts {
  #caller: Caller | undefined;

  /** They are called there from now on; what was called elsewhere fails, for this reason. */
  protected reach(port: Port, why: string): Caller {
    this.leave(why);
    return (this.#caller = new Caller(port));
  }

  /** What was called fails. */
  protected leave(why: string): void {
    this.#caller?.fail(new Error(why));
  }

  /** Nobody is there any more to whom an error would tell something. */
  protected close(): void {
    this.#caller?.close();
  }

  part<T extends object>(part: string): Remote<T> {
    if (!this.#caller) throw new Error("the module is not loaded");
    return this.#caller.part<T>(part);
  }

  /** The tab that owns the keys. */
  get desk(): Remote<Desk> {
    return this.part("desk");
  }

  get keys(): Remote<Parts["keys"]> {
    return this.part("keys");
  }

  get identity(): Remote<Parts["identity"]> {
    return this.part("identity");
  }

  get recovery(): Remote<Parts["recovery"]> {
    return this.part("recovery");
  }

  get backup(): Remote<Parts["backup"]> {
    return this.part("backup");
  }

  get removals(): Remote<Parts["removals"]> {
    return this.part("removals");
  }

  get numbers(): Remote<Parts["numbers"]> {
    return this.part("numbers");
  }

  get verification(): Remote<Parts["verification"]> {
    return this.part("verification");
  }

  get history(): Remote<Parts["history"]> {
    return this.part("history");
  }

  get sessions(): Remote<Parts["sessions"]> {
    return this.part("sessions");
  }

  get files(): Remote<Parts["files"]> {
    return this.part("files");
  }
}
