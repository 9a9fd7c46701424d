// Words of sealed rooms are looked for on the device, in all that it keeps; of other rooms also at the server.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

const MORE = 70;
let server, lena;

before(async () => {
  await openBrowser();
  server = await Server.alone("search");
  lena = await Person.register(server, "lena");
});

after(() => endWith(server));

async function search(words) {
  await lena.chooseAbout("Search messages");
  const dialog = lena.page.getByRole("dialog");
  await dialog.getByLabel("Words that were said").fill(words);
  return dialog;
}

test("a sealed message far back is found by what it says now, and is shown where it stands", async () => {
  await lena.startRoom("Diary");
  await lena.sends("the first draft of it");
  await lena.edits("the first draft of it", "a needle far back in the hay");
  await lena.reads("a needle far back in the hay");
  for (let at = 0; at < MORE; at += 1) await lena.say(`straw ${at}.`);
  await lena.stored(`straw ${MORE - 1}.`).getByText(`straw ${MORE - 1}.`, { exact: true }).waitFor();
  // What is kept of the room for the next visit does not go so far back.
  await lena.page.reload();
  await lena.reads(`straw ${MORE - 1}.`);
  const from = server.proxy.requests.length;
  const dialog = await search("needle");
  await dialog.getByText("1 message", { exact: true }).waitFor();
  await assertAccessible(lena.page, "search");
  await dialog.getByText("a needle far back in the hay").click();
  await lena.reads("a needle far back in the hay");
  const asked = server.proxy.requests.slice(from).filter(({ path, body }) => path.endsWith("/search") || body.includes("needle"));
  assert.deepEqual(asked, []);
});

test("a message that was removed is found no more", async () => {
  const message = lena.message("a needle far back in the hay");
  await message.hover();
  await message.getByRole("button", { name: "More" }).click();
  const removed = lena.page.waitForResponse(/\/redact\//);
  await lena.page.getByRole("menuitem", { name: "Remove" }).click();
  await removed;
  // What comes back after it comes after the removal.
  await lena.say("after it");
  await lena.stored("after it").waitFor();
  await lena.page.reload();
  await lena.reads("after it");
  const dialog = await search("needle");
  await dialog.getByText("Nothing found").waitFor();
  assert.deepEqual(lena.crashes, []);
});

test("what was typed with marks is shown without them, as it is read", async () => {
  await lena.page.keyboard.press("Escape");
  await lena.page.getByRole("dialog").waitFor({ state: "detached" });
  await lena.say("the **old** `roof`, [here](https://garden.example)");
  await lena.page.locator("article[data-id^='$'] strong").getByText("old").waitFor();
  const dialog = await search("roof");
  await dialog.getByText("the old roof, here", { exact: true }).waitFor();
  await lena.page.keyboard.press("Escape");
});
