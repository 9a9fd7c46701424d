// Who wrote a message, and what can be done about them from there.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { comes, hasFocus } from "./support/comes.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, tomasz, card;

before(async () => {
  await openBrowser();
  server = await Server.alone("person");
  [lena, tomasz] = await Promise.all([Person.register(server, "lena"), Person.register(server, "tomasz")]);
  await lena.startRoom("Garden house");
  await lena.invite(tomasz);
  await tomasz.accept(/Garden house/);
  await tomasz.sends("The gate is open");
  await tomasz.sends("And the door");
  await lena.reads("And the door");
  card = lena.page.getByRole("dialog", { name: "tomasz" });
});

after(() => endWith(server));

const name = () => lena.message("The gate is open").getByRole("button", { name: "tomasz", exact: true });

test("by key, one step from a message leads to who wrote it, and back", async () => {
  const { page } = lena;
  await comes(() => name().getAttribute("tabindex"), "-1");
  await lena.message("The gate is open").focus();
  await page.keyboard.press("Tab");
  await hasFocus(name());
  await page.keyboard.press("Enter");
  await card.getByText(tomasz.id).waitFor();
  await card.getByRole("button", { name: "Not compared" }).waitFor();
  await assertAccessible(page, "somebody");
  await page.keyboard.press("Escape");
  await card.waitFor({ state: "detached" });
  await hasFocus(name());
});

test("a picture leads there too, and a mention stands where one writes", async () => {
  const { page } = lena;
  await lena.field().fill("Thanks,");
  await lena.message("The gate is open").locator(".avatar").click();
  await card.getByRole("button", { name: "Mention" }).click();
  await card.waitFor({ state: "detached" });
  assert.equal(await lena.field().inputValue(), "Thanks, @tomasz ");
  await page.keyboard.type("!");
  await page.keyboard.press("Enter");
  await tomasz.page.getByRole("article").getByRole("link", { name: "tomasz" }).first().waitFor();
  // Who is named leads to them as well.
  await lena.page.getByRole("article").getByRole("link", { name: "tomasz" }).first().click();
  await card.getByText(tomasz.id).waitFor();
  await page.keyboard.press("Escape");
});

test("who is met in a thread is mentioned there", async () => {
  const { page } = lena;
  await lena.message("And the door").hover();
  await lena.message("And the door").getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: "Reply in a thread" }).click();
  const thread = page.getByRole("complementary", { name: "Thread" });
  await thread.getByRole("button", { name: "tomasz", exact: true }).click();
  await card.getByRole("button", { name: "Mention" }).click();
  await card.waitFor({ state: "detached" });
  const field = thread.getByRole("textbox", { name: "Message in the thread" });
  await page.waitForFunction((node) => node.value === "@tomasz ", await field.elementHandle());
  await comes(() => lena.page.getByRole("main").getByRole("textbox").inputValue(), "");
  await field.fill("");
  await thread.getByRole("button", { name: "Close" }).click();
});

test("a number that matches is seen at once wherever they are shown", async () => {
  const { page } = lena;
  await name().click();
  await card.getByRole("button", { name: "Compare", exact: true }).click();
  const comparison = page.getByRole("dialog", { name: "Is it tomasz?" });
  await comparison.getByRole("button", { name: "It matches" }).click();
  await comparison.waitFor({ state: "detached" });
  await card.getByText("Verified").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Who can read this" }).click();
  await page.getByRole("complementary").getByText("Verified").nth(1).waitFor();
});

test("one writes to them: in a new chat, and afterwards in the one that there is", async () => {
  const { page } = lena;
  const room = page.url();
  await page.getByRole("complementary").getByRole("button", { name: "More: tomasz" }).click();
  await page.getByRole("menuitem", { name: "Write to" }).click();
  const dialog = page.getByRole("dialog", { name: "New chat" });
  await comes(() => dialog.getByLabel("Whom do you want to write to?").inputValue(), tomasz.id);
  await dialog.getByRole("button", { name: tomasz.id }).click();
  await page.getByRole("textbox", { name: "Message tomasz" }).waitFor();
  const chat = page.url();
  // Who is verified is so at the head of the chat.
  await page.getByRole("main").getByRole("button", { name: "Verified" }).waitFor();
  await page.goto(room);
  await name().click();
  await card.getByRole("button", { name: "Write to" }).click();
  await page.waitForURL(chat);
  await page.getByRole("textbox", { name: "Message tomasz" }).waitFor();
});

test("who is in the way is removed from there", async () => {
  const { page } = lena;
  await lena.choose("Garden house");
  await name().click();
  await card.getByRole("button", { name: "Remove from room" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove from room" }).last().click();
  await card.getByText("Not in this room").waitFor();
  assert.equal(await card.getByRole("button", { name: "Remove from room" }).count(), 0);
  await page.keyboard.press("Escape");
});
