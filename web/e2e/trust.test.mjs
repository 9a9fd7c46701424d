// Whom one talks to, with which devices, and what happens when the connection goes.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { endWith, lenaAndJonas, openBrowser } from "./support/person.mjs";
import { foundAt } from "./support/scan.mjs";
import { twoServers } from "./support/servers.mjs";

let servers, lena, jonas, key;

before(async () => {
  await openBrowser();
  servers = await twoServers("trust");
  [lena, jonas] = await lenaAndJonas(...servers);
  await lena.meets(jonas, "Hello Jonas");
  await jonas.say("Hello Lena");
  await lena.reads("Hello Lena");
});

after(() => endWith(...(servers ?? [])));

async function openComparison(person) {
  await person.page.getByRole("button", { name: "Who can read this" }).click();
  await person.page.getByRole("complementary").getByRole("button", { name: "Not compared" }).click();
  return person.page.getByRole("dialog");
}

test("both see the same safety number", async () => {
  const numbers = [];
  for (const person of [lena, jonas]) {
    const dialog = await openComparison(person);
    await dialog.locator(".number span").first().waitFor();
    await assertAccessible(person.page, "safety number", person === lena ? undefined : ["light", "dark"]);
    numbers.push((await dialog.locator(".number").getAttribute("aria-label")).replaceAll(" ", ""));
    await person.page.keyboard.press("Escape");
    await person.page.getByRole("dialog").waitFor({ state: "detached" });
    await person.page.getByRole("complementary").getByRole("button", { name: "Close" }).click();
  }
  assert.match(numbers[0], /^\d{60}$/);
  assert.equal(numbers[0], numbers[1]);
});

/** Lena asks Jonas to compare emoji. */
async function askForComparison() {
  const dialog = await openComparison(lena);
  await dialog.getByRole("button", { name: "Compare emoji instead" }).click();
  await lena.page.getByText("Waiting until jonas agrees…").waitFor();
  await jonas.page.getByRole("dialog", { name: "lena wants to compare emoji" }).waitFor();
}

const bothCompare = () => Promise.all([lena, jonas].map(({ page }) => page.getByText("Do you both see these, in this order?").waitFor()));

/** Says that it came to nothing, and whom nobody is taken for by that. */
async function brokenOff(...people) {
  for (const { page } of people) {
    await page.getByText("The comparison was broken off.").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Done" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
  }
  const panel = lena.page.getByRole("complementary");
  await panel.getByRole("button", { name: "Not compared" }).waitFor();
  await panel.getByRole("button", { name: "Close" }).click();
}

test("a comparison that one of the two breaks off, or in which they differ, says so to both and makes nobody verified", async () => {
  await askForComparison();
  await assertAccessible(lena.page, "waiting for a comparison");
  await assertAccessible(jonas.page, "asked for a comparison");
  await lena.page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await brokenOff(jonas);
  await askForComparison();
  await jonas.page.getByRole("button", { name: "Not now" }).click();
  await brokenOff(lena);
  await askForComparison();
  await jonas.page.getByRole("button", { name: "Start" }).click();
  await bothCompare();
  await assertAccessible(lena.page, "emoji");
  await lena.page.getByRole("button", { name: "They are the same" }).click();
  await lena.page.getByText("Waiting for jonas…").waitFor();
  await jonas.page.getByRole("button", { name: "They differ" }).click();
  await lena.page.getByText("The comparison was broken off.").waitFor();
  await assertAccessible(lena.page, "a comparison that was broken off");
  await brokenOff(lena, jonas);
});

test("a comparison in which the server forges a key is broken off", async () => {
  let forged = 0;
  const stop = servers[0].proxy.tamper(({ path }, told) => {
    if (!path.endsWith("/sync")) return;
    for (const event of told.extensions?.to_device?.events ?? []) {
      if (event.type !== "m.key.verification.key") continue;
      event.content.key = Buffer.alloc(32, 7).toString("base64").replace(/=+$/, "");
      forged += 1;
    }
    return told;
  });
  await askForComparison();
  await jonas.page.getByRole("button", { name: "Start" }).click();
  await brokenOff(lena, jonas);
  assert.equal(forged, 1);
  stop();
});

test("a step that can't be taken says so, and keeps nobody from beginning again", async () => {
  const { page } = lena;
  await askForComparison();
  await jonas.page.getByRole("button", { name: "Start" }).click();
  await bothCompare();
  // What the machine did can't be kept for a while.
  const workers = await Promise.all(page.workers().map(async (one) => ((await one.evaluate(() => self.name)) === "encryption" ? [one] : [])));
  const [machine] = workers.flat();
  await machine.evaluate(() => {
    const begin = IDBDatabase.prototype.transaction;
    IDBDatabase.prototype.transaction = function (stores, mode, options) {
      if (self.isFull && mode === "readwrite") throw new DOMException("no room", "QuotaExceededError");
      return begin.call(this, stores, mode, options);
    };
    self.isFull = true;
  });
  await page.getByRole("button", { name: "They are the same" }).click();
  await page.getByRole("dialog").getByRole("alert").getByText("This step could not be taken.").waitFor();
  await assertAccessible(page, "a step that could not be taken");
  assert.equal(await page.getByText("Waiting for jonas…").count(), 0);
  await machine.evaluate(() => void (self.isFull = false));
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await jonas.page.getByRole("button", { name: "They differ" }).click();
  await brokenOff(jonas);
});

