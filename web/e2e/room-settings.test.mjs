// What can be chosen about a room, and a room that takes the place of another.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { assertAccessible } from "./support/axe.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { foundAt } from "./support/scan.mjs";
import { Server } from "./support/servers.mjs";

let server, lena, page, dialog;

before(async () => {
  await openBrowser();
  server = await Server.alone("room-settings");
  lena = await Person.register(server, "lena");
  ({ page } = lena);
  dialog = page.getByRole("dialog", { name: "Room settings" });
  await lena.startRoom("Garden house");
});

after(() => endWith(server));

async function open(tab) {
  await lena.chooseAbout("Room settings");
  await dialog.getByRole("tab", { name: tab, exact: true }).click();
}

async function close() {
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
}

test("name and topic", async () => {
  await open("Room");
  await dialog.getByLabel("Name of the room").fill("Orangery");
  await dialog.getByLabel("What it is about").fill("Lemons");
  await assertAccessible(page, "room settings");
  await dialog.getByRole("button", { name: "Save", exact: true }).click();
  await dialog.getByRole("button", { name: "Saved" }).waitFor();
  await close();
  await page.getByRole("heading", { name: "Orangery" }).waitFor();
});

test("who comes in, and what others may do", async () => {
  await open("Who comes in");
  await dialog.getByText("Sealed. This can’t be undone.").waitFor();
  await dialog.getByLabel("Who may come in").selectOption({ label: "Those who ask and are let in" });
  await dialog.getByLabel("Who reads what was said before").selectOption({ label: "People from when they came in" });
  await assertAccessible(page, "who comes in");
  await dialog.getByRole("tab", { name: "Who may do what" }).click();
  await dialog.getByLabel("Change the topic").selectOption({ label: "Everybody" });
  await assertAccessible(page, "who may do what");
  for (const what of ["Pin messages", "Call everybody with @room", "Seal the room", "Shut out servers", "Change everything else"]) {
    await dialog.getByLabel(what).waitFor();
  }
  await close();
  await open("Who comes in");
  await dialog.getByLabel("Who may come in").getByRole("option", { name: "Those who ask", selected: true }).waitFor({ state: "attached" });
  await close();
});

test("a sealed room is opened to anybody after a warning only", async () => {
  await open("Who comes in");
  const rule = dialog.getByLabel("Who may come in");
  const isChosen = (name) => rule.getByRole("option", { name, selected: true }).waitFor({ state: "attached" });
  await rule.selectOption({ label: "Anybody" });
  await dialog.getByText("Open a sealed room to anybody?").waitFor();
  await assertAccessible(page, "a sealed room about to be opened");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await isChosen("Those who ask");
  await rule.selectOption({ label: "Anybody" });
  await dialog.getByRole("button", { name: "Open it to anybody" }).click();
  await dialog.getByText("Anybody can come in here and read").waitFor();
  await rule.selectOption({ label: "Those who ask and are let in" });
  await dialog.getByText("Anybody can come in here and read").waitFor({ state: "detached" });
  await close();
});

test("a sealed room is opened by a space that anybody can enter after a warning only", async () => {
  const token = await server.logIn(lena);
  const roomId = decodeURIComponent(new URL(page.url()).hash.split("/")[2]);
  const space = { name: "Allotments", preset: "public_chat", creation_content: { type: "m.space" } };
  const { room_id: spaceId } = await server.call(token, "POST", "/createRoom", space);
  const at = `/rooms/${encodeURIComponent(spaceId)}/state/m.space.child/${encodeURIComponent(roomId)}`;
  await server.call(token, "PUT", at, { via: [server.name] });
  await open("Who comes in");
  const rule = dialog.getByLabel("Who may come in");
  await rule.getByRole("option", { name: "Those who are in a space with this room" }).waitFor({ state: "attached" });
  await rule.selectOption({ label: "Those who are in a space with this room" });
  await dialog.getByText("Anybody can enter the space “Allotments”", { exact: false }).waitFor();
  await assertAccessible(page, "a sealed room about to be opened by a space");
  await dialog.getByRole("button", { name: "Open it to anybody" }).click();
  await dialog.getByText("Anybody can come in here by the space “Allotments”", { exact: false }).waitFor();
  await rule.selectOption({ label: "Those who ask and are let in" });
  await dialog.getByText("Anybody can come in here by the space", { exact: false }).waitFor({ state: "detached" });
  await close();
});

