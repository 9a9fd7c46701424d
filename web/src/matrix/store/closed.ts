// What stands in the place of a database that its client has closed. Whatever is asked of it has no answer: who asks
// belongs to the client that has ended, which has nobody to tell of a failure and is not to go on.

const NEVER: unknown = new Proxy(() => {}, {
  get: (_, name) => (name === "then" ? () => {} : NEVER),
  apply: () => NEVER,
});

export function closed<T>(): T {
  return NEVER as T;
}
