// Several tabs of one browser have one device: its keys, its messages and its history are the same in all of them.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { comes } from "./support/comes.mjs";
import { sealedSends, usedTwice } from "./support/keys.mjs";
import { endWith, lenaAndJonas, openBrowser } from "./support/person.mjs";
import { twoServers } from "./support/servers.mjs";

let servers, lena, beside, jonas;

before(async () => {
  await openBrowser();
  servers = await twoServers("tabs");
  [lena, jonas] = await lenaAndJonas(...servers);
  await lena.meets(jonas, "Hello Jonas");
});

after(() => endWith(...(servers ?? [])));

/** How often each of the words stands in somebody's conversation. */
async function counted(person, all) {
  const shown = await person.page.getByRole("article").allInnerTexts();
  return all.map((words) => shown.filter((text) => text.includes(words)).length);
}

const once = (all) => all.map(() => 1);

test("a second tab reads and writes beside the first", async () => {
  beside = await lena.tab();
  await beside.reads("Hello Jonas");
  await beside.say("from the second tab");
  for (const person of [beside, lena, jonas]) await person.reads("from the second tab");
  await jonas.say("to both of your tabs");
  for (const person of [beside, lena]) await person.reads("to both of your tabs");
});

test("twenty messages from two tabs at once arrive once each, and no key is used twice", async () => {
  const all = Array.from({ length: 10 }, (_, at) => [`first tab ${at}.`, `second tab ${at}.`]).flat();
  const from = servers[0].proxy.requests.length;
  await Promise.all([lena, beside].map(async (tab, which) => {
    for (const words of all.filter((_, at) => at % 2 === which)) await tab.say(words);
  }));
  for (const words of all) await jonas.reads(words);
  for (const person of [lena, beside]) {
    for (const words of all) await person.reads(words);
    await person.page.getByText("Sending…").first().waitFor({ state: "detached" });
  }
  for (const person of [jonas, lena, beside]) await comes(() => counted(person, all), once(all));
  const sends = sealedSends(servers[0].proxy.requests.slice(from));
  assert.equal(sends.size, all.length);
  assert.deepEqual(usedTwice(sends), []);
});

test("when the first tab is killed in the middle of sending, the second sends the rest", async () => {
  const all = Array.from({ length: 6 }, (_, at) => `before the end ${at}.`);
  const held = servers[0].proxy.hold(({ method, path }) => method === "PUT" && path.includes("/send/"));
  for (const words of all.slice(0, 4)) await lena.say(words);
  for (const words of all.slice(4)) await beside.say(words);
  await held.reached;
  await lena.kill();
  held.release();
  for (const words of all) await jonas.reads(words);
  for (const words of all) await beside.reads(words);
  await beside.page.getByText("Sending…").first().waitFor({ state: "detached" });
  for (const person of [jonas, beside]) await comes(() => counted(person, all), once(all));
  await jonas.say("still there?");
  await beside.reads("still there?");
});

test("a tab that is opened after that finds everything, and logging out empties all tabs", async () => {
  const third = await beside.tab();
  await third.reads("still there?");
  await third.page.getByRole("button", { name: "Settings" }).click();
  await third.page.getByRole("button", { name: "Log out", exact: true }).last().click();
  await third.page.getByRole("dialog").getByRole("button", { name: /Log out/ }).last().click();
  for (const tab of [third, beside]) await tab.page.getByRole("heading", { name: "Welcome back" }).waitFor();
  const names = await third.page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name));
  assert.deepEqual(names, ["sealpost"]);
});
