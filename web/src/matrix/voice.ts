// How loud something that was said aloud is, over its length: `waveform` of MSC1767 and MSC3246, numbers up to 1024.

import { list, number, object, type JsonObject } from "./json";

const LOUDEST = 1024;
/** How many numbers are sent. */
const LENGTH = 100;
/** How many of somebody else's are looked at. */
const MOST = 1000;

/** As it is sent: from levels between 0 and 1, as many as there are. What was loudest reaches the top. */
export function waveform(levels: readonly number[]): number[] {
  const found = resampled(levels, Math.min(LENGTH, levels.length));
  const loudest = Math.max(...found, 0.02);
  return found.map((level) => Math.round((level / loudest) * LOUDEST));
}

/** What a message says of it, between 0 and 1; `length` numbers, or none where it says nothing. */
export function heardWaveform(content: JsonObject, length: number): number[] {
  const said = list(object(content["org.matrix.msc1767.audio"])?.["waveform"]).slice(0, MOST);
  const levels = said.map((level) => Math.min(Math.max((number(level) ?? 0) / LOUDEST, 0), 1));
  return levels.length === 0 ? [] : resampled(levels, length);
}

/** The loudest of each part; where there are fewer, each several times. */
function resampled(levels: readonly number[], length: number): number[] {
  return Array.from({ length }, (_, at) => {
    const from = Math.floor((at * levels.length) / length);
    const to = Math.max(Math.floor(((at + 1) * levels.length) / length), from + 1);
    return Math.max(...levels.slice(from, to));
  });
}
