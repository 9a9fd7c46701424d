// What a message tells of its file. Anybody may have written it: what no file can be is not told.

import { number, object, type JsonObject } from "../json";

const [MOST_BYTES, MOST_MS] = [2 ** 40, 7 * 24 * 3_600_000];

/** How many bytes the file has. */
export function sizeOf(content: JsonObject): number | undefined {
  return within(object(content["info"])?.["size"], MOST_BYTES);
}

/** How long it plays, in milliseconds. */
export function durationOf(content: JsonObject): number | undefined {
  return within(object(content["info"])?.["duration"], MOST_MS);
}

function within(value: unknown, most: number): number | undefined {
  const told = number(value);
  return told !== undefined && told >= 0 && told <= most ? told : undefined;
}