test("two changes of who may do what, the second before the first is heard of, are both kept", async () => {
  const token = await server.logIn(lena);
  const roomId = decodeURIComponent(new URL(page.url()).hash.split("/")[2]);
  const at = `/rooms/${encodeURIComponent(roomId)}/state/m.room.power_levels`;
  await open("Who may do what");
  // Somebody else's, of which this client may not have heard.
  await server.call(token, "PUT", at, { ...(await server.call(token, "GET", at)), kick: 60 });
  const told = page.waitForResponse((answer) => answer.request().method() === "PUT" && answer.url().includes("power_levels"));
  await dialog.getByLabel("Change the topic").selectOption({ label: "Who looks after people" });
  await told;
  const { kick, events } = await server.call(token, "GET", at);
  assert.deepEqual([kick, events["m.room.topic"]], [60, 50]);
  await server.call(token, "PUT", at, { ...(await server.call(token, "GET", at)), kick: 50 });
  await close();
});

test("what people are when they come in", async () => {
  await open("Who may do what");
  const usual = dialog.getByLabel("What people are when they come in");
  for (const [label, level] of [["Reads only", -1], ["Takes part", 0]]) {
    const told = page.waitForRequest((request) => request.method() === "PUT" && request.url().includes("power_levels"));
    await usual.selectOption({ label });
    assert.equal((await told).postDataJSON().users_default, level);
  }
  await close();
});

test("an address, which is the main one", async () => {
  await open("Addresses");
  await dialog.getByText("No address yet.").waitFor();
  await dialog.getByLabel("New address").fill("orangery");
  await dialog.getByRole("button", { name: "Add" }).click();
  await dialog.getByText("Main address").waitFor();
  await dialog.getByLabel("Show this room in the server").check();
  await assertAccessible(page, "addresses");
  await close();
});

test("an address that is removed is named by the room no more", async () => {
  const token = await server.logIn(lena);
  const roomId = decodeURIComponent(new URL(page.url()).hash.split("/")[2]);
  const names = () => server.call(token, "GET", `/rooms/${encodeURIComponent(roomId)}/state/m.room.canonical_alias`);
  const [first, second] = [`#orangery:${server.name}`, `#lemons:${server.name}`];
  await open("Addresses");
  await dialog.getByLabel("New address").fill("lemons");
  await dialog.getByRole("button", { name: "Add" }).click();
  await dialog.getByRole("button", { name: "Make it the main one" }).click();
  await dialog.getByRole("listitem").filter({ hasText: second }).getByText("Main address").waitFor();
  assert.deepEqual(await names(), { alias: second, alt_aliases: [first] });
  await dialog.getByRole("button", { name: `Remove ${second}` }).click();
  await dialog.getByRole("listitem").filter({ hasText: second }).waitFor({ state: "detached" });
  assert.deepEqual(await names(), { alt_aliases: [first] });
  await dialog.getByRole("button", { name: "Make it the main one" }).click();
  await dialog.getByText("Main address").waitFor();
  await close();
});

async function ask(tomasz) {
  await tomasz.page.getByRole("button", { name: "New room or chat" }).first().click();
  await tomasz.page.getByRole("tab", { name: "Join a room" }).click();
  await tomasz.page.getByLabel("Address of the room").fill(`#orangery:${server.name}`);
  await tomasz.page.getByRole("dialog").getByRole("button", { name: "Join", exact: true }).click();
  await tomasz.page.getByLabel("Say who you are").fill("From next door");
  await assertAccessible(tomasz.page, "knock");
  await tomasz.page.getByRole("button", { name: "Ask to come in" }).click();
  await tomasz.page.getByText("You asked to come in").first().waitFor();
}

