// The recovery key is lost: with an approved device there is another one, without there is another identity.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { comes } from "./support/comes.mjs";
import { endWith, lenaAndJonas, openBrowser } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, jonas, lost, fresh;

before(async () => {
  await openBrowser();
  server = await Server.alone("recovery");
  [lena, jonas] = await lenaAndJonas(server);
  await lena.meets(jonas, "before-anything");
  await jonas.sends("said-by-jonas");
  await lena.reads("said-by-jonas");
  await lena.startRoom("Cellar");
  await lena.sends("wine-behind-the-coal");
  lost = await lena.saveKey();
});

after(() => endWith(server));

/** In the dialog that shows a recovery key: reads it, and says that it is kept. */
async function keeps({ page }) {
  const dialog = page.getByRole("dialog", { name: "Your recovery key" });
  const key = await dialog.locator("code").filter({ hasText: /\S/ }).innerText();
  await dialog.getByLabel("Type the last group").fill(key.trim().split(/\s+/).at(-1));
  await dialog.getByRole("button", { name: "I have it" }).click();
  await dialog.waitFor({ state: "detached" });
  return key;
}

/** What is asked of the worker by this name fails; answers what ends that. */
async function failing({ page }, method) {
  await page.evaluate((name) => {
    const { postMessage } = Worker.prototype;
    globalThis.mend = () => (Worker.prototype.postMessage = postMessage);
    Worker.prototype.postMessage = function (message, ...more) {
      if (message?.method === name) throw new Error("the disk is full");
      postMessage.call(this, message, ...more);
    };
  }, method);
  return () => page.evaluate(() => void globalThis.mend());
}

/** The version of the backup to which a request writes. */
function backedUpTo(request) {
  const { pathname, searchParams } = new URL(request.url());
  return request.method() === "PUT" && pathname.endsWith("/room_keys/keys") ? searchParams.get("version") : undefined;
}

test("an approved device makes another recovery key, which approves a new device and brings back what was said", async () => {
  const { page } = lena;
  // Who has not saved the first one needs no other.
  await jonas.page.getByRole("button", { name: "Settings" }).click();
  await jonas.page.getByRole("button", { name: "Save the recovery key" }).click();
  const saving = jonas.page.getByRole("dialog", { name: "Your recovery key" });
  const mend = await failing(jonas, "keySaved");
  const jonasKey = await saving.locator("code").filter({ hasText: /\S/ }).innerText();
  await saving.getByLabel("Type the last group").fill(jonasKey.trim().split(/\s+/).at(-1));
  await saving.getByRole("button", { name: "I have it" }).click();
  await saving.getByText("That did not work").waitFor();
  await mend();
  await saving.getByRole("button", { name: "Later" }).click();
  await jonas.page.getByRole("button", { name: "Back" }).click();
  await jonas.choose("lena");
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Make a new recovery key" }).click();
  const asked = page.getByRole("dialog", { name: "A new recovery key?" });
  await assertAccessible(page, "a new recovery key");
  // Nobody is surprised by a press too many.
  await asked.getByRole("button", { name: "Cancel" }).click();
  await asked.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Make a new recovery key" }).click();
  // Without the server there is none; pressed again, there is one.
  await lena.context.setOffline(true);
  await asked.getByRole("button", { name: "Make a new recovery key" }).click();
  await asked.getByRole("alert").waitFor();
  await lena.context.setOffline(false);
  // Nor is one shown that opens nothing, as what it is to open is not stored.
  const refuse = (route) => (route.request().method() === "PUT" ? route.abort() : route.continue());
  await page.route("**/account_data/**", refuse);
  const isStoring = (request) => request.url().includes("/account_data/");
  await Promise.all([page.waitForEvent("requestfailed", isStoring), asked.getByRole("button", { name: "Make a new recovery key" }).click()]);
  await asked.getByRole("alert").waitFor();
  await asked.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Back" }).click();
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Save the recovery key" }).click();
  const shown = page.getByRole("dialog", { name: "Your recovery key" });
  await shown.getByText("That did not work").waitFor();
  assert.equal(await shown.locator("code").filter({ hasText: /\S/ }).count(), 0);
  await page.unroute("**/account_data/**", refuse);
  await shown.getByRole("button", { name: "Try again" }).click();
  fresh = await keeps(lena);
  assert.notEqual(fresh, lost);
  await page.getByRole("button", { name: "Make a new recovery key" }).waitFor();
  await page.getByRole("button", { name: "Back" }).click();

  const second = await lena.secondDevice();
  const versions = new Set();
  second.page.on("request", (request) => void (backedUpTo(request) && versions.add(backedUpTo(request))));
  await second.page.getByRole("button", { name: "Approve" }).click();
  const dialog = second.page.getByRole("dialog");
  await dialog.getByLabel("Recovery key").fill(lost);
  await dialog.getByRole("button", { name: "Approve", exact: true }).click();
  await dialog.getByText("This is the recovery key of another account, or an old one.").waitFor();
  await second.approve(fresh);
  await second.unapproved().waitFor({ state: "detached" });
  await second.choose("Cellar");
  await second.reads("wine-behind-the-coal");
  await second.choose("jonas");
  await second.sends("from-the-recovered-device");
  await jonas.reads("from-the-recovered-device");
  // The other device writes to the new backup, too: it is given what it needs for that.
  assert.equal(versions.size, 1);
  const [before] = versions;
  const goesOn = second.page.waitForRequest((request) => ![undefined, before].includes(backedUpTo(request)));
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Make a new recovery key" }).click();
  await asked.getByRole("button", { name: "Make a new recovery key" }).click();
  fresh = await keeps(lena);
  await page.getByRole("button", { name: "Back" }).click();
  await goesOn;
  assert.deepEqual(second.crashes, []);
  await second.close();
});

