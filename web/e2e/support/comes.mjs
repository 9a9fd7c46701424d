// What is asked of a page is asked again until it is so: it has its own pace.

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";

const PATIENCE_MS = 10_000;

/** Waits until the answer is as expected, or matches; else fails with the last one. */
export async function comes(ask, expected) {
  const isMatch = expected instanceof RegExp;
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (isMatch ? expected.test(answer) : isDeepStrictEqual(answer, expected)) return;
    if (Date.now() > end) return isMatch ? assert.match(answer, expected) : assert.deepEqual(answer, expected);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export const hasFocus = (one) => comes(() => one.evaluate((node) => node === document.activeElement), true);

/** Nothing is wider than the page. */
export const fits = (page) =>
  comes(() => page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), true);
