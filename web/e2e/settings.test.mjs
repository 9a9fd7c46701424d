// Notifications of sealed words, muting, and what one does about one's account.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { comes } from "./support/comes.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, tomasz, page;

/** In the place of the desktop's notifications: keeps what would be shown. */
function keepNotifications() {
  window.told = [];
  window.Notification = class {
    static permission = "granted";
    static requestPermission = async () => "granted";
    constructor(title, { body }) {
      window.told.push(`${title}: ${body}`);
    }
    addEventListener() {}
  };
}

before(async () => {
  await openBrowser();
  server = await Server.alone("settings");
  [lena, tomasz] = await Promise.all([Person.register(server, "lena"), Person.register(server, "tomasz")]);
  ({ page } = lena);
  await page.context().addInitScript(keepNotifications);
  await page.reload();
  await page.getByRole("button", { name: "Settings" }).waitFor();
  await tomasz.startChat(lena);
  await lena.accept(/tomasz/);
  await page.getByRole("button", { name: "Settings" }).click();
});

after(() => endWith(server));

const told = () => page.evaluate(() => window.told);
const isTold = (words) => page.waitForFunction((words) => window.told.some((one) => one.includes(words)), words);

test("sealed words are told of by rules that hold here, and not before somebody wants that", async () => {
  await tomasz.sends("Nobody hears this");
  await page.getByRole("navigation", { name: "Rooms" }).getByText("Nobody hears this").waitFor();
  assert.deepEqual(await told(), []);
  await page.getByLabel("Show notifications on this device").check();
  await assertAccessible(page, "notification settings");
  await tomasz.sends("The kettle is on");
  await isTold("tomasz: The kettle is on");
});

test("a muted room is silent", async () => {
  await lena.choose("tomasz");
  await lena.chooseAbout("Notifications");
  await page.getByRole("radio", { name: "Never" }).check();
  await assertAccessible(page, "what one hears of a room");
  await page.keyboard.press("Escape");
  await page.getByRole("navigation", { name: "Rooms" }).getByText("Muted").waitFor({ state: "attached" });
  await page.getByRole("button", { name: "Settings" }).click();
  await tomasz.sends("The kettle is off");
  await page.getByRole("navigation", { name: "Rooms" }).getByText("The kettle is off").waitFor();
  assert.deepEqual((await told()).filter((words) => words.includes("off")), []);
});

test("sealed words are found, and one goes to where they were said", async () => {
  await page.getByRole("button", { name: "Search messages" }).click();
  const dialog = page.getByRole("dialog", { name: "Search messages" });
  await dialog.getByLabel("Words that were said").fill("KETTLE");
  await dialog.getByText("2 messages").waitFor();
  await assertAccessible(page, "search");
  await dialog.getByRole("button", { name: "The kettle is on" }).click();
  await dialog.waitFor({ state: "detached" });
  await lena.reads("The kettle is on");
});

test("that something was copied is said, and what can't be is shown to be selected", async () => {
  const copy = async () => {
    await lena.message("The kettle is on").hover();
    await lena.message("The kettle is on").getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Copy", exact: true }).click();
  };
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await copy();
  await page.getByRole("status").getByText("Copied").waitFor();
  await comes(() => page.evaluate(() => navigator.clipboard.readText()), "The kettle is on");
  await page.evaluate(() => (navigator.clipboard.writeText = () => Promise.reject(new DOMException("no", "NotAllowedError"))));
  await copy();
  const dialog = page.getByRole("dialog", { name: "That could not be copied" });
  await dialog.getByText("The kettle is on", { exact: true }).waitFor();
  await assertAccessible(page, "what could not be copied");
  await page.keyboard.press("Escape");
});

test("who wants it compact has the conversation so, too, and high contrast in the dark", async () => {
  const height = () => page.getByRole("log", { name: "Conversation" }).evaluate((log) => log.scrollHeight);
  const row = () => lena.message("The kettle is on").evaluate((node) => node.offsetHeight + parseFloat(getComputedStyle(node).marginBlockStart));
  const roomy = [await row(), await height()];
  await page.evaluate(() => (document.documentElement.dataset.density = "compact"));
  assert.ok((await row()) < roomy[0], "the row is smaller");
  assert.ok((await height()) < roomy[1], "the conversation is");
  await page.evaluate(() => (document.documentElement.dataset.density = "roomy"));
  await assertAccessible(page, "a conversation", ["contrast", "contrast dark"]);
});

test("where one looks for calls, it is said that there are none", async () => {
  await lena.choose("tomasz");
  await lena.chooseAbout("Call");
  await page.getByRole("dialog", { name: "No calls yet" }).waitFor();
  await page.keyboard.press("Escape");
});

test("a profile that could not be loaded is loaded again, and no empty name is saved", async () => {
  const profiles = "**/_matrix/client/v3/profile/**";
  await page.route(profiles, (route) => route.fulfill({ status: 502, json: { errcode: "M_UNKNOWN", error: "Asleep" } }));
  await page.getByRole("button", { name: "Settings" }).click();
  const notice = page.getByRole("alert").filter({ hasText: "Your profile could not be loaded" });
  await notice.waitFor();
  const form = page.locator("form").filter({ has: page.getByLabel("Name that others see") });
  const save = form.getByRole("button", { name: "Save" });
  await comes(() => save.isDisabled(), true);
  await page.unroute(profiles);
  await notice.getByRole("button", { name: "Try again" }).click();
  await save.and(page.locator(":enabled")).waitFor();
  assert.equal(await notice.count(), 0);
  await lena.choose("tomasz");
});

test("the password is changed by who knows the old one, and the account closed", async () => {
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("button", { name: "Change password" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Present password").fill("wrong");
  await dialog.getByLabel("New password").fill("another horse battery");
  await dialog.getByRole("button", { name: "Change password" }).click();
  await dialog.getByText("That is not your password.").waitFor();
  await dialog.getByLabel("Present password").fill(lena.password);
  await assertAccessible(page, "change password");
  await dialog.getByRole("button", { name: "Change password" }).click();
  await dialog.getByText("The password was changed.").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Close the account" }).click();
  await assertAccessible(page, "close the account");
  await dialog.getByLabel("Present password").fill("wrong");
  await dialog.getByRole("button", { name: "Close the account for ever" }).click();
  await dialog.getByText("That is not your password.").waitFor();
  await comes(() => page.getByRole("heading", { name: "Settings" }).count(), 1);
  await dialog.getByLabel("Present password").fill("another horse battery");
  await dialog.getByRole("button", { name: "Close the account for ever" }).click();
  await page.getByRole("heading", { name: "Welcome back" }).waitFor();
});
