// A long conversation: its place is kept, and every part of it can be reached.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { comes } from "./support/comes.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

const COUNT = 260;
let server, lena, page, roomId;
/** Lets older messages come. */
let letGo;

const words = (number) => `message number ${number}.`;

before(async () => {
  await openBrowser();
  server = await Server.alone("timeline");
  lena = await Person.register(server, "lena");
  ({ page } = lena);
  await page.emulateMedia({ reducedMotion: "reduce" });
  const token = await server.logIn(lena);
  // She comes back to a long conversation.
  await lena.context.setOffline(true);
  roomId = (await server.call(token, "POST", "/createRoom", { name: "Long", preset: "private_chat" })).room_id;
  const contents = Array.from({ length: COUNT }, (_, at) => ({ msgtype: "m.text", body: words(at) }));
  const ids = await server.fill(token, roomId, contents);
  const reply = { msgtype: "m.text", body: "about the third", "m.relates_to": { "m.in_reply_to": { event_id: ids[3] } } };
  await server.call(token, "PUT", `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/r`, reply);
  await lena.context.setOffline(false);
  const held = new Promise((resolve) => (letGo = resolve));
  await lena.context.route("**/messages?*", (route) => held.then(() => route.fallback()));
  await lena.choose("Long");
  await lena.reads("about the third");
});

after(() => endWith(server));

const endOf = (text) => lena.message(text).evaluate((node) => node.getBoundingClientRect().bottom);
const scrollBy = (by) =>
  page.getByRole("log").evaluate((log, by) => log.parentElement.parentElement.scrollBy(0, by), by);

/** As it is painted. */
const assertNear = (now, before, what) => assert.ok(Math.abs(now - before) <= 1, `${what}: from ${before} to ${now}`);
const painted = () => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

test("it opens at its end, with few rows in the page", async () => {
  const box = await lena.message("about the third").boundingBox();
  assert.ok(box.y > 300);
  assert.ok((await page.getByRole("article").count()) < 60);
});

test("what is read stays where it is while older messages come above", async () => {
  await scrollBy(-100_000);
  const gap = page.locator("[data-row^=gap]");
  await gap.waitFor();
  const name = await gap.getAttribute("data-row");
  const seen = page.getByRole("article").first();
  const number = /number (\d+)/.exec(await seen.textContent())[1];
  const before = await endOf(words(number));
  letGo();
  await page.locator(`[data-row="${name}"]`).waitFor({ state: "detached" });
  await painted();
  assertNear(await endOf(words(number)), before, "older messages above");
  await lena.message(words(number - 1)).waitFor({ state: "attached", timeout: 5000 });
});

test("a reply leads to what it answers, also where that was not fetched yet; and back to the newest", async () => {
  await page.getByRole("button", { name: "To the newest" }).click();
  await lena.message("about the third").getByRole("button", { name: /…|message number 3/ }).click();
  await lena.reads(words(3));
  await assertAccessible(page, "somewhere in a long room");
  await page.getByRole("button", { name: "To the newest" }).click();
  await lena.reads("about the third");
});

test("a day leads to its first message", async () => {
  await lena.chooseAbout("Go to a date");
  await page.getByRole("dialog").waitFor();
  await assertAccessible(page, "a date");
  await page.getByRole("button", { name: "Go there" }).click();
  await lena.reads(words(0));
});

test("what is read stays where it is while something above it grows, and while something is said below", async () => {
  await page.getByRole("button", { name: "To the newest" }).click();
  await lena.reads("about the third");
  await scrollBy(-400);
  const read = page.getByRole("article").filter({ hasText: /number \d+/ });
  const inView = await read.evaluateAll((all) => {
    const { top } = document.querySelector("[role=log]").parentElement.parentElement.getBoundingClientRect();
    return all.findIndex((one) => one.getBoundingClientRect().top >= top);
  });
  const row = read.nth(inView);
  const number = /number (\d+)/.exec(await row.textContent())[1];
  const before = await endOf(words(number));
  // As a picture without a size does, or what is behind a link: all rows above it, also one that is half on the screen.
  await row.evaluate((one) => {
    for (let above = one.parentElement.previousElementSibling; above; above = above.previousElementSibling) {
      above.firstElementChild.style.paddingBlockEnd = "37px";
    }
  });
  await painted();
  assertNear(await endOf(words(number)), before, "higher rows above");
  await server.call(await server.logIn(lena), "PUT", `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/below`, { msgtype: "m.text", body: "said below" });
  await lena.message("said below").waitFor({ state: "attached" });
  await painted();
  assertNear(await endOf(words(number)), before, "a message below");
});

test("beside a panel the end stays the end, in each width", async () => {
  await page.getByRole("button", { name: "To the newest" }).click();
  await lena.reads("said below");
  const newest = page.getByRole("button", { name: "To the newest" });
  await newest.waitFor({ state: "detached" });
  // Beside the room, and in its place.
  for (const width of [1280, 1000]) {
    await page.setViewportSize({ width, height: 720 });
    await painted();
    await page.getByRole("button", { name: "Who can read this" }).click();
    await painted();
    assert.equal(await newest.count(), 0);
    await page.getByRole("complementary").getByRole("button", { name: "Close" }).click();
    await lena.message("said below").waitFor();
    await painted();
    assert.equal(await newest.count(), 0);
  }
});

test("a day that is not there yet can't be gone to", async () => {
  await page.setViewportSize({ width: 1280, height: 800 });
  await lena.chooseAbout("Go to a date");
  await page.getByLabel("Day").fill("2999-01-01");
  await page.getByRole("button", { name: "Go there" }).click();
  await page.getByRole("dialog").waitFor();
  await comes(() => page.getByLabel("Day").evaluate((field) => field.validity.rangeOverflow), true);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
});
