// The recovery key at sign-up, and keys in a file.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena;

before(async () => {
  await openBrowser();
  server = await Server.alone("keys");
});

after(() => endWith(server));

test("making an account ends with the recovery key, which is proven by a part of it", async () => {
  lena = await Person.fillRegistration(server, "lena");
  const dialog = lena.page.getByRole("dialog", { name: "Your recovery key" });
  await dialog.getByText("One thing before you begin").waitFor();
  await assertAccessible(lena.page, "recovery key at sign-up");
  await dialog.getByLabel("Type the last group").fill("no");
  await dialog.getByRole("button", { name: "I have it" }).click();
  await dialog.getByText("That is not the last group.").waitFor();
  const key = await dialog.locator("code").filter({ hasText: /\S/ }).innerText();
  await dialog.getByLabel("Type the last group").fill(key.trim().split(/\s+/).at(-1));
  await dialog.getByRole("button", { name: "I have it" }).click();
  await dialog.waitFor({ state: "detached" });
  await lena.page.getByText("No rooms yet").waitFor();
  assert.equal(await lena.page.getByText("Your recovery key is not saved yet.").count(), 0);
});

test("keys go to a file, which opens by its passphrase alone", async () => {
  const { page } = lena;
  await lena.startRoom("Cellar");
  await lena.sends("The wine is behind the coal");
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Save keys to a file" }).click();
  await page.getByLabel("Passphrase").fill("short");
  await page.getByLabel("Once more").fill("short");
  await page.getByRole("dialog").getByRole("button", { name: "Save keys to a file" }).click();
  await page.getByRole("alert").getByText("At least 8 characters.").waitFor();
  await assertAccessible(page, "keys to a file");
  await page.getByLabel("Passphrase").fill("corked and dusty");
  await page.getByText(/^(Fair|Good)\./).waitFor();
  await page.getByLabel("Once more").fill("corked and rusty");
  await page.getByRole("dialog").getByRole("button", { name: "Save keys to a file" }).click();
  await page.getByText("The two are not the same.").waitFor();
  await page.getByLabel("Once more").fill("corked and dusty");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("dialog").getByRole("button", { name: "Save keys to a file" }).click(),
  ]);
  const file = await download.path();
  await page.getByRole("button", { name: "Read keys from a file" }).click();
  await page.getByLabel("Choose the file").setInputFiles(file);
  await page.getByLabel("Passphrase").fill("another one");
  await page.getByRole("dialog").getByRole("button", { name: "Read keys from a file" }).click();
  await page.getByText("That is not the passphrase of this file.").waitFor();
  await assertAccessible(page, "keys from a file");
  await page.getByLabel("Passphrase").fill("corked and dusty");
  await page.getByRole("dialog").getByRole("button", { name: "Read keys from a file" }).click();
  await page.getByText("All keys in this file were here already.").waitFor();
  // Registration asks first what the server wants: that is an answer of 401.
  assert.deepEqual(lena.complaints.filter((words) => !words.includes("401")), []);
});