test("who has neither a device nor the key begins a new identity, when the server is sure of them", async () => {
  const third = await lena.secondDevice();
  const { page } = third;
  await third.unapproved().waitFor();
  await page.getByRole("button", { name: "Approve" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "I have neither" }).click();
  const dialog = page.getByRole("dialog", { name: "Begin anew?" });
  await dialog.getByText("People you write with see that your identity changed", { exact: false }).waitFor();
  await assertAccessible(page, "a new identity");
  await dialog.getByLabel("Your password").fill("not this one");
  await dialog.getByRole("button", { name: "Begin with a new identity" }).click();
  await dialog.getByText("That is not your password.").waitFor();
  await assertAccessible(page, "a new identity refused");
  // Nothing has changed, also not after a start: neither here nor for the others.
  await page.reload();
  await third.unapproved().waitFor();
  await lena.choose("jonas");
  await lena.sends("still-the-same-identity");
  await jonas.reads("still-the-same-identity");

  await page.getByRole("button", { name: "Approve" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "I have neither" }).click();
  await dialog.getByRole("button", { name: "Back" }).click();
  await page.getByRole("dialog", { name: "Approve this device" }).getByRole("button", { name: "I have neither" }).click();
  await dialog.getByLabel("Your password").fill(lena.password);
  await dialog.getByRole("button", { name: "Begin with a new identity" }).click();
  const key = await keeps(third);
  assert.ok(![lost, fresh].includes(key));
  await third.unapproved().waitFor({ state: "detached" });
  assert.equal(await page.getByText("Your recovery key is not saved yet.").count(), 0);
  await third.startRoom("Attic");
  await third.sends("hats-in-the-trunk");

  // The others notice, and the old devices are to be approved anew: the new key does it.
  await jonas.say("is-that-you");
  await jonas.page.getByText("Waiting, not sent: look at", { exact: false }).waitFor();
  await lena.page.getByText("Another device began a new identity for you", { exact: false }).waitFor();
  await lena.page.getByRole("button", { name: "Approve" }).click();
  await lena.page.getByText("If it was not, somebody has your password", { exact: false }).waitFor();
  await assertAccessible(lena.page, "approving after a new identity");
  await lena.page.getByRole("dialog").getByLabel("Recovery key").fill(fresh);
  await lena.page.getByRole("dialog").getByRole("button", { name: "Approve", exact: true }).click();
  await lena.page.getByText("This is the recovery key of another account, or an old one.").waitFor();
  await lena.approve(key);
  await lena.page.getByText("Another device began a new identity for you", { exact: false }).waitFor({ state: "detached" });
  await lena.choose("Attic");
  await third.sends("coats-by-the-window");
  await lena.reads("coats-by-the-window");
  assert.deepEqual([...third.crashes, ...lena.crashes], []);
});

