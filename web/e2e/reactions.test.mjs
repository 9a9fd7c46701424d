// Two people answer sealed words with pictures, see who did, and take that back.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { comes } from "./support/comes.mjs";
import { endWith, lenaAndJonas, openBrowser } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, jonas;
/** What left both browsers for the room. */
const sent = [];

before(async () => {
  await openBrowser();
  server = await Server.alone("reactions");
  [lena, jonas] = await lenaAndJonas(server);
  await lena.meets(jonas, "The roof is done");
  for (const { context } of [lena, jonas]) {
    context.on("request", (request) => {
      if (request.method() === "PUT" && request.url().includes("/send/")) sent.push(`${request.url()} ${request.postData()}`);
    });
  }
});

after(() => endWith(server));

const chip = (person, name) => person.message("The roof is done").getByRole("button", { name, exact: true });
const dialog = () => lena.page.getByRole("dialog", { name: "Who reacted" });

async function isAskedFor() {
  await dialog().getByRole("heading", { name: "👍 2 people" }).waitFor();
  await dialog().getByRole("button", { name: "You", exact: true }).waitFor();
  await dialog().getByRole("button", { name: "jonas", exact: true }).waitFor();
}

async function close() {
  await lena.page.keyboard.press("Escape");
  await dialog().waitFor({ state: "detached" });
}

test("who answers is counted and named on both sides", async () => {
  await lena.react("The roof is done", "👍");
  await chip(jonas, "👍 1: lena").click();
  await chip(jonas, "👍 2: lena and You").waitFor();
  await comes(() => chip(jonas, "👍 2: lena and You").getAttribute("aria-pressed"), "true");
  await chip(lena, "👍 2: You and jonas").waitFor();
});

test("who it was is shown from the menu of the message, by the other button of a mouse, and by a finger that is held", async () => {
  const { page } = lena;
  await lena.message("The roof is done").hover();
  await lena.message("The roof is done").getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: "Who reacted" }).click();
  await isAskedFor();
  await assertAccessible(page, "who reacted");
  await close();
  await chip(lena, "👍 2: You and jonas").click({ button: "right" });
  await isAskedFor();
  await close();
  await chip(lena, "👍 2: You and jonas").dispatchEvent("pointerdown", { pointerType: "touch", clientX: 5, clientY: 5 });
  await isAskedFor();
  await close();
  // The press ends with a click, which takes nothing back.
  await chip(lena, "👍 2: You and jonas").dispatchEvent("click");
  await dialog().waitFor({ state: "detached" });
  await chip(lena, "👍 2: You and jonas").click({ button: "right" });
  await dialog().getByRole("button", { name: "jonas", exact: true }).click();
  await page.getByRole("dialog", { name: "jonas" }).getByText(jonas.id).waitFor();
  await page.keyboard.press("Escape");
});

test("each takes back what was theirs, and nobody in between has seen what it was", async () => {
  await chip(jonas, "👍 2: lena and You").click();
  await chip(lena, "👍 1: You").waitFor();
  await chip(jonas, "👍 1: lena").waitFor();
  await chip(lena, "👍 1: You").click();
  await lena.message("The roof is done").getByRole("button", { name: "👍" }).waitFor({ state: "detached" });
  await jonas.message("The roof is done").getByRole("button", { name: "👍" }).waitFor({ state: "detached" });
  // What got no answer in time is sent again.
  assert.ok(sent.length >= 2);
  for (const one of sent) {
    assert.match(one, /\/send\/m\.room\.encrypted\//);
    assert.doesNotMatch(one, /👍|annotation/);
  }
});
