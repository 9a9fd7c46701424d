// Every main screen, light and dark, wide and narrow, into the folder that SCREENSHOTS names.
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { closeBrowser, openBrowser, Person } from "./support/person.mjs";
import { twoServers } from "./support/servers.mjs";

const folder = process.env.SCREENSHOTS;
mkdirSync(folder, { recursive: true });

const SIZES = { wide: { width: 1440, height: 900 }, narrow: { width: 390, height: 844 } };

async function take(page, name) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.waitForTimeout(400);
      await page.screenshot({ path: join(folder, `${name}-${size}-${colorScheme}.png`) });
    }
  }
  await page.setViewportSize(SIZES.wide);
}

/** A light picture, wide, of something that is open. */
async function takeOne(page, name) {
  await page.emulateMedia({ colorScheme: "light" });
  await page.waitForTimeout(400);
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

await openBrowser();
const servers = await twoServers("pictures");
try {
  const visitor = await Person.open(servers[0]);
  await visitor.page.getByRole("heading", { name: "Welcome back" }).waitFor();
  await take(visitor.page, "login");
  await visitor.page.getByRole("button", { name: "Create an account" }).click();
  await takeOne(visitor.page, "register");
  await visitor.close();

  const options = { viewport: SIZES.wide };
  const [lena, tomasz] = await Promise.all([
    Person.register(servers[0], "lena", options),
    Person.register(servers[1], "tomasz", options),
  ]);
  await takeOne(lena.page, "empty");
  await lena.setName("Lena Vogt");
  await tomasz.setName("Tomasz Wilk");

  await lena.startRoom("Garden house", "Roof, gutters, paint");
  await lena.invite(tomasz);
  await lena.startChat(tomasz);
  await lena.say("Have you seen the invitation?");
  await tomasz.page.getByText("invites you").first().waitFor();
  await takeOne(tomasz.page, "invitation");
  await tomasz.accept(/Garden house/);
  await tomasz.accept(/Lena Vogt/);
  await tomasz.reads("Have you seen the invitation?");
  await tomasz.say("Just now. Sounds good, see you there!");
  await lena.reads("Just now. Sounds good, see you there!");
  await lena.choose("Garden house");
  await lena.say("The carpenter was here. **Roof is done**, gutters come on Thursday.");
  await lena.say("Here is the invoice, could someone check the second page?");
  await lena.attach("invoice-roof.pdf", Buffer.alloc(312_000, 7));
  await lena.page.getByRole("article").getByText("invoice-roof.pdf").waitFor();
  await tomasz.choose("Garden house");
  await tomasz.page.getByRole("article").getByText("invoice-roof.pdf").waitFor();
  await tomasz.reply("Here is the invoice, could someone check the second page?", "Page two is fine, they took off the scaffolding as agreed 👍");
  await lena.reads("Page two is fine, they took off the scaffolding as agreed 👍");
  await lena.react("Page two is fine, they took off the scaffolding as agreed 👍", "❤️");
  await tomasz.say("1. Paint\n2. Brushes\n3. `ladder` from Jonas");
  await lena.page.getByRole("article").getByText("Brushes").waitFor();
  await take(lena.page, "room");
  await lena.page.getByRole("button", { name: "Who can read this" }).click();
  await lena.page.getByText("@tomasz").first().waitFor();
  await take(lena.page, "panel");
  await lena.page.getByRole("button", { name: "Not compared" }).first().click();
  await lena.page.getByRole("dialog").waitFor();
  await takeOne(lena.page, "number");
  await lena.page.keyboard.press("Escape");
  await lena.page.keyboard.press("Control+k");
  await takeOne(lena.page, "jump");
  await lena.page.keyboard.press("Escape");
  await lena.page.getByRole("button", { name: "New room or chat" }).first().click();
  await takeOne(lena.page, "add");
  await lena.page.getByRole("tab", { name: "New room" }).click();
  await takeOne(lena.page, "add-room");
  await lena.page.keyboard.press("Escape");
  await lena.page.getByRole("button", { name: "Save it" }).click();
  await lena.page.getByText("Your recovery key", { exact: true }).waitFor();
  await takeOne(lena.page, "recovery");
  await lena.page.keyboard.press("Escape");
  await lena.page.getByRole("button", { name: "Settings" }).click();
  await lena.page.getByText("This browser").waitFor();
  await take(lena.page, "settings");
} finally {
  await closeBrowser();
  await Promise.all(servers.map((server) => server.stop()));
}
