// Pictures large, voices heard, files fetched with their progress: all of it sealed.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { closeBrowser, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, jonas;

before(async () => {
  await openBrowser();
  server = await Server.alone("media");
  [lena, jonas] = await Promise.all([Person.register(server, "lena"), Person.register(server, "jonas")]);
  await lena.meets(jonas, "pictures follow");
});

after(async () => {
  await closeBrowser();
  await server?.stop();
});

test("pictures are looked at large, one after the other, and closed again", async () => {
  const encoded = await lena.page.evaluate(() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 400, height: 300 });
    const context = canvas.getContext("2d");
    context.fillStyle = "teal";
    context.fillRect(40, 40, 200, 150);
    return canvas.toDataURL("image/png").split(",")[1];
  });
  for (const name of ["roof.png", "gutter.png"]) {
    const path = join(server.folder, "..", name);
    writeFileSync(path, Buffer.from(encoded, "base64"));
    await lena.page.locator("input[type=file]").setInputFiles(path);
    await jonas.page.getByRole("img", { name }).waitFor();
  }
  const { page } = jonas;
  await page.getByRole("button", { name: "Picture: roof.png" }).click();
  const box = page.getByRole("dialog", { name: "Picture" });
  await box.getByRole("img", { name: "roof.png" }).waitFor();
  await assertAccessible(page, "a picture, large");
  await box.getByRole("button", { name: "Larger" }).click();
  await page.keyboard.press("ArrowRight");
  await box.getByRole("img", { name: "gutter.png" }).waitFor();
  await page.setViewportSize({ width: 360, height: 720 });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth));
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.keyboard.press("Escape");
  await box.waitFor({ state: "detached" });
});

test("a voice message is recorded, and heard on the other side", async () => {
  await lena.page.getByRole("button", { name: "Add", exact: true }).click();
  await lena.page.getByRole("menuitem", { name: "Voice message" }).click();
  const recorder = lena.page.getByRole("group", { name: "Voice message" });
  await recorder.getByText("0:01").waitFor();
  await assertAccessible(lena.page, "recording");
  await recorder.getByRole("button", { name: "Send" }).click();
  const message = jonas.page.getByRole("article").filter({ hasText: "Voice message" });
  await message.waitFor();
  await assertAccessible(jonas.page, "a voice message");
  await message.getByRole("button", { name: "Play" }).click();
  await jonas.page.waitForFunction(() => document.querySelector("audio")?.currentTime > 0);
});

test("a file that is fetched can be stopped, and fetched again", async () => {
  await lena.attach("plan.pdf", Buffer.alloc(200_000, 7));
  const message = jonas.page.getByRole("article").filter({ hasText: "plan.pdf" });
  await message.waitFor();
  let letGo;
  const held = new Promise((resolve) => (letGo = resolve));
  await jonas.context.route("**/media/download/**", (route) => held.then(() => route.fallback()));
  await message.getByRole("button", { name: "Download" }).click();
  await message.getByRole("button", { name: "Cancel" }).click();
  letGo();
  const [download] = await Promise.all([
    jonas.page.waitForEvent("download"),
    message.getByRole("button", { name: "Download" }).click(),
  ]);
  assert.equal(download.suggestedFilename(), "plan.pdf");
});
