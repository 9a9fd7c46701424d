// The client in German: what a server refuses is told in words of the person's language.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { comes } from "./support/comes.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, page;

before(async () => {
  await openBrowser();
  server = await Server.alone("words");
  lena = await Person.register(server, "lena");
  ({ page } = lena);
  await lena.startRoom("Garten", undefined, { isSealed: false });
  await page.evaluate(() => {
    localStorage.setItem("language", "de");
    dispatchEvent(new StorageEvent("storage"));
  });
  await page.getByRole("textbox", { name: "Nachricht an Garten" }).waitFor();
});

after(() => endWith(server));

test("the page says in which language it is", async () => {
  await comes(() => page.evaluate(() => document.documentElement.lang), "de");
});

test("what the server refuses is told in German, and its own sentence only where it says more", async () => {
  const refuse = (error) => page.route("**/send/**", (route) => route.fulfill({ status: 403, json: { errcode: "M_FORBIDDEN", error } }), { times: 1 });
  const write = async (words) => {
    const field = page.getByRole("textbox", { name: "Nachricht an Garten" });
    await field.fill(words);
    await field.press("Enter");
  };
  await refuse("You don't have permission to post that to the room");
  await write("Die Rosen blühen");
  const note = page.getByRole("alert").filter({ hasText: "Nicht gesendet: Das darfst du hier nicht." });
  await note.waitFor();
  assert.ok(!(await note.textContent()).includes("Der Server sagt"));
  await page.getByRole("alert").getByRole("button", { name: "Entfernen" }).click();
  await refuse("This looks like an advertisement");
  await write("Rosen, billig");
  await page.getByRole("alert").filter({ hasText: /Das darfst du hier nicht\. Der Server sagt: „This looks like an advertisement“/ }).waitFor();
  await page.getByRole("alert").getByRole("button", { name: "Entfernen" }).click();
});

test("an address that another room has is told in German", async () => {
  const make = async (name) => {
    await page.getByRole("button", { name: "Neuer Raum oder Chat" }).first().click();
    await page.getByRole("tab", { name: "Neuer Raum" }).click();
    await page.getByLabel("Name des Raums").fill(name);
    await page.getByRole("radio", { name: /^Öffentlich/ }).check();
    await page.getByLabel("Adresse", { exact: true }).fill("rosen");
    await page.getByRole("button", { name: "Anlegen", exact: true }).click();
  };
  await make("Rosen");
  await page.getByRole("textbox", { name: "Nachricht an Rosen" }).waitFor();
  await make("Andere Rosen");
  await page.getByText("Diese Adresse gehört einem anderen Raum.").waitFor();
  await page.keyboard.press("Escape");
  assert.deepEqual(lena.crashes, []);
});

test("emoji are found by German words, named in German, and their names fetched only then", async () => {
  const fetched = () => page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name));
  await page.getByRole("navigation", { name: "Räume" }).getByText("Garten").first().click();
  const before = new Set(await fetched());
  await page.getByRole("button", { name: "Emoji", exact: true }).click();
  const picker = page.getByRole("dialog", { name: "Emoji" });
  for (const term of ["Schlüssel", "schluessel", "key"]) {
    await picker.getByLabel("Suchen").fill(term);
    await picker.getByRole("button", { name: "Schlüssel", exact: true }).filter({ hasText: "🔑" }).waitFor();
  }
  const since = (await fetched()).filter((name) => !before.has(name));
  assert.ok(since.some((name) => /\/assets\/de-/.test(name)), `fetched: ${since.join(" ")}`);
  assert.deepEqual(since.filter((name) => new URL(name).origin !== new URL(page.url()).origin), []);
  await picker.getByRole("button", { name: "Schlüssel", exact: true }).click();
  const field = page.getByRole("textbox", { name: "Nachricht an Garten" });
  await comes(() => field.inputValue(), /🔑/u);
  await field.fill("mit :Rake");
  await page.getByRole("option", { name: /Rakete/ }).waitFor();
  await field.fill("");
});
