// Links into Matrix from other pages and programs lead into the client, and to what they name.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { comes } from "./support/comes.mjs";
import { closeBrowser, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, jonas;

before(async () => {
  await openBrowser();
  server = await Server.alone("links");
  [lena, jonas] = await Promise.all([Person.register(server, "lena"), Person.register(server, "jonas")]);
  await lena.startRoom("Garden house");
  await lena.meets(jonas, "Hello");
  await jonas.page.getByRole("button", { name: "New room or chat" }).first().click();
  await jonas.page.getByRole("tab", { name: "New room" }).click();
  await jonas.page.getByLabel("Name of the room").fill("Orangery");
  await jonas.page.getByRole("radio", { name: "Public" }).check();
  await jonas.page.getByRole("dialog").getByLabel("Address").fill("orangery");
  await jonas.page.getByRole("button", { name: "Create", exact: true }).click();
  await jonas.page.getByRole("textbox", { name: "Message Orangery" }).waitFor();
});

after(async () => {
  await closeBrowser();
  await server?.stop();
});

/** Another program hands a link to the browser. */
async function follow(link, { page } = lena) {
  await page.goto("about:blank");
  await page.goto(`${server.url}/#/link/${encodeURIComponent(link)}`);
}

test("the browser takes the address to which links are sent", async () => {
  const { page } = lena;
  await page.evaluate(() => {
    const register = navigator.registerProtocolHandler.bind(navigator);
    navigator.registerProtocolHandler = (...words) => {
      globalThis.registered = words;
      register(...words);
    };
  });
  await page.getByRole("button", { name: "Settings" }).click();
  const section = page.getByRole("region", { name: "Links into Matrix" });
  await section.getByRole("button", { name: "Open them here" }).click();
  await section.getByText("The browser asks you", { exact: false }).waitFor();
  await assertAccessible(page, "links into Matrix");
  await comes(() => page.evaluate(() => globalThis.registered), ["matrix", `${server.url}/#/link/%s`]);
  const { protocol_handlers } = await page.evaluate(async () => (await fetch("/sealpost.webmanifest")).json());
  assert.deepEqual(protocol_handlers, [{ protocol: "matrix", url: "/#/link/%s" }]);
});

test("a link leads to a room in which one is, to a chat with a person, to the door of another room", async () => {
  const { page } = lena;
  await follow(`matrix:u/jonas:${server.name}?action=chat`);
  await page.getByRole("textbox", { name: "Message jonas" }).waitFor();
  assert.ok(!page.url().includes("link"));
  await follow(`matrix:u/otto:${server.name}`);
  await page.getByRole("dialog", { name: "New chat" }).waitFor();
  await comes(() => page.getByLabel("Whom do you want to write to?").inputValue(), `@otto:${server.name}`);
  await follow(`matrix:r/orangery:${server.name}?action=join`);
  const dialog = page.getByRole("dialog", { name: "Join this room?" });
  await dialog.getByText(`#orangery:${server.name}`).waitFor();
  await assertAccessible(page, "a link to another room");
  await dialog.getByRole("button", { name: "Join" }).click();
  await page.getByRole("textbox", { name: "Message Orangery" }).waitFor();
  const roomId = decodeURIComponent(page.url().split("/").at(-1));
  await follow(`matrix:roomid/${roomId.slice(1)}`);
  await page.getByRole("textbox", { name: "Message Orangery" }).waitFor();
});

test("what is no such link leads nowhere, and no server is told of any", async () => {
  const { page } = lena;
  for (const link of ["javascript:alert(1)", "matrix:x/y", "%", "https://example.org"]) {
    await follow(link);
    await page.getByRole("heading", { name: "Choose a room" }).waitFor();
    assert.equal(await page.getByRole("dialog").count(), 0);
  }
  lena.assertOwnOrigin();
  assert.ok(!server.proxy.traffic.includes("#/link"));
});
