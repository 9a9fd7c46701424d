// The client of a Sealpost at a Synapse: another homeserver, as it is.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import test, { after, before } from "node:test";

import { Club } from "./support/club.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { foundAt } from "./support/scan.mjs";
import { Server, startAll } from "./support/servers.mjs";
import { Synapse } from "./support/synapse.mjs";

let sealpost, synapse, club, lena, jonas;

before(async () => {
  await openBrowser();
  [sealpost, synapse] = await startAll(() => Server.alone("page"), () => Synapse.start("synapse"));
  [lena, jonas] = await Promise.all([
    Person.registerAt(synapse, sealpost, "lena"),
    Person.registerAt(synapse, sealpost, "jonas"),
  ]);
});

after(() => endWith(sealpost, synapse, club));

const secrets = ["swallows-under-the-roof", "the-well-is-dry", "rain-on-the-last-day", "a-letter-for-mara", "oars-behind-the-door", "the-key-is-with-the-club"];

test("a chat of two is sealed from its first word, and both read", async () => {
  await lena.startChat(jonas);
  await lena.page.getByText("Sealed: only the people here can read it.").waitFor({ state: "attached" });
  await lena.sends(secrets[0]);
  await jonas.accept(/lena/);
  await jonas.reads(secrets[0]);
  await jonas.sends(secrets[1]);
  await lena.reads(secrets[1]);
});

test("a sealed file arrives as it was", async () => {
  const bytes = randomBytes(100_000);
  await jonas.attach("map-of-the-cellar.pdf", bytes);
  assert.deepEqual(await lena.download("map-of-the-cellar.pdf"), bytes);
});

test("after a reload everything is there and the talk goes on", async () => {
  await Promise.all([lena.page.reload(), jonas.page.reload()]);
  await Promise.all([lena.reads(secrets[1]), jonas.reads(secrets[0])]);
  await lena.say(secrets[2]);
  await jonas.reads(secrets[2]);
});

test("who has no device of ours is named before anything is sent, and is sent nothing in clear", async () => {
  const mara = await synapse.register("mara");
  await lena.page.getByRole("button", { name: "New room or chat" }).first().click();
  const dialog = lena.page.getByRole("dialog");
  await dialog.getByLabel("Whom do you want to write to?").fill(mara.id);
  await dialog.getByRole("button", { name: mara.id }).first().click();
  await dialog.getByText("mara has no device that can open sealed messages.").waitFor();
  await dialog.getByRole("button", { name: "Invite anyway" }).click();
  await lena.page.getByRole("textbox", { name: "Message mara" }).waitFor();
  await lena.sends(secrets[3]);
  const roomId = decodeURIComponent(/![^/]+/.exec(lena.page.url())[0]);
  await synapse.call(mara.token, "POST", `/join/${encodeURIComponent(roomId)}`, {});
  const told = await synapse.call(mara.token, "GET", `/rooms/${encodeURIComponent(roomId)}/messages?dir=b`);
  const types = told.chunk.map(({ type }) => type);
  assert.ok(types.includes("m.room.encrypted") && !types.includes("m.room.message"), types.join());
});

test("the same search finds what is said in a room that is not sealed, and the file there", async () => {
  const words = ["anybody-may-read-this", "a-list-of-the-market"];
  await lena.startRoom("Market square", "", { isSealed: false });
  await lena.invite(jonas);
  await jonas.accept(/Market square/);
  await jonas.sends(words[0]);
  await lena.reads(words[0]);
  const bytes = randomBytes(1000);
  await lena.attach(`${words[1]}.pdf`, bytes);
  assert.deepEqual(await jonas.download(`${words[1]}.pdf`), bytes);
  assert.deepEqual(foundAt(words, synapse), words);
});

test("where the server puts another protocol into new rooms, ours is stated again", async () => {
  await synapse.restart("encryption_enabled_by_default_for_room_type: all\n");
  await lena.startRoom("Boathouse", "");
  await lena.invite(jonas);
  await jonas.accept(/Boathouse/);
  await lena.sends(secrets[4]);
  await jonas.reads(secrets[4]);
});

test("the server has no word of it, on its disk or in what passed, and was asked for what every server has", () => {
  assert.deepEqual(foundAt([...secrets, "map-of-the-cellar"], synapse), []);
  const paths = synapse.proxy.requests.map(({ path }) => path).filter((path) => !path.includes("/account_data/"));
  assert.deepEqual(paths.filter((path) => /sealpost/.test(path)), []);
  assert.ok(paths.some((path) => path.endsWith("simplified_msc3575/sync")));
});

test("who logs out and in again has their rooms, and by the recovery key what was sealed", async () => {
  const { page } = lena;
  const key = await lena.saveKey();
  await lena.logsOut();
  await lena.choosesServer(synapse);
  await lena.logIn();
  await page.getByRole("button", { name: "Approve", exact: true }).first().click();
  await lena.approve(key);
  await lena.choose("jonas");
  // Said moments before: it came into the backup because Lena was about to log out.
  await lena.reads(secrets[1]);
  await lena.reads(secrets[2]);
  await lena.choose("Market square");
  await lena.reads("anybody-may-read-this");
});

test("who comes by single sign-on alone writes sealed, and proves on the server's page that it is them", async () => {
  club = await Club.open("tilda");
  await synapse.restart(`cas_config: {enabled: true, server_url: "${club.url}", idp_name: Garden club}\n`);
  const tilda = await Person.open(sealpost, { ignoreHTTPSErrors: true });
  const { page } = tilda;
  Object.assign(tilda, { name: "tilda", id: `@tilda:${synapse.name}` });
  await tilda.choosesServer(synapse);
  await page.getByRole("button", { name: "Log in with Garden club" }).click();
  await page.getByRole("link", { name: "Continue" }).click();
  await page.getByText("Your recovery key is not saved yet.").waitFor();
  await tilda.startChat(jonas);
  await tilda.sends(secrets[5]);
  await jonas.accept(/tilda/);
  await jonas.reads(secrets[5]);
  const { access_token } = await synapse.call("", "POST", "/login", {
    type: "m.login.token", token: await club.loginToken(synapse), initial_device_display_name: "The club's own",
  });
  await page.getByRole("button", { name: "Settings" }).click();
  const row = page.getByRole("listitem").filter({ hasText: "The club's own" });
  await row.getByRole("button", { name: "Log out" }).click();
  const dialog = page.getByRole("dialog", { name: "Log out this device" });
  await dialog.getByRole("button", { name: "Log out this device" }).click();
  const [own] = await Promise.all([page.waitForEvent("popup"), page.getByRole("button", { name: "Open the page" }).click()]);
  await Promise.all([own.waitForEvent("close"), own.getByRole("link", { name: "Continue with Garden club" }).click()]);
  await row.waitFor({ state: "detached" });
  await assert.rejects(synapse.call(access_token, "GET", "/account/whoami"), /M_UNKNOWN_TOKEN/);
  assert.deepEqual(foundAt(secrets, synapse), []);
  assert.deepEqual(tilda.crashes, []);
});

test("nobody but the two servers was asked for anything, and nothing broke", () => {
  for (const person of [lena, jonas]) {
    assert.deepEqual([...person.origins].sort(), [sealpost.url, synapse.url].sort());
    assert.deepEqual(person.crashes, []);
  }
});
