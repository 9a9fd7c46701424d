// Every main screen, light and dark, wide and narrow, into the folder that SCREENSHOTS names; with ONLY=room,people these
// alone, with WORDS=de in German. Of each, axe must find nothing, in high contrast too.
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { findings, inTheme } from "./support/axe.mjs";
import { closeBrowser, openBrowser } from "./support/person.mjs";
import { tour } from "./support/tour.mjs";
import { WIDE } from "./support/tour/steps.mjs";

const folder = process.env.SCREENSHOTS;
const only = process.env.ONLY?.split(",");
const words = process.env.WORDS;
mkdirSync(folder, { recursive: true });

const SIZES = { wide: WIDE, narrow: { width: 360, height: 740 } };
const found = [];

/** Says everything in another language, as a choice in another tab would. */
async function speak(page, language) {
  await page.evaluate((language) => {
    localStorage.setItem("language", language);
    dispatchEvent(new StorageEvent("storage"));
  }, language);
  await page.waitForFunction((language) => document.documentElement.lang === language, language);
}

async function lookAt(page, name, size) {
  for (const theme of ["light", "dark", "contrast", "contrast dark"]) {
    await inTheme(page, theme, async () => {
      // Where there is another width, lists are laid out anew.
      await page.waitForTimeout(theme === "light" ? 250 : 50);
      if (!theme.startsWith("contrast")) await page.screenshot({ path: join(folder, `${name}-${size}-${theme}.png`) });
      // Of another theme the colours alone are other ones.
      for (const one of await findings(page, theme === "light" ? undefined : ["color-contrast"])) found.push(`${name}, ${size}, ${theme}: ${one}`);
    });
  }
  const isWide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  if (isWide) found.push(`${name}, ${size}: wider than the window`);
}

async function take(page, name) {
  if (only && !only.includes(name)) return;
  if (words) await speak(page, words);
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    await lookAt(page, name, size);
  }
  await page.setViewportSize(WIDE);
  if (words) await speak(page, "en");
}

await openBrowser();
try {
  await tour(take);
} finally {
  await closeBrowser();
  for (const one of found) console.error(one);
  if (found.length > 0) process.exitCode = 1;
}
