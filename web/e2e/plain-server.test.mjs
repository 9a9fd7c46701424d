// A homeserver that speaks the specification and nothing else: no sliding sync, none of what is ours. And what another
// server may put into an event.
import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { endWith, lenaAndJonas, openBrowser } from "./support/person.mjs";
import { foundAt } from "./support/scan.mjs";
import { twoServers } from "./support/servers.mjs";

let servers, lena, jonas, phone, key;

const isSync = ({ path }) => path.endsWith("/v3/sync");

function hide(asked, told) {
  if (asked.path.endsWith("/versions")) return { versions: told.versions, unstable_features: {} };
}

before(async () => {
  await openBrowser();
  servers = await twoServers("plain");
  for (const { proxy } of servers) proxy.tamper(hide);
  [lena, jonas] = await lenaAndJonas(...servers);
  key = await lena.saveKey();
});

afterEach(() => {
  for (const { proxy } of servers) for (const change of proxy.changes) if (change !== hide) proxy.changes.delete(change);
});

after(() => endWith(...(servers ?? [])));

const secrets = ["a-lamp-in-the-attic", "moths-around-it", "the-stairs-creak", "nobody-came-down"];

test("people talk sealed, and find everything after a reload", async () => {
  await lena.startChat(jonas);
  await lena.sends(secrets[0]);
  await jonas.accept(/lena/);
  await jonas.reads(secrets[0]);
  await jonas.say(secrets[1]);
  await lena.reads(secrets[1]);
  await lena.page.reload();
  await lena.reads(secrets[1]);
});

test("a device that was approved while nobody looked is known to who comes back", async () => {
  const at = jonas.page.url();
  await jonas.page.goto("about:blank");
  phone = await lena.secondDevice();
  await phone.page.getByRole("button", { name: "Approve", exact: true }).first().click();
  await phone.approve(key);
  await phone.choose("jonas");
  await phone.sends(secrets[2]);
  await jonas.page.goto(at);
  await jonas.reads(secrets[2]);
  assert.equal(await jonas.page.getByText(/has not approved/).count(), 0);
  await jonas.say(secrets[3]);
  await phone.reads(secrets[3]);
});

test("an event of an absurd time breaks neither the room nor the list of rooms, now or later", async () => {
  const { proxy } = servers[0];
  const stop = proxy.tamper((asked, told) => {
    if (!isSync(asked)) return;
    for (const room of Object.values(told.rooms?.join ?? {})) {
      for (const event of room.timeline?.events ?? []) event.origin_server_ts = Number.MAX_SAFE_INTEGER;
    }
  });
  await jonas.say("What time is it?");
  await lena.reads("What time is it?");
  stop();
  await lena.page.reload();
  await lena.reads("What time is it?");
  await lena.page.getByRole("navigation", { name: "Rooms" }).getByRole("button", { name: /jonas/ }).waitFor();
  assert.deepEqual(lena.crashes, []);
});

test("a room that was left on another device while this one was closed is gone", async () => {
  await lena.startRoom("Coal shed", "", { isSealed: false });
  await phone.choose("Coal shed");
  await lena.page.goto("about:blank");
  await phone.leave();
  await lena.page.goto(servers[0].url);
  const rooms = lena.page.getByRole("navigation", { name: "Rooms" });
  // What is kept is shown at once, until the server is heard.
  await rooms.getByRole("button", { name: /jonas/ }).waitFor();
  await rooms.getByRole("button", { name: "Coal shed" }).waitFor({ state: "detached" });
  await lena.page.reload();
  await rooms.getByRole("button", { name: /jonas/ }).waitFor();
  assert.equal(await rooms.getByRole("button", { name: "Coal shed" }).count(), 0);
});

test("nothing but the specification was asked for, and no server has a word", () => {
  for (const server of servers) {
    // What is ours is kept as anybody's account data is.
    const paths = server.proxy.requests.map(({ path }) => path).filter((path) => !path.includes("/account_data/"));
    assert.deepEqual(paths.filter((path) => /\/unstable\/|sealpost/.test(path)), []);
    assert.ok(paths.some((path) => path.endsWith("/v3/sync")));
    assert.deepEqual(foundAt(secrets, server), []);
  }
  for (const person of [lena, jonas, phone]) {
    person.assertOwnOrigin();
    assert.deepEqual(person.crashes, []);
  }
});
