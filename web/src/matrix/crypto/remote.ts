// Calls across the border of a worker, or of a tab.

interface Call {
  id: string;
  part: string;
  method: string;
  args: unknown[];
}

type Reply = { id: string; value: unknown } | { id: string; error: { name: string; message: string } };

/** The methods of a class, as they are called from outside. */
export type Remote<T> = {
  [K in keyof T as T[K] extends (...args: never[]) => unknown ? K : never]: T[K] extends (
    ...args: infer A
  ) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : never;
};

/** A worker, or a channel on which others talk too. */
export interface Port {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
  removeEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}

/** Answers calls with what `part` finds. */
export function expose(port: Port, find: (part: string) => Promise<object>): void {
  port.addEventListener("message", ({ data }: MessageEvent<Call>) => {
    const { id, part, method, args } = data;
    if (typeof method !== "string") return;
    const called = find(part).then((target) => {
      const found = (target as Record<string, unknown>)[method];
      if (typeof found !== "function") throw new Error(`no method ${part}.${method}`);
      return found.apply(target, args) as unknown;
    });
    const failed = (error: unknown) => {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      port.postMessage({ id, error: { name, message } });
    };
    // Once the port is closed nobody is told.
    called.then((value) => port.postMessage({ id, value })).catch(failed).catch(() => {});
  });
}

/** Calls the other side. An error keeps its name. */
export class Caller {
  readonly #port: Port;
  readonly #open = new Map<string, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  /** Answers to others come by the same channel. */
  readonly #self = crypto.randomUUID();
  #next = 0;
  #broken: Error | undefined;

  constructor(port: Port) {
    this.#port = port;
    port.addEventListener("message", this.#hear);
  }

  /** Listens no longer: what is open is never answered. */
  close(): void {
    this.#port.removeEventListener("message", this.#hear);
    this.#open.clear();
  }

  readonly #hear = ({ data }: MessageEvent<Reply>): void => {
    const call = this.#open.get(data.id);
    if (!call) return;
    this.#open.delete(data.id);
    if ("error" in data) call.reject(Object.assign(new Error(data.error.message), data.error));
    else call.resolve(data.value);
  };

  /** The other side is gone: every call fails. */
  fail(error: Error): void {
    this.#broken = error;
    this.#port.removeEventListener("message", this.#hear);
    for (const call of this.#open.values()) call.reject(error);
    this.#open.clear();
  }

  part<T extends object>(part: string): Remote<T> {
    return new Proxy({} as Remote<T>, {
      // What has a `then` would be taken for a promise.
      get: (_, method: string) =>
        method === "then" ? undefined : (...args: unknown[]) => this.#call(part, method, args),
    });
  }

  #call(part: string, method: string, args: unknown[]): Promise<unknown> {
    if (this.#broken) return Promise.reject(this.#broken);
    return new Promise((resolve, reject) => {
      const id = `${this.#self} ${this.#next++}`;
      this.#open.set(id, { resolve, reject });
      this.#port.postMessage({ id, part, method, args } satisfies Call);
    });
  }
}
