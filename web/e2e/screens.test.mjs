// Every main screen: without barriers, and not wider than the window.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { comes } from "./support/comes.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena;

before(async () => {
  await openBrowser();
  server = await Server.alone("screens");
});

after(() => endWith(server));

/** As wide as the narrowest phone. */
async function assertFits(page, what) {
  await page.setViewportSize({ width: 360, height: 720 });
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  assert.equal(overflow, 0);
  await assertAccessible(page, `${what}, narrow`, ["light"]);
  await page.setViewportSize({ width: 1280, height: 800 });
}

test("login and registration", async () => {
  const visitor = await Person.open(server);
  await visitor.page.getByRole("heading", { name: "Welcome back" }).waitFor();
  await assertAccessible(visitor.page, "login");
  await assertFits(visitor.page, "login");
  await visitor.page.getByRole("button", { name: "Create an account" }).click();
  await assertAccessible(visitor.page, "registration");
  await visitor.close();
});

test("a server that does not answer is told, and can be asked again", async () => {
  const visitor = await Person.open(server);
  await visitor.page.getByRole("heading", { name: "Welcome back" }).waitFor();
  await visitor.context.route("**/_matrix/client/versions", (route) => route.abort());
  await visitor.page.reload();
  await visitor.page.getByRole("alert").waitFor();
  await assertAccessible(visitor.page, "silent server");
  await visitor.context.unroute("**/_matrix/client/versions");
  await visitor.page.getByRole("button", { name: "Ask again" }).click();
  await visitor.page.getByRole("heading", { name: "Welcome back" }).waitFor();
  await visitor.close();
});

test("a browser that keeps nothing is told so, in place of an empty page", async () => {
  const visitor = await Person.open(server);
  await visitor.context.addInitScript(() => {
    const refuse = () => {
      throw new DOMException("nothing is kept here", "SecurityError");
    };
    IDBFactory.prototype.open = refuse;
    Object.defineProperty(globalThis, "localStorage", { get: refuse });
  });
  await visitor.page.reload();
  await visitor.page.getByRole("heading", { name: "Sealpost could not start" }).waitFor();
  await assertAccessible(visitor.page, "a browser that keeps nothing");
  await visitor.close();
});

test("no rooms yet, and a room", async () => {
  lena = await Person.register(server, "lena");
  const { page } = lena;
  await page.getByText("No rooms yet").waitFor();
  await assertAccessible(page, "no rooms");
  await lena.startRoom("Garden house", "Roof");
  await lena.say("**Roof** is done");
  await page.getByRole("article").getByText("Roof").first().waitFor();
  await page.getByText("Sending…").waitFor({ state: "detached" });
  await assertAccessible(page, "room");
  await assertFits(page, "room");
  await page.getByRole("button", { name: "Who can read this" }).click();
  await page.getByRole("complementary").getByText("This browser").waitFor();
  await assertAccessible(page, "people");
  await assertFits(page, "people");
  await page.getByRole("complementary").getByRole("button", { name: "Close" }).click();
});

test("menus, and the list of keys", async () => {
  const { page } = lena;
  await page.getByRole("main").getByRole("button", { name: "More", exact: true }).first().click();
  await page.getByRole("menu").waitFor();
  await assertAccessible(page, "what is done with a room");
  await page.keyboard.press("Escape");
  await page.getByRole("menu").waitFor({ state: "detached" });
  await lena.message("Roof").hover();
  await lena.message("Roof").getByRole("button", { name: "More" }).click();
  await page.getByRole("menu").waitFor();
  await assertAccessible(page, "what is done with a message");
  await page.keyboard.press("Escape");
  await page.getByRole("menu").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("menu").waitFor();
  await assertAccessible(page, "what is added to a message");
  await page.keyboard.press("Escape");
  await page.getByRole("menu").waitFor({ state: "detached" });
  await lena.field().press("Control+/");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  await assertAccessible(page, "keyboard");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
});

