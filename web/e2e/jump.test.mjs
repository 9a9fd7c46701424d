// The quick switcher: rooms, spaces, people and addresses; and searches that are not answered.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { hasFocus } from "./support/comes.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

const DIRECTORY = "**/v3/user_directory/search";

let server, lena, jonas, mara, page;

before(async () => {
  await openBrowser();
  server = await Server.alone("jump");
  [lena, jonas, mara] = await Promise.all(["lena", "jonas", "mara"].map((name) => Person.register(server, name)));
  ({ page } = lena);
  await begin("New room", "Name of the room", "Orangery", "orangery");
  await page.getByRole("textbox", { name: "Message Orangery" }).waitFor();
  await begin("New space", "Name of the space", "Garden club");
  await page.getByText("No rooms in here yet").last().waitFor();
  const token = await server.logIn(jonas);
  await server.call(token, "POST", `/join/${encodeURIComponent(`#orangery:${server.name}`)}`, {});
  // Who is in a room for all is known to all of the server.
  const maras = await server.logIn(mara);
  await server.call(maras, "POST", "/createRoom", { preset: "public_chat", visibility: "public", name: "Elsewhere" });
});

after(() => endWith(server));

/** Makes something that all find. */
async function begin(tab, label, name, alias) {
  await page.getByRole("button", { name: "New room or chat" }).first().click();
  await page.getByRole("tab", { name: tab }).click();
  await page.getByLabel(label).fill(name);
  await page.getByRole("radio", { name: "Public" }).check();
  if (alias) await page.getByRole("dialog").getByLabel("Address").fill(alias);
  await page.getByRole("button", { name: "Create", exact: true }).click();
}

/** What is offered for what was typed. */
async function jump(words) {
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").fill(words);
  return page.getByRole("option");
}

async function close() {
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
}

test("spaces are found by their names, rooms also by their addresses", async () => {
  await (await jump("#orang")).first().filter({ hasText: "Orangery" }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("textbox", { name: "Message Orangery" }).waitFor();
  await (await jump("club")).filter({ hasText: "Garden club" }).getByText("Space").waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("main").getByRole("heading", { name: "Garden club" }).waitFor();
});

test("somebody of a room leads to a chat with them, as does somebody of whom only the server knows", async () => {
  const met = (await jump("jon")).filter({ hasText: jonas.id });
  await met.waitFor();
  await assertAccessible(page, "people to jump to");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "New chat" }).getByRole("button", { name: jonas.id }).waitFor();
  await close();
  await (await jump(mara.id.slice(1, 5))).filter({ hasText: mara.id }).click();
  await page.getByRole("dialog", { name: "New chat" }).getByRole("button", { name: mara.id }).click();
  await lena.field().waitFor();
  assert.equal(await (await jump("mara")).filter({ hasText: mara.id }).count(), 0);
  await page.getByRole("option").first().filter({ hasText: "mara" }).waitFor();
  await close();
});

test("whole addresses and links are offered to be opened", async () => {
  const asked = [];
  page.on("request", (request) => request.url().includes("user_directory") && asked.push(request.postData()));
  await (await jump(`https://matrix.to/#/%23orangery%3A${encodeURIComponent(server.name)}`)).first()
    .filter({ hasText: `Open #orangery:${server.name}` }).waitFor();
  await assertAccessible(page, "an address to jump to");
  await page.keyboard.press("Enter");
  await page.getByRole("textbox", { name: "Message Orangery" }).waitFor();
  await (await jump("#nowhere:elsewhere.test")).filter({ hasText: "Open #nowhere:elsewhere.test" }).click();
  const gone = { status: 502, json: { errcode: "M_UNKNOWN", error: "elsewhere.test: no answer" } };
  await page.route("**/v3/join/**", (route) => route.fulfill(gone));
  await page.getByRole("dialog").getByRole("button", { name: "Join" }).click();
  await page.getByText("No server of this room answers just now.", { exact: false }).waitFor();
  await page.unroute("**/v3/join/**");
  await close();
  await (await jump(`matrix:u/${jonas.id.slice(1)}`)).first().filter({ hasText: `Open ${jonas.id}` }).click();
  await page.getByRole("dialog", { name: "New chat" }).getByRole("button", { name: jonas.id }).waitFor();
  await close();
  assert.ok(asked.every((body) => !body?.includes("nowhere")), "an address is no search");
});

test("a search that is not answered says so, and can be tried again", async () => {
  await page.route(DIRECTORY, (route) => route.abort());
  await jump("xyzzy");
  const dialog = page.getByRole("dialog");
  await dialog.getByText("The search was not answered").waitFor();
  assert.equal(await dialog.getByText("Nothing found").count(), 0);
  await assertAccessible(page, "a jump that was not answered");
  const retry = dialog.getByRole("button", { name: "Try again" });
  await retry.press("Enter");
  await retry.waitFor();
  await hasFocus(retry);
  await page.unroute(DIRECTORY);
  await retry.press("Enter");
  await dialog.getByText("Nothing found").waitFor();
  await close();

  await page.route(DIRECTORY, (route) => route.fulfill({ status: 502, json: { errcode: "M_UNKNOWN", error: "Gone fishing" } }));
  await page.getByRole("button", { name: "New room or chat" }).first().click();
  await dialog.getByRole("searchbox", { name: "Whom do you want to write to?" }).fill("xyzzy");
  await dialog.getByText("Gone fishing").waitFor();
  assert.equal(await dialog.getByText("Nobody found here").count(), 0);
  await page.unroute(DIRECTORY);
  await dialog.getByRole("button", { name: "Try again" }).click();
  await dialog.getByText("Nobody found here").waitFor();

  await page.route("**/v3/publicRooms**", (route) => route.abort());
  await dialog.getByRole("tab", { name: "Directory" }).click();
  await dialog.getByText("The search was not answered").waitFor();
  assert.equal(await dialog.getByText("No room is listed here").count(), 0);
  await page.unroute("**/v3/publicRooms**");
  await dialog.getByRole("button", { name: "Try again" }).click();
  await dialog.getByRole("listitem").filter({ hasText: "Orangery" }).waitFor();
  await close();
});
