// What was removed a moment ago can be taken back; meanwhile nothing tells what it said, and who logs out has it done.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { endWith, lenaAndJonas, openBrowser } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, jonas;

before(async () => {
  await openBrowser();
  server = await Server.alone("undone");
  [lena, jonas] = await lenaAndJonas(server);
  await lena.meets(jonas, "The gutters come on Tuesday");
  await lena.sends("The door code is 4711");
  await jonas.reads("The door code is 4711");
});

after(() => endWith(server));

async function removes(words) {
  await lena.stored(words).waitFor();
  await lena.message(words).hover();
  await lena.message(words).getByRole("button", { name: "More" }).click();
  await lena.page.getByRole("menuitem", { name: "Remove" }).click();
  await lena.page.getByRole("group", { name: "Message removed" }).last().waitFor();
}

test("what was removed a moment ago is told neither in the list of rooms nor where one searches", async () => {
  const rooms = lena.page.getByRole("navigation", { name: "Rooms" });
  await rooms.getByText("The door code is 4711").waitFor();
  await removes("The door code is 4711");
  // As long as somebody looks at it, it can be taken back.
  await lena.page.getByRole("group", { name: "Message removed" }).last().getByRole("button", { name: "Undo" }).focus();
  await rooms.getByText("The gutters come on Tuesday").waitFor();
  await lena.page.getByRole("button", { name: "Search messages" }).click();
  const dialog = lena.page.getByRole("dialog", { name: "Search messages" });
  await dialog.getByLabel("Words that were said").fill("gutters");
  await dialog.getByText("1 message").waitFor();
  await dialog.getByLabel("Words that were said").fill("door code");
  await dialog.getByText("Nothing found").waitFor();
  await lena.page.keyboard.press("Escape");
});

test("what was done is told in the language of now", async () => {
  await jonas.say("by mistake");
  const { page } = jonas;
  await jonas.stored("by mistake").waitFor();
  await jonas.message("by mistake").hover();
  await jonas.message("by mistake").getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: "Remove" }).click();
  const undo = page.getByRole("group", { name: "Message removed" }).getByRole("button", { name: "Undo" });
  await undo.focus();
  const speak = (language) => page.evaluate((language) => {
    localStorage.setItem("language", language);
    dispatchEvent(new StorageEvent("storage"));
  }, language);
  await speak("de");
  const told = page.getByRole("group", { name: "Nachricht entfernt" });
  await told.getByText("Nachricht entfernt").waitFor();
  await told.getByRole("button").first().click();
  await speak("en");
  await jonas.reads("by mistake");
});

test("who logs out a moment after has it done", async () => {
  await removes("The gutters come on Tuesday");
  const main = lena.page.getByRole("main");
  await lena.page.getByRole("button", { name: "Settings" }).click();
  await main.getByRole("button", { name: "Log out", exact: true }).last().click();
  await lena.page.getByRole("dialog").getByRole("button", { name: /^Log out/ }).click();
  await lena.page.getByRole("heading", { name: "Welcome back" }).waitFor();
  await jonas.page.getByRole("article").getByText("The gutters come on Tuesday").waitFor({ state: "detached" });
  assert.deepEqual(lena.crashes, []);
});