test("where sealing can't be loaded that is told", async () => {
  const unsealed = await Person.open(server);
  Object.assign(unsealed, { name: lena.name, password: lena.password });
  await unsealed.context.route("**/*.wasm", (route) => route.abort());
  await unsealed.logIn();
  await unsealed.page.getByText("Sealing could not be loaded.", { exact: false }).waitFor();
  await unsealed.page.getByRole("navigation", { name: "Rooms" }).getByRole("button", { name: "Garden house" }).click();
  await unsealed.field().waitFor();
  await assertAccessible(unsealed.page, "no sealing");
  await unsealed.close();
});

test("what opens above a room", async () => {
  const { page } = lena;
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").waitFor();
  await assertAccessible(page, "jump");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "New room or chat" }).first().click();
  for (const tab of ["New chat", "New room", "Join a room"]) {
    await page.getByRole("tab", { name: tab }).click();
    await assertAccessible(page, tab);
  }
  // All of them are seen on the narrowest phone too.
  await page.setViewportSize({ width: 360, height: 720 });
  const cut = await page.getByRole("tablist").evaluate((node) => node.scrollWidth - node.clientWidth);
  assert.equal(cut, 0);
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Save it" }).click();
  await page.getByRole("dialog").waitFor();
  await assertAccessible(page, "recovery key");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
});

test("under a finger, what can be pressed in a room is 44 pixels high", async () => {
  const phone = await lena.secondDevice({ hasTouch: true, isMobile: true, viewport: { width: 360, height: 720 } });
  const { page } = phone;
  await page.getByRole("navigation", { name: "Rooms" }).getByRole("button", { name: "Garden house" }).click();
  await page.getByRole("button", { name: "Who can read this" }).click();
  await page.getByRole("complementary").getByText("This browser").waitFor();
  const low = await page.locator("button:visible").evaluateAll((all) =>
    all.flatMap((one) => (one.getBoundingClientRect().height < 44 ? one.getAttribute("aria-label") ?? one.innerText : [])),
  );
  assert.deepEqual(low, []);
  await phone.close();
});

test("a profile that comes late does not replace what was typed, and is saved once", async () => {
  const { page } = lena;
  let saved = 0;
  const asked = [];
  let came = () => {};
  await page.route(/\/profile\//, (route) => {
    if (route.request().method() === "PUT") saved += 1;
    asked.push(route);
    came();
  });
  const question = async () => {
    while (asked.length === 0) await new Promise((resolve) => (came = resolve));
    return asked.shift();
  };
  await page.getByRole("button", { name: "Settings" }).click();
  const field = page.getByLabel("Name that others see");
  await field.fill("Lena Vogt");
  const late = page.waitForResponse(/\/profile\//);
  await (await question()).continue();
  await (await late).finished();
  await comes(() => field.inputValue(), "Lena Vogt");
  await field.press("Enter");
  await page.locator("button[aria-busy]").waitFor();
  await field.press("Enter");
  await (await question()).continue();
  await page.getByRole("button", { name: "Saved" }).waitFor();
  assert.equal(saved, 1);
  await page.unroute(/\/profile\//);
  await page.getByRole("button", { name: "Back" }).click();
});

test("settings, in two languages", async () => {
  const { page } = lena;
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("main").getByText("This browser", { exact: true }).waitFor();
  await assertAccessible(page, "settings");
  await assertFits(page, "settings");
  await page.getByLabel("Deutsch").check();
  await page.getByRole("heading", { name: "Einstellungen" }).waitFor();
  await assertAccessible(page, "Einstellungen");
  await page.getByLabel("English").check();
  await page.getByRole("heading", { name: "Settings" }).waitFor();
});

test("logging out says what is lost, and leaves nothing behind", async () => {
  const { page } = lena;
  await page.getByRole("button", { name: "Log out", exact: true }).last().click();
  await page.getByRole("dialog").getByText("Your recovery key is not saved.", { exact: false }).waitFor();
  await assertAccessible(page, "log out");
  await page.getByRole("button", { name: "Log out and lose my messages" }).click();
  await page.getByRole("heading", { name: "Welcome back" }).waitFor();
  const names = await page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name));
  assert.deepEqual(names, ["sealpost"]);
});
