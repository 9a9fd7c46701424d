// A new device of one's own is approved from an old one, and gets what that has.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { endWith, lenaAndJonas, openBrowser } from "./support/person.mjs";
import { foundAt } from "./support/scan.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, jonas, second, third;

before(async () => {
  await openBrowser();
  server = await Server.alone("approval");
  [lena, jonas] = await lenaAndJonas(server);
  await lena.meets(jonas, "said-before-the-second");
  await lena.startRoom("Cellar");
  await lena.sends("wine-behind-the-coal");
});

after(() => endWith(server));

/** Both see the same seven pictures, and say so. */
async function compare(old, fresh) {
  const seen = [];
  for (const { page } of [old, fresh]) {
    await page.getByText("Do you both see these, in this order?").waitFor();
    seen.push(await page.getByRole("dialog").locator("li").allInnerTexts());
  }
  assert.equal(seen[0].length, 7);
  assert.deepEqual(seen[0], seen[1]);
  for (const { page } of [fresh, old]) await page.getByRole("button", { name: "They are the same" }).click();
  for (const { page } of [old, fresh]) {
    await page.getByText("Compared: the new device is yours.", { exact: false }).waitFor();
    await page.getByRole("button", { name: "Done" }).click();
  }
}

test("a second device is approved by comparing emoji, and then reads what was said before", async () => {
  second = await lena.secondDevice();
  const { page } = second;
  await second.unapproved().waitFor();
  await lena.page.getByText("A new device of yours wants to read along", { exact: false }).waitFor();
  await assertAccessible(lena.page, "a new own device");
  await page.getByRole("button", { name: "Approve" }).click();
  await assertAccessible(page, "ways to approve");
  await page.getByRole("button", { name: "Approve from another device" }).click();
  await page.getByText("Open Sealpost on a device that you have already approved", { exact: false }).waitFor();
  await lena.page.getByRole("dialog", { name: "Is this new device yours?" }).waitFor();
  await assertAccessible(lena.page, "asked to approve");
  await lena.page.getByRole("button", { name: "Start" }).click();
  await compare(lena, second);
  for (const one of [lena, second]) {
    await one.unapproved().waitFor({ state: "detached" });
    await one.page.getByText("A new device of yours", { exact: false }).waitFor({ state: "detached" });
  }
  await second.choose("jonas");
  await second.reads("said-before-the-second");
  await second.choose("Cellar");
  await second.reads("wine-behind-the-coal");
  await second.choose("jonas");
  await second.sends("said-by-the-second");
  await jonas.reads("said-by-the-second");
  await lena.choose("jonas");
  await lena.reads("said-by-the-second");
});

test("what was handed over lets the second approve a third, from its list of devices", async () => {
  third = await lena.secondDevice();
  await third.unapproved().waitFor();
  await second.page.getByRole("button", { name: "Settings" }).click();
  const row = second.page.getByRole("listitem").filter({ hasText: "Not approved" });
  await row.getByRole("button", { name: "Approve" }).click();
  // Each is told what to do, whichever of them asked.
  await second.page.getByText("Open Sealpost on the new device", { exact: false }).waitFor();
  await third.page.getByRole("dialog", { name: "Approve this device?" }).waitFor();
  await third.page.getByRole("button", { name: "Start" }).click();
  await compare(second, third);
  await row.waitFor({ state: "detached" });
  await third.choose("jonas");
  await third.reads("said-before-the-second");
  await third.reads("said-by-the-second");
});

test("a device stays one's own until the password for its removal was right", async () => {
  await third.page.getByRole("button", { name: "Settings" }).click();
  const here = await third.page.getByRole("listitem").filter({ hasText: "This browser" }).innerText();
  await third.page.getByRole("button", { name: "Back" }).click();
  const row = second.page.getByRole("listitem").filter({ hasText: /[A-Z]{10}/.exec(here)[0] });
  await row.getByText("Approved", { exact: true }).waitFor();
  await row.getByRole("button", { name: "Log out" }).click();
  const dialog = second.page.getByRole("dialog", { name: "Log out this device" });
  await dialog.getByLabel("Your password").fill("not this one");
  await dialog.getByRole("button", { name: "Log out this device" }).click();
  await dialog.getByText("That is not your password.").waitFor();
  await assertAccessible(second.page, "a device that is to be removed");
  // Its owner has stated nothing: the others still believe it.
  await third.choose("jonas");
  await third.sends("still-one-of-us");
  await jonas.reads("still-one-of-us");
  await dialog.getByLabel("Your password").fill(lena.password);
  await dialog.getByRole("button", { name: "Log out this device" }).click();
  await dialog.waitFor({ state: "detached" });
  await row.waitFor({ state: "detached" });
  await third.page.getByText("Your server logged this device out").waitFor();
  // What is written to the backup from now on only this device opens: whoever logs out of it is told.
  await second.page.getByText("The backup has new keys. Until", { exact: false }).waitFor();
  await second.page.getByRole("button", { name: "Log out", exact: true }).last().click();
  const leaving = second.page.getByRole("dialog", { name: "Log out?" });
  await leaving.getByText("they are not stored under your recovery key yet", { exact: false }).waitFor();
  await leaving.getByRole("button", { name: "Log out and lose my messages" }).waitFor();
  await leaving.getByRole("button", { name: "Cancel" }).click();
});

test("rooms whose keys the server did not take are told of at the device that lacks them", async () => {
  const fourth = await lena.secondDevice();
  await fourth.page.getByText("This device is not approved", { exact: false }).waitFor();
  await second.page.route("**/media/v3/upload**", (route) => route.fulfill({ status: 413, json: { errcode: "M_TOO_LARGE", error: "too large" } }));
  const refused = second.page.waitForResponse((response) => response.status() === 413);
  // The list is that of when it was opened.
  await second.page.getByRole("button", { name: "Back" }).click();
  await second.page.getByRole("button", { name: "Settings" }).click();
  const row = second.page.getByRole("listitem").filter({ hasText: "Not approved" });
  await row.getByRole("button", { name: "Approve" }).click();
  await fourth.page.getByRole("dialog", { name: "Approve this device?" }).waitFor();
  await fourth.page.getByRole("button", { name: "Start" }).click();
  await compare(second, fourth);
  await refused;
  await second.page.getByRole("button", { name: "Back" }).click();
  await second.page.getByRole("button", { name: "Settings" }).click();
  const told = second.page.getByRole("listitem").getByText(/What was said before in .*Cellar.* can’t be read there: your server did not take/);
  await told.waitFor();
  await assertAccessible(second.page, "a device that lacks keys");
});

test("no server has a word of what was handed over", () => {
  assert.deepEqual(foundAt(["said-before-the-second", "wine-behind-the-coal", "said-by-the-second"], server), []);
});
