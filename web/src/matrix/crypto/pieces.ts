// How large files are when they are sealed, and how they are cut for that: apart from what seals them, as the page cuts
// and the worker seals.

/** What is sealed at once. */
export const CHUNK = 16 * 1024;
export const TAG = 16;
export const HEADER = 56;

/** Of so much of what is sealed, a hash stands in front. */
const SEGMENT = 1024 * 1024;
const HASH = 32;

/** How much of a file is handed to the worker at a time: some whole chunks. */
export const PIECE = 64 * CHUNK;

/** How many bytes a file may have so that it is sealed within a limit. */
export function mostWithin(limit: number): number {
  const sealed = limit - HASH * Math.ceil(limit / (SEGMENT + HASH));
  return Math.max(Math.floor(((sealed - HEADER - TAG) * CHUNK) / (CHUNK + TAG)), 0);
}

/**
 * The size that a file is given before it is sealed, so that a server learns little of it: Padmé, which leaves a number
 * as many significant bits as its logarithm has, and adds a ninth at the most.
 */
export function padded(size: number): number {
  if (size < 2) return size;
  const exponent = Math.floor(Math.log2(size));
  const kept = Math.floor(Math.log2(exponent)) + 1;
  const step = 2 ** Math.max(exponent - kept, 0);
  return Math.ceil(size / step) * step;
}
