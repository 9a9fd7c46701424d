// Two people on two servers talk, and nobody in between can read it.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { endWith, lenaAndJonas, openBrowser } from "./support/person.mjs";
import { foundAt } from "./support/scan.mjs";
import { twoServers } from "./support/servers.mjs";

let servers, lena, jonas;

before(async () => {
  await openBrowser();
  servers = await twoServers("talk");
  [lena, jonas] = await lenaAndJonas(...servers);
});

after(() => endWith(...(servers ?? [])));

const secrets = ["the-wax-is-still-warm", "sparrows-at-the-window", "a-second-thought-of-lena"];

test("a chat of two is sealed from its first word, and both read", async () => {
  await lena.startChat(jonas);
  // A message that is sent while somebody joins reaches their server with the next one only.
  await lena.sends(secrets[0]);
  await jonas.accept(/lena/);
  await jonas.reads(secrets[0]);
  await jonas.say(secrets[1]);
  await lena.reads(secrets[1]);
  await lena.page.getByText("Sealed: only the people here can read it.").waitFor({ state: "attached" });
});

test("after a reload everything is there and the talk goes on", async () => {
  await Promise.all([lena.page.reload(), jonas.page.reload()]);
  await lena.reads(secrets[1]);
  await jonas.reads(secrets[0]);
  await lena.say(secrets[2]);
  await jonas.reads(secrets[2]);
});

test("neither server has a word of it, on its disk or in what passed", () => {
  for (const server of servers) assert.deepEqual(foundAt(secrets, server), []);
});

test("the same search finds every word of a room that is not sealed", async () => {
  const words = ["anybody-may-read-this", "read-by-whoever-runs-a-server"];
  await lena.startRoom("Market square", "", { isSealed: false });
  for (const word of words) await lena.sends(word);
  assert.deepEqual(foundAt(words, servers[0]), words);
});

test("nobody but the own server was asked for anything, and the browser had nothing to complain of", () => {
  for (const person of [lena, jonas]) {
    person.assertOwnOrigin();
    // Registration begins with a question that is answered by 401.
    const complaints = person.complaints.filter((complaint) => !/status of 401/.test(complaint));
    assert.deepEqual(complaints, []);
  }
});