test("two who compare emoji see the same seven, and are verified to each other", async () => {
  await askForComparison();
  await jonas.page.getByRole("button", { name: "Start" }).click();
  const seen = [];
  for (const { page } of [lena, jonas]) {
    await page.getByText("Do you both see these, in this order?").waitFor();
    seen.push(await page.getByRole("dialog").locator("li").allInnerTexts());
  }
  assert.equal(seen[0].length, 7);
  assert.deepEqual(seen[0], seen[1]);
  for (const { page } of [lena, jonas]) await page.getByRole("button", { name: "They are the same" }).click();
  for (const { page } of [lena, jonas]) {
    await page.getByText("Compared. You are talking to each other.").waitFor();
    await page.getByRole("button", { name: "Done" }).click();
  }
  await lena.page.getByRole("complementary").getByText("Verified").nth(1).waitFor();
  await lena.page.getByRole("complementary").getByRole("button", { name: "Close" }).click();
  // At the head of the chat as well, also for who had nothing else open.
  for (const { page } of [lena, jonas]) await page.getByRole("main").getByRole("button", { name: "Verified" }).waitFor();
});

test("what is written offline waits, says so, and is sent when the connection is back", async () => {
  const { page } = lena;
  await lena.context.setOffline(true);
  await page.getByText("You’re offline.", { exact: false }).waitFor();
  await lena.say("written in a tunnel");
  await page.getByText("Waiting for the connection").waitFor();
  await page.getByText("1 message waits", { exact: false }).waitFor();
  await assertAccessible(page, "offline");
  await lena.context.setOffline(false);
  await jonas.reads("written in a tunnel");
  await page.getByText("You’re offline.", { exact: false }).waitFor({ state: "detached" });
});

test("a second device reads and writes when the recovery key was entered, and not before", async () => {
  key = await lena.saveKey();
  const second = await lena.secondDevice();
  const { page } = second;
  await second.unapproved().waitFor();
  await second.choose("jonas");
  await second.say("from a device that nobody knows");
  await page.getByText("Waiting, not sent: approve this device first").waitFor();
  // Nobody is called verified on it, not even oneself.
  await page.getByRole("button", { name: "Who can read this" }).click();
  await page.getByRole("complementary").getByText("You", { exact: true }).waitFor();
  assert.equal(await page.getByRole("complementary").getByText("Verified").count(), 0);
  await page.getByRole("complementary").getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Approve" }).click();
  await page.getByRole("dialog").getByLabel("Recovery key").fill(key.replace(/.$/, ""));
  await page.getByRole("dialog").getByRole("button", { name: "Approve", exact: true }).click();
  await page.getByText("That is not a recovery key", { exact: false }).waitFor();
  await second.approve(key);
  await jonas.reads("from a device that nobody knows");
  await jonas.say("to both of you");
  await second.reads("to both of you");
  await lena.reads("to both of you");
});

/** A new device of lena's, which one that she has compares emoji with. */
async function approvedBy(old) {
  const fresh = await lena.secondDevice();
  await fresh.page.getByRole("button", { name: "Approve" }).click();
  await fresh.page.getByRole("dialog").getByRole("button", { name: "Approve from another device" }).click();
  await fresh.page.getByText("Open Sealpost on a device that you have already approved", { exact: false }).waitFor();
  await old.page.getByRole("dialog", { name: "Is this new device yours?" }).waitFor();
  await assertAccessible(old.page, "a device that asks");
  await old.page.getByRole("button", { name: "Start" }).click();
  for (const { page } of [fresh, old]) {
    await page.getByText("Do you both see these, in this order?").waitFor();
    await page.getByRole("button", { name: "They are the same" }).click();
  }
  for (const { page } of [fresh, old]) {
    await page.getByText("Compared: the new device is yours.", { exact: false }).waitFor();
    await page.getByRole("button", { name: "Done" }).click();
  }
  await fresh.unapproved().waitFor({ state: "detached" });
  return fresh;
}

test("a device is approved from another one, by emoji, and approves the next in its turn", async () => {
  const third = await approvedBy(lena);
  await third.choose("jonas");
  await third.sends("from a device that lena approved");
  await jonas.reads("from a device that lena approved");
  const fourth = await approvedBy(third);
  await fourth.choose("jonas");
  await jonas.say("to four of you");
  for (const own of [lena, third, fourth]) await own.reads("to four of you");
  await Promise.all([third.close(), fourth.close()]);
});

test("a file arrives as it was, and neither its name nor what is in it is anywhere between", async () => {
  const inside = Buffer.from("the-plan-of-the-garden ".repeat(4000));
  await lena.attach("plan-of-the-garden.pdf", inside);
  assert.ok((await jonas.download("plan-of-the-garden.pdf")).equals(inside));
  const secrets = ["plan-of-the-garden", "the-plan-of-the-garden", "written in a tunnel", "to both of you", key];
  for (const server of servers) assert.deepEqual(foundAt(secrets, server), []);
});
