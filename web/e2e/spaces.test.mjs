// Spaces, and the directory.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { fits } from "./support/comes.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, page;

before(async () => {
  await openBrowser();
  server = await Server.alone("spaces");
  lena = await Person.register(server, "lena");
  ({ page } = lena);
});

after(() => endWith(server));

async function add(tab, who = lena) {
  await who.page.getByRole("button", { name: "New room or chat" }).first().click();
  await who.page.getByRole("tab", { name: tab }).click();
}

async function publicRoom(name, alias) {
  await add("New room");
  await page.getByLabel("Name of the room").fill(name);
  await page.getByRole("radio", { name: "Public" }).check();
  await page.getByRole("dialog").getByLabel("Address").fill(alias);
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByRole("textbox", { name: `Message ${name}` }).waitFor();
}

test("a space is made, rooms are put into it, and the list shows them alone", async () => {
  await publicRoom("Bees", "bees");
  await publicRoom("Taxes", "taxes");
  await add("New space");
  await page.getByLabel("Name of the space").fill("Garden club");
  await page.getByRole("radio", { name: "Public" }).check();
  await assertAccessible(page, "new space");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByText("No rooms in here yet").last().waitFor();
  await assertAccessible(page, "empty space");
  await page.getByRole("button", { name: "Add rooms" }).click();
  await page.getByRole("checkbox", { name: "Bees" }).check();
  await assertAccessible(page, "rooms for a space");
  await page.getByRole("dialog").getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("main").getByText("Bees").waitFor();
  const list = page.getByRole("navigation", { name: "Rooms" });
  await list.getByRole("button", { name: "Bees" }).waitFor();
  await list.getByRole("button", { name: "Taxes" }).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "All rooms", exact: true }).click();
  await list.getByRole("button", { name: "Taxes" }).waitFor();
});

test("a room is made in a space, which and whose people it says", async () => {
  await page.getByRole("navigation", { name: "Sealpost" }).getByRole("button", { name: "Garden club" }).click();
  await page.getByRole("button", { name: "New room", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name of the room").fill("Roses");
  await dialog.getByRole("combobox", { name: "In the space" }).locator("option:checked", { hasText: "Garden club" }).waitFor({ state: "attached" });
  await dialog.getByRole("radio", { name: "Everybody in Garden club may come in" }).check();
  await assertAccessible(page, "a new room in a space");
  await page.setViewportSize({ width: 360, height: 720 });
  await fits(page);
  await page.setViewportSize({ width: 1280, height: 800 });
  await dialog.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByRole("textbox", { name: "Message Roses" }).waitFor();
  await page.getByRole("navigation", { name: "Rooms" }).getByRole("button", { name: "Roses" }).waitFor();
  const roomId = decodeURIComponent(page.url().split("/").at(-1));
  const token = await server.logIn(lena);
  const state = await server.call(token, "GET", `/rooms/${encodeURIComponent(roomId)}/state`);
  const parent = state.find(({ type }) => type === "m.space.parent");
  assert.equal(parent.content.canonical, true);
  const rules = state.find(({ type }) => type === "m.room.join_rules").content;
  assert.deepEqual([rules.join_rule, rules.allow[0].room_id], ["restricted", parent.state_key]);
  const children = await server.call(token, "GET", `/rooms/${encodeURIComponent(parent.state_key)}/state/m.space.child/${encodeURIComponent(roomId)}`);
  assert.deepEqual(children.via, [server.name]);
});

test("somebody else finds the space in the directory, and the rooms in the space", async () => {
  const tomasz = await Person.register(server, "tomasz");
  await add("Directory", tomasz);
  await tomasz.page.getByLabel("Search rooms").fill("garden");
  const row = tomasz.page.getByRole("dialog").getByRole("listitem").filter({ hasText: "Garden club" });
  await row.waitFor();
  await assertAccessible(tomasz.page, "directory");
  await row.getByRole("button", { name: "Join" }).click();
  const bees = tomasz.page.getByRole("main").getByRole("listitem").filter({ hasText: "Bees" });
  await bees.waitFor();
  await assertAccessible(tomasz.page, "space");
  await bees.getByRole("button", { name: "Join" }).click();
  await tomasz.page.getByRole("textbox", { name: "Message Bees" }).waitFor();
  // What is new in a room of the space stands at the space, too.
  const tomaszToken = await server.logIn(tomasz);
  const { room_id: beesId } = await server.call(tomaszToken, "GET", `/directory/room/${encodeURIComponent(`#bees:${server.name}`)}`);
  const words = { msgtype: "m.text", body: "Look here", "m.mentions": { user_ids: [lena.id] } };
  await server.call(tomaszToken, "PUT", `/rooms/${encodeURIComponent(beesId)}/send/m.room.message/1`, words);
  const rail = page.getByRole("navigation", { name: "Sealpost" });
  const marked = rail.getByRole("button", { name: "Garden club, 1 unread message, 1 mention of you", exact: true });
  await marked.waitFor();
  await marked.getByText("@1", { exact: true }).waitFor();
  await assertAccessible(page, "a space with something new in it");
  await page.getByRole("navigation", { name: "Rooms" }).getByRole("button", { name: "Bees" }).click();
  await rail.getByRole("button", { name: "Garden club", exact: true }).waitFor();
  // Who is in the space comes into its room.
  await tomasz.page.getByRole("navigation", { name: "Sealpost" }).getByRole("button", { name: "Garden club" }).click();
  const roses = tomasz.page.getByRole("main").getByRole("listitem").filter({ hasText: "Roses" });
  await roses.getByRole("button", { name: "Join" }).click();
  await tomasz.page.getByRole("textbox", { name: "Message Roses" }).waitFor();
  await tomasz.page.getByRole("navigation", { name: "Sealpost" }).getByRole("button", { name: "Garden club" }).click();
  await bees.waitFor();
  // Who is removed from the space is told, and sees what else there is.
  const spaceId = decodeURIComponent(tomasz.page.url().split("/").at(-1));
  const token = await server.logIn(lena);
  await server.call(token, "POST", `/rooms/${encodeURIComponent(spaceId)}/kick`, { user_id: tomasz.id, reason: "The bees" });
  await tomasz.page.getByRole("main").getByText("lena removed you from this space.").waitFor();
  await tomasz.page.getByRole("main").getByText("The bees", { exact: true }).waitFor();
  await assertAccessible(tomasz.page, "taken out of a space");
  const list = tomasz.page.getByRole("navigation", { name: "Rooms" });
  await list.getByText("lena removed you from this space.").waitFor();
  await list.getByRole("button", { name: "Roses" }).waitFor();
  await tomasz.page.getByRole("navigation", { name: "Sealpost" }).getByRole("button", { name: "Garden club" }).waitFor({ state: "detached" });
  await tomasz.page.getByRole("button", { name: "Take it from the list" }).click();
  await list.getByText("lena removed you from this space.").waitFor({ state: "detached" });
  await tomasz.close();
});
