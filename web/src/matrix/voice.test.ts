import { expect, test } from "vitest";

import { heardWaveform, waveform } from "./voice";

test("what was said goes as a hundred numbers at the most, the loudest at the top", () => {
  const levels = Array.from({ length: 730 }, (_, at) => (at === 365 ? 0.5 : 0.1));
  const sent = waveform(levels);
  expect(sent).toHaveLength(100);
  expect(sent[50]).toBe(1024);
  expect(sent[10]).toBe(205);
  expect(waveform([0, 0, 0])).toEqual([0, 0, 0]);
  expect(waveform([])).toEqual([]);
});

test("what somebody else says of it has the length that is wanted, and no number beyond its bounds", () => {
  const told = (waveform: unknown) => ({ "org.matrix.msc1767.audio": { waveform } }) as never;
  expect(heardWaveform(told([0, 512, 4096, -3, "x"]), 5)).toEqual([0, 0.5, 1, 0, 0]);
  expect(heardWaveform(told([1024, 0]), 4)).toEqual([1, 1, 0, 0]);
  expect(heardWaveform(told(Array(1_000_000).fill(1024)), 3)).toEqual([1, 1, 1]);
  for (const odd of [undefined, "loud", {}, []]) expect(heardWaveform(told(odd), 4)).toEqual([]);
});
