// Every main screen, light and dark, wide and narrow, into the folder that SCREENSHOTS names; with ONLY=room,people these
// alone.
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { closeBrowser, openBrowser } from "./support/person.mjs";
import { tour, WIDE } from "./support/tour.mjs";

const folder = process.env.SCREENSHOTS;
const only = process.env.ONLY?.split(",");
mkdirSync(folder, { recursive: true });

const SIZES = { wide: WIDE, narrow: { width: 360, height: 740 } };

async function take(page, name) {
  if (only && !only.includes(name)) return;
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.waitForTimeout(250);
      await page.screenshot({ path: join(folder, `${name}-${size}-${colorScheme}.png`) });
    }
  }
  await page.setViewportSize(WIDE);
}

await openBrowser();
try {
  await tour(take);
} finally {
  await closeBrowser();
}
