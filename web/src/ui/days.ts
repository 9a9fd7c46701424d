/** All zones are whole quarters of an hour apart: within one, the day is the same everywhere. */
const QUARTER_MS = 15 * 60_000;
/** The one asked for last: messages come in their order. */
let last = { quarter: NaN, key: "" };

/** The same for two times of one day, where this person is. */
export function dayKey(ts: number): string {
  const quarter = Math.floor(ts / QUARTER_MS);
  if (quarter !== last.quarter) {
    const date = new Date(ts);
    last = { quarter, key: `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}` };
  }
  return last.key;
}
