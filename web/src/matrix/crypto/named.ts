/** An error that keeps its name across the border of a worker. */
export function named(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}