test("whoever logs out is told of how many conversations the keys can't be backed up", async () => {
  const { page } = lena;
  await page.route("**/room_keys/keys?*", (route) => route.fulfill({ status: 503, json: { errcode: "M_UNKNOWN" } }));
  await lena.choose("Cellar");
  await lena.sends("one-more-for-the-cellar");
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Log out" }).last().click();
  const dialog = page.getByRole("dialog", { name: "Log out?" });
  await dialog.getByText(/The keys of (one conversation|\d+ conversations) could not be put into your backup/).waitFor();
  await assertAccessible(page, "logging out");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await page.unroute("**/room_keys/keys?*");
  await page.getByRole("button", { name: "Back" }).click();
});

test("keys go to a file and come from one also on a device that is not approved", async () => {
  const { page } = lena;
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Save keys to a file" }).click();
  await page.getByLabel("Passphrase").fill("corked and dusty");
  await page.getByLabel("Once more").fill("corked and dusty");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("dialog").getByRole("button", { name: "Save keys to a file" }).click(),
  ]);
  const fourth = await lena.secondDevice();
  await fourth.unapproved().waitFor();
  await fourth.page.getByRole("button", { name: "Settings" }).click();
  await fourth.page.getByRole("button", { name: "Save keys to a file" }).click();
  await fourth.page.getByLabel("Passphrase").fill("hardly anything");
  await fourth.page.getByLabel("Once more").fill("hardly anything");
  await Promise.all([
    fourth.page.waitForEvent("download"),
    fourth.page.getByRole("dialog").getByRole("button", { name: "Save keys to a file" }).click(),
  ]);
  await fourth.page.getByRole("button", { name: "Read keys from a file" }).click();
  await fourth.page.getByLabel("Choose the file").setInputFiles(await download.path());
  await fourth.page.getByLabel("Passphrase").fill("corked and dusty");
  await fourth.page.getByRole("dialog").getByRole("button", { name: "Read keys from a file" }).click();
  await fourth.page.getByRole("dialog").getByText("came", { exact: false }).waitFor();
  await fourth.page.getByRole("button", { name: "Done" }).click();
  await fourth.page.getByRole("button", { name: "Back" }).click();
  // It reads what others said, and is not approved by that.
  await fourth.page.getByRole("navigation", { name: "Rooms" }).getByRole("button", { name: "jonas" }).click();
  await fourth.reads("said-by-jonas");
  await fourth.unapproved().waitFor();
  assert.deepEqual(fourth.crashes, []);
});

test("in German, too, the ways to approve fit on the narrowest phone", async () => {
  const phone = await lena.secondDevice();
  const { page } = phone;
  await page.evaluate(() => localStorage.setItem("language", "de"));
  await page.reload();
  await page.setViewportSize({ width: 360, height: 720 });
  await page.getByRole("status").getByRole("button", { name: "Bestätigen" }).click();
  const dialog = page.getByRole("dialog");
  const sticksOut = () =>
    dialog.evaluate((node) => [...node.querySelectorAll("*")].filter((one) => one.getBoundingClientRect().right > node.getBoundingClientRect().right).length);
  const neither = dialog.getByRole("button", { name: "Ich habe beides nicht" });
  await neither.waitFor();
  await comes(sticksOut, 0);
  await neither.click();
  await dialog.getByLabel("Dein Passwort").waitFor();
  await comes(sticksOut, 0);
  await phone.close();
});

test("in a tab beside the one that owns the keys both are renewed as well", async () => {
  const owner = await jonas.secondDevice();
  const beside = await owner.tab();
  for (const one of [owner, beside]) await one.unapproved().waitFor();
  await beside.page.getByRole("button", { name: "Approve" }).click();
  await beside.page.getByRole("dialog").getByRole("button", { name: "I have neither" }).click();
  await beside.page.getByLabel("Your password").fill(jonas.password);
  await beside.page.getByRole("button", { name: "Begin with a new identity" }).click();
  const first = await keeps(beside);
  for (const one of [owner, beside]) await one.unapproved().waitFor({ state: "detached" });
  await beside.page.getByRole("button", { name: "Settings" }).click();
  await beside.page.getByRole("button", { name: "Make a new recovery key" }).click();
  await beside.page.getByRole("dialog").getByRole("button", { name: "Make a new recovery key" }).click();
  const key = await keeps(beside);
  assert.notEqual(key, first);
  const last = await jonas.secondDevice();
  await last.page.getByRole("button", { name: "Approve" }).click();
  await last.approve(key);
  await last.unapproved().waitFor({ state: "detached" });
  assert.deepEqual([...owner.crashes, ...last.crashes], []);
});
