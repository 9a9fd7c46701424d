// What stands in the way of people who read by ear, by keyboard, or with little contrast: axe must find nothing.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Looks at the page as it stands, in light and in dark; `contrast` is the theme of that name. */
export async function assertAccessible(page, what, themes = ["light", "dark"]) {
  for (const theme of themes) {
    await page.emulateMedia({ colorScheme: theme === "dark" ? "dark" : "light", reducedMotion: "reduce" });
    const chosen = await page.evaluate(() => document.documentElement.dataset.theme);
    if (theme === "contrast") await page.evaluate(() => void (document.documentElement.dataset.theme = "contrast"));
    // The colours are those of the next frame.
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    // Through the debugger: the page's own policy lets no foreign script in.
    await page.evaluate(source);
    const { violations } = await page.evaluate(() =>
      globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }),
    );
    await page.evaluate((chosen) => {
      if (chosen) document.documentElement.dataset.theme = chosen;
      else delete document.documentElement.dataset.theme;
    }, chosen);
    const said = ({ html, any }) => `${html.slice(0, 200)} (${any.map(({ message }) => message).join(" ")})`;
    const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(said).join(" | ")}`);
    assert.deepEqual(told, [], `${what}, ${theme}`);
  }
}
