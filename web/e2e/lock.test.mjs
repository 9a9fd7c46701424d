// A passphrase guards what is kept in the browser: asked for before anything sealed is read, in every tab.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { comes } from "./support/comes.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

const [FIRST, SECOND] = ["otter lantern quince", "harbour velvet oboe"];
const NEEDLE = "a-needle-behind-the-lock";
let server, lena, beside;

before(async () => {
  await openBrowser();
  server = await Server.alone("lock");
  lena = await Person.register(server, "lena");
  await lena.startRoom("Diary");
  await lena.sends(NEEDLE);
});

after(() => endWith(server));

const locked = (person) => person.page.getByRole("heading", { name: "Sealpost is locked" });

async function unlock(person, passphrase) {
  await person.page.getByLabel("Passphrase").fill(passphrase);
  await person.page.getByLabel("Passphrase").press("Enter");
}

async function settings(person) {
  await person.page.getByRole("button", { name: "Settings" }).click();
  return person.page.getByRole("region", { name: "Security" });
}

/** Everything in the browser's databases: the text of it, and keys of WebCrypto by where they are. */
function kept(person) {
  return person.page.evaluate(async () => {
    const found = { text: "", keys: [] };
    const walk = (value, place) => {
      if (value instanceof CryptoKey) found.keys.push(`${place} ${value.extractable}`);
      else if (value instanceof Uint8Array) found.text += new TextDecoder("latin1").decode(value);
      else if (typeof value === "object" && value !== null) for (const [name, one] of Object.entries(value)) walk(one, `${place}.${name}`);
      else found.text += String(value);
    };
    for (const { name } of await indexedDB.databases()) {
      const request = indexedDB.open(name);
      await new Promise((resolve) => (request.onsuccess = resolve));
      for (const store of request.result.objectStoreNames) {
        const all = request.result.transaction(store).objectStore(store).getAll();
        await new Promise((resolve) => (all.onsuccess = resolve));
        all.result.forEach((value) => walk(value, store));
      }
      request.result.close();
    }
    return found;
  });
}

test("a passphrase is set, and everything goes on; another tab opens without asking", async () => {
  const section = await settings(lena);
  await section.getByRole("button", { name: "Set a passphrase" }).click();
  const dialog = lena.page.getByRole("dialog");
  await dialog.getByLabel("New passphrase").fill("password1");
  await dialog.getByText("Weak:", { exact: false }).waitFor();
  await dialog.getByLabel("New passphrase").fill(FIRST);
  await dialog.getByLabel("Once more").fill("something else");
  await dialog.getByRole("button", { name: "Set a passphrase" }).click();
  await dialog.getByText("The two are not the same.").waitFor();
  await dialog.getByLabel("Once more").fill(FIRST);
  await dialog.getByRole("button", { name: "Set a passphrase" }).click();
  await section.getByRole("button", { name: "Lock now" }).waitFor();
  await assertAccessible(lena.page, "security");
  await lena.page.getByRole("button", { name: "Back" }).click();
  await lena.choose("Diary");
  beside = await lena.tab();
  await beside.reads(NEEDLE);
});

test("locked in one tab, all are; nothing there says a word, and the disk has no key that opens it", async () => {
  const section = await settings(lena);
  await section.getByRole("button", { name: "Lock now" }).click();
  for (const tab of [lena, beside]) {
    await locked(tab).waitFor();
    await comes(() => tab.page.title(), "Sealpost");
    assert.doesNotMatch(await tab.page.content(), new RegExp(NEEDLE));
  }
  await assertAccessible(lena.page, "locked");
  const { keys, text } = await kept(lena);
  assert.deepEqual(keys, ["sessions.device false"]);
  assert.doesNotMatch(text, new RegExp(`${NEEDLE}|${FIRST}`));
});

test("a wrong passphrase opens nothing, the right one opens all tabs, and what is written goes on", async () => {
  await lena.page.reload();
  await unlock(lena, "not this one");
  await lena.page.getByText("That is not the passphrase.").waitFor();
  await unlock(lena, FIRST);
  await lena.page.getByRole("button", { name: "Search or jump to" }).waitFor();
  await lena.choose("Diary");
  await lena.reads(NEEDLE);
  await beside.reads(NEEDLE);
  await lena.sends("after it was opened");
  await beside.reads("after it was opened");
});

