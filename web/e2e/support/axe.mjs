// What stands in the way of people who read by ear, by keyboard, or with little contrast: axe must find nothing.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** Shows the page in the colours of a theme, while something is done; `contrast` is the one of that name, in the dark too. */
export async function inTheme(page, theme, operation) {
  await page.emulateMedia({ colorScheme: theme.includes("dark") ? "dark" : "light", reducedMotion: "reduce" });
  const chosen = await page.evaluate(() => document.documentElement.dataset.theme);
  if (theme.startsWith("contrast")) await page.evaluate(() => void (document.documentElement.dataset.theme = "contrast"));
  // The colours are those of the next frame.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  try {
    return await operation();
  } finally {
    await page.evaluate((chosen) => {
      if (chosen) document.documentElement.dataset.theme = chosen;
      else delete document.documentElement.dataset.theme;
    }, chosen);
  }
}

/** What axe finds on the page as it stands; `rules`: those alone. */
export async function findings(page, rules) {
  // Through the debugger: the page's own policy lets no foreign script in.
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(source);
  const runOnly = rules ? { type: "rule", values: rules } : { type: "tag", values: RULES };
  const { violations } = await page.evaluate((options) => globalThis.axe.run(document, options), { runOnly, resultTypes: ["violations"] });
  const said = ({ html, any }) => `${html.slice(0, 200)} (${any.map(({ message }) => message).join(" ")})`;
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(said).join(" | ")}`);
}

/** Looks at the page as it stands, in every theme: after the first, at the colours alone. */
export async function assertAccessible(page, what, themes = ["light", "dark", "contrast", "contrast dark"]) {
  for (const [at, theme] of themes.entries()) {
    const rules = at === 0 ? undefined : ["color-contrast"];
    await inTheme(page, theme, async () => assert.deepEqual(await findings(page, rules), [], `${what}, ${theme}`));
  }
}
