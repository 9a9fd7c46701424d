// A long conversation: its place is kept, and every part of it can be reached.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { closeBrowser, openBrowser, Person } from "./support/person.mjs";
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

after(async () => {
  await closeBrowser();
  await server?.stop();
});

const endOf = (text) => lena.message(text).evaluate((node) => node.getBoundingClientRect().bottom);
const scrollBy = (by) =>
  page.getByRole("log").evaluate((log, by) => log.parentElement.parentElement.scrollBy(0, by), by);

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
  // As it is painted.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  assert.ok(Math.abs(before - (await endOf(words(number)))) < 2);
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