test("somebody asks to come in by the address, is turned away, asks again, and is let in", async () => {
  const tomasz = await Person.register(server, "tomasz");
  await ask(tomasz);
  await assertAccessible(tomasz.page, "asked");
  // It is told of at the head of the room, and done something about where it is told in the conversation.
  const line = page.getByRole("main");
  await page.getByRole("button", { name: "1 person asks to come in" }).waitFor();
  await line.getByRole("button", { name: "Let in (tomasz)" }).waitFor();
  await assertAccessible(page, "a wish to come in");
  await line.getByRole("button", { name: "Turn away (tomasz)" }).click();
  await line.getByRole("button", { name: "Turn away" }).waitFor({ state: "detached" });
  const away = page.getByRole("group", { name: "You turned tomasz away" });
  await away.getByRole("button", { name: "Undo" }).click();
  await line.getByRole("button", { name: "Turn away (tomasz)" }).waitFor();
  await page.getByRole("button", { name: "Who can read this" }).click();
  const panel = page.getByRole("complementary");
  await panel.getByText("From next door").waitFor();
  await assertAccessible(page, "somebody knocks");
  await panel.getByRole("button", { name: "Turn away" }).click();
  await away.getByRole("button", { name: "Do it now" }).click();
  await tomasz.page.getByRole("main").getByText("lena did not let you in.").last().waitFor();
  await assertAccessible(tomasz.page, "turned away");
  await page.getByText("tomasz asks to come in. Why: “From next door”").waitFor();
  await page.getByText("You did not let tomasz in.").waitFor();
  await tomasz.page.getByRole("button", { name: "Take it from the list" }).click();
  await ask(tomasz);
  await panel.getByRole("button", { name: "Let in" }).waitFor();
  await line.getByRole("button", { name: "Let in (tomasz)" }).click();
  await panel.getByRole("button", { name: "Let in" }).waitFor({ state: "detached" });
  await tomasz.page.getByRole("button", { name: "Accept" }).click();
  await tomasz.field().waitFor();
  await panel.getByRole("button", { name: "Close" }).click();
  await tomasz.close();
});

test("leaving for good", async () => {
  await open("More");
  await assertAccessible(page, "more about a room");
  await dialog.getByRole("button", { name: "Leave and forget" }).click();
  await dialog.getByRole("button", { name: "Leave and forget" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByText("No rooms yet").waitFor();
});

/** A sealed room of an earlier version, which is chosen. */
async function olderRoom(token, name) {
  const room = { name, preset: "private_chat", room_version: "10", initial_state: [{ type: "m.room.encryption", content: { algorithm: "org.sealpost.sender_key.v1" } }] };
  const { room_id: roomId } = await server.call(token, "POST", "/createRoom", room);
  await lena.choose(name);
  return roomId;
}

test("a sealed room goes on sealed in a newer version, and where the server leads out of the seal that is warned of", async () => {
  const token = await server.logIn(lena);
  const unsealed = (await server.call(token, "POST", "/createRoom", { name: "Market square", preset: "private_chat" })).room_id;
  await olderRoom(token, "Boathouse");
  await open("More");
  await dialog.getByRole("button", { name: "Replace by a newer version" }).click();
  await dialog.getByText("What was sealed here can be read here only.").waitFor();
  await assertAccessible(page, "a room that is to be replaced");
  // The server names a room that neither is sealed nor goes on from here.
  const stop = server.proxy.tamper(({ path }) => (path.endsWith("/upgrade") ? { replacement_room: unsealed } : undefined));
  await dialog.getByRole("button", { name: "Replace room" }).click();
  await dialog.getByText("The new room is not sealed").waitFor();
  await dialog.getByText("whoever runs a server can read what is written", { exact: false }).waitFor();
  await assertAccessible(page, "a replacement that is not sealed");
  stop();
  await close();
  assert.equal(await page.getByRole("textbox", { name: "Message Market square" }).count(), 0);

  // The same said by somebody else in the room's state.
  const pond = await olderRoom(token, "Pond");
  const tombstone = { body: "Over there", replacement_room: unsealed };
  await server.call(token, "PUT", `/rooms/${encodeURIComponent(pond)}/state/m.room.tombstone/`, tombstone);
  await page.getByRole("button", { name: "Go to the new room" }).click();
  await page.getByRole("main").getByText("The new room is not sealed").waitFor();
  await assertAccessible(page, "a way out of the seal");
  assert.equal(await page.getByRole("textbox", { name: "Message Market square" }).count(), 0);
  await page.getByRole("button", { name: "Go there all the same" }).click();
  await page.getByRole("textbox", { name: "Message Market square" }).waitFor();

  // An honest server's goes on as it was.
  await olderRoom(token, "Mill");
  await open("More");
  await dialog.getByRole("button", { name: "Replace by a newer version" }).click();
  await dialog.getByRole("button", { name: "Replace room" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByText("Sealed: only the people here can read it.").waitFor({ state: "attached" });
  await lena.sends("grain-for-the-mill");
  assert.deepEqual(foundAt(["grain-for-the-mill"], server), []);
  assert.deepEqual(lena.crashes, []);
});
