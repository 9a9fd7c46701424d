// Sending where one is: asked for when somebody wants that, shown before, sealed, and told to nobody else.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { comes } from "./support/comes.mjs";
import { endWith, lenaAndJonas, openBrowser } from "./support/person.mjs";
import { foundAt } from "./support/scan.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, jonas;

before(async () => {
  await openBrowser();
  server = await Server.alone("place");
  [lena, jonas] = await lenaAndJonas(server);
  await lena.meets(jonas, "Where are you?");
});

after(() => endWith(server));

async function choose({ page }) {
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("menuitem", { name: "Where I am" }).click();
  return page.getByRole("dialog", { name: "Where I am" });
}

test("a place goes sealed to those in the room, after it was shown, and nobody else is asked anything", async () => {
  await lena.context.grantPermissions(["geolocation"]);
  await lena.context.setGeolocation({ latitude: 47.123456, longitude: -9.654321, accuracy: 20 });
  const dialog = await choose(lena);
  await dialog.getByText("47.12346° N, 9.65432° W").waitFor();
  await dialog.getByText("within 20 m").waitFor();
  await dialog.getByLabel("What is there").fill("By the pond");
  await assertAccessible(lena.page, "a place that will be sent");
  await dialog.getByRole("button", { name: "Send" }).click();
  const link = jonas.page.getByRole("article").getByRole("link", { name: "47.12346° N, 9.65432° W" });
  await link.waitFor();
  await comes(() => link.getAttribute("href"), "geo:47.12346,-9.65432");
  await jonas.page.getByRole("article").getByText("By the pond").waitFor();
  await assertAccessible(jonas.page, "a place");
  assert.deepEqual(foundAt(["47.1234", "9.6543", "By the pond"], server), []);
  for (const person of [lena, jonas]) person.assertOwnOrigin();
});

test("a place may be told roughly", async () => {
  const dialog = await choose(lena);
  await dialog.getByLabel("Only roughly").check();
  await dialog.getByText("47.12° N, 9.65° W").waitFor();
  await dialog.getByRole("button", { name: "Send" }).click();
  await jonas.page.getByRole("article").getByRole("link", { name: "47.12° N, 9.65° W" }).waitFor();
  await jonas.page.getByRole("article").getByText("within 1 km").waitFor();
});

test("a place that is told in a thread stands in it and not in the room", async () => {
  await lena.message("Where are you?").hover();
  await lena.message("Where are you?").getByRole("button", { name: "More" }).click();
  await lena.page.getByRole("menuitem", { name: "Reply in a thread" }).click();
  const panel = lena.page.getByRole("complementary", { name: "Thread" });
  await panel.getByRole("button", { name: "Add", exact: true }).click();
  await lena.page.getByRole("menuitem", { name: "Where I am" }).click();
  const dialog = lena.page.getByRole("dialog", { name: "Where I am" });
  await dialog.getByLabel("What is there").fill("At the mill");
  await dialog.getByRole("button", { name: "Send" }).click();
  await panel.getByText("At the mill").waitFor();
  await panel.getByText("Sending…").waitFor({ state: "detached" });
  await jonas.page.getByRole("button", { name: "1 reply" }).click();
  const beside = jonas.page.getByRole("complementary", { name: "Thread" });
  await beside.getByRole("link", { name: "47.12346° N, 9.65432° W" }).waitFor();
  await assertAccessible(jonas.page, "a place in a thread");
  // There the link to the thread names it, and no more.
  const inRoom = jonas.page.getByRole("main").getByRole("article").filter({ hasText: "At the mill" });
  await comes(() => inRoom.count(), 1);
  assert.equal(await inRoom.getByRole("link").count(), 0);
  for (const one of [panel, beside]) await one.getByRole("button", { name: "Close" }).click();
  assert.deepEqual(foundAt(["At the mill"], server), []);
});

test("of a place that was changed this is said", async () => {
  const token = await server.logIn(lena);
  const { room_id: roomId } = await server.call(token, "POST", "/createRoom", { name: "Meeting place" });
  const say = (id, content) => server.call(token, "PUT", `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${id}`, content);
  const place = (north) => ({ msgtype: "m.location", body: `geo:${north},9.5`, geo_uri: `geo:${north},9.5` });
  const { event_id } = await say("first", place("47.5"));
  const relation = { rel_type: "m.replace", event_id };
  await say("second", { ...place("47.25"), "m.new_content": place("47.25"), "m.relates_to": relation });
  await lena.choose("Meeting place");
  const message = lena.page.getByRole("article").filter({ hasText: "47.25° N, 9.5° E" });
  await message.getByRole("button", { name: "(edited)" }).waitFor();
});

test("where the browser says no, that is said and nothing is sent", async () => {
  const dialog = await choose(jonas);
  await dialog.getByText("The browser does not let this page know where you are.", { exact: false }).waitFor();
  await assertAccessible(jonas.page, "no place");
  await comes(() => dialog.getByRole("button", { name: "Send" }).isDisabled(), true);
});