test("opened in two tabs at the same time, one owns the keys and the other asks it", async () => {
  const section = await settings(lena);
  await section.getByRole("button", { name: "Lock now" }).click();
  for (const tab of [lena, beside]) await locked(tab).waitFor();
  await Promise.all([lena, beside].map((tab) => unlock(tab, FIRST)));
  for (const tab of [lena, beside]) {
    await tab.page.getByRole("button", { name: "Search or jump to" }).waitFor();
    await tab.choose("Diary");
    await tab.reads(NEEDLE);
  }
  await lena.sends("after both were opened");
  await beside.reads("after both were opened");
  // Each tab is there once.
  const { held, pending } = await lena.page.evaluate(() => navigator.locks.query());
  const count = (locks) => locks.filter(({ name }) => name === `sealpost ${lena.id}`).length;
  assert.deepEqual([count(held), count(pending)], [1, 1]);
});

test("the passphrase is changed by who knows it; it locks by itself when nobody is there", async () => {
  await beside.kill();
  const section = await settings(lena);
  const dialog = lena.page.getByRole("dialog");
  await section.getByRole("button", { name: "Change the passphrase" }).click();
  for (const [old, done] of [["not this one", false], [FIRST, true]]) {
    await dialog.getByLabel("Present passphrase").fill(old);
    await dialog.getByLabel("New passphrase").fill(SECOND);
    await dialog.getByLabel("Once more").fill(SECOND);
    await dialog.getByRole("button", { name: "Change the passphrase" }).click();
    if (done) await dialog.waitFor({ state: "detached" });
    else await dialog.getByText("That is not the passphrase.").waitFor();
  }
  await section.getByLabel("Lock by itself").selectOption({ label: "After 5 minutes" });
  await lena.page.evaluate(() => localStorage.setItem("last active", `${Date.now() - 6 * 60_000}`));
  await locked(lena).waitFor();
  await unlock(lena, FIRST);
  await lena.page.getByText("That is not the passphrase.").waitFor();
  await unlock(lena, SECOND);
  await lena.page.getByRole("button", { name: "Search or jump to" }).waitFor();
});

test("taken away it is asked for no more; forgotten, there is a way out that leaves nothing", async () => {
  let section = await settings(lena);
  const dialog = lena.page.getByRole("dialog");
  await section.getByRole("button", { name: "Take the passphrase away" }).click();
  await dialog.getByLabel("Present passphrase").fill(SECOND);
  await dialog.getByRole("button", { name: "Take the passphrase away" }).click();
  await section.getByRole("button", { name: "Set a passphrase" }).waitFor();
  await lena.page.reload();
  section = await settings(lena);
  await section.getByRole("button", { name: "Set a passphrase" }).click();
  await dialog.getByLabel("New passphrase").fill(FIRST);
  await dialog.getByLabel("Once more").fill(FIRST);
  await dialog.getByRole("button", { name: "Set a passphrase" }).click();
  await section.getByRole("button", { name: "Lock now" }).click();
  await lena.page.getByRole("button", { name: "I don’t know it any more" }).click();
  await assertAccessible(lena.page, "forgotten");
  // Where the browser does not do it, that is said, and it can be tried again.
  const wipes = (doesFail) => lena.page.evaluate((doesFail) => {
    const { prototype } = IDBObjectStore;
    prototype.remove ??= prototype.delete;
    prototype.delete = doesFail ? () => { throw new DOMException("not now", "UnknownError"); } : prototype.remove;
  }, doesFail);
  await wipes(true);
  await lena.page.getByRole("dialog").getByRole("button", { name: "Log out and wipe" }).click();
  await lena.page.getByText("Not everything could be wiped from this browser.", { exact: false }).waitFor();
  await wipes(false);
  await lena.page.getByRole("dialog").getByRole("button", { name: "Log out and wipe" }).click();
  await lena.page.getByRole("heading", { name: "Welcome back" }).waitFor();
  const { keys, text } = await kept(lena);
  assert.deepEqual([keys, text], [[], ""]);
  lena.assertOwnOrigin();
  assert.deepEqual(lena.crashes, []);
});
