// Five people on two servers: they come, they go, and the keys change with them.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";

import { comes } from "./support/comes.mjs";
import { sealedSends, usedTwice, keysOf } from "./support/keys.mjs";
import { endWith, openBrowser, Person } from "./support/person.mjs";
import { filesOf, found, foundAt } from "./support/scan.mjs";
import { privateKeysOf } from "./support/secrets.mjs";
import { twoServers } from "./support/servers.mjs";

let servers, lena, mia, jonas, tomasz, ada, adasKey;

before(async () => {
  await openBrowser();
  servers = await twoServers("group");
  const register = (server, name) => Person.register(servers[server], name);
  [lena, jonas] = await Promise.all([register(0, "lena"), register(1, "jonas")]);
  [mia, tomasz] = await Promise.all([register(0, "mia"), register(1, "tomasz")]);
  ada = await register(1, "ada");
  adasKey = await ada.saveKey();
});

after(() => endWith(...(servers ?? [])));

const ROOM = "Choir of the valley";
const secrets = [];

/** Somebody says it, everybody reads it, and it is looked for at the end. */
async function heard(from, words, by) {
  secrets.push(words);
  await from.say(words);
  await Promise.all([from, ...by].map((person) => person.reads(words)));
}

const chainOf = (content) => keysOf(content)[0].split(" ")[1];
const lastChain = () => chainOf([...sealedSends(servers[0].proxy.requests).values()].at(-1));

test("four people of two servers read each other in a sealed room", async () => {
  await lena.startRoom(ROOM, "");
  for (const other of [mia, jonas, tomasz]) await lena.invite(other);
  for (const other of [mia, jonas, tomasz]) await other.accept(ROOM);
  await heard(lena, "first-song-at-seven", [mia, jonas, tomasz]);
  await heard(jonas, "i-bring-the-candles", [lena, mia, tomasz]);
  await heard(mia, "the-alto-is-ill", [lena, jonas, tomasz]);
  await heard(tomasz, "then-i-sing-alto", [lena, mia, jonas]);
});

test("who comes later reads what is said from then on, and nothing from before", async () => {
  await lena.invite(ada);
  await ada.accept(ROOM);
  await heard(lena, "welcome-to-ada", [mia, jonas, tomasz, ada]);
  await heard(ada, "thank-you-all-of-you", [lena, mia, jonas, tomasz]);
  assert.equal(await ada.page.getByText("then-i-sing-alto").count(), 0);
});

test("when somebody leaves, what is said next goes under a new key that they are not given", async () => {
  const before = lastChain();
  await tomasz.leave();
  await lena.page.getByText(/tomasz left/).waitFor();
  const from = servers[0].proxy.requests.length;
  await heard(lena, "a-surprise-for-tomasz", [mia, jonas, ada]);
  assert.notEqual(lastChain(), before);
  const told = servers[0].proxy.requests.slice(from).filter(({ path }) => path.includes("/sendToDevice/") || path.includes("sender-keys"));
  assert.ok(told.length > 0);
  assert.deepEqual(told.filter(({ body }) => body.includes(tomasz.id)), []);
  await heard(jonas, "he-will-not-guess-it", [lena, mia, ada]);
});

test("files go both ways and arrive as they were", async () => {
  for (const [from, to, name, inside] of [
    [lena, jonas, "sheet-of-music.pdf", "notes-for-four-voices "],
    [jonas, lena, "list-of-candles.pdf", "beeswax-and-tallow "],
  ]) {
    const bytes = Buffer.from(inside.repeat(9000));
    secrets.push(name, inside.trim());
    await from.attach(name, bytes);
    assert.ok((await to.download(name)).equals(bytes));
  }
});

test("a browser that lost everything reads the past again with the recovery key", async () => {
  const { page } = ada;
  await page.goto("about:blank");
  const session = await ada.context.newCDPSession(page);
  await session.send("Storage.clearDataForOrigin", { origin: new URL(servers[1].url).origin, storageTypes: "all" });
  await page.goto(servers[1].url);
  await ada.logIn();
  await page.getByRole("button", { name: "Approve" }).click();
  await ada.approve(adasKey);
  await ada.choose(ROOM);
  await ada.reads("he-will-not-guess-it");
  await heard(ada, "back-from-the-lake", [lena, mia, jonas]);
  await heard(mia, "glad-you-dried-your-phone", [lena, jonas, ada]);
});

test("a tab that crashes in the middle of sending sends the rest when it is opened again, and nothing twice", async () => {
  const all = ["one-before-the-crash", "two-before-the-crash", "three-before-the-crash"];
  secrets.push(...all);
  // The server has the first, and its answer never comes.
  const answered = new Promise((resolve) => {
    const stop = servers[0].proxy.tamper(({ method, path }) => {
      if (method !== "PUT" || !path.includes("/send/")) return undefined;
      stop();
      resolve();
      return new Promise(() => {});
    });
  });
  for (const words of all) await lena.say(words);
  await answered;
  await lena.crash();
  for (const person of [lena, mia, jonas, ada]) for (const words of all) await person.reads(words);
  await lena.page.getByText("Sending…").first().waitFor({ state: "detached" });
  for (const person of [lena, mia, jonas, ada]) {
    await comes(async () => {
      const shown = await person.page.getByRole("article").allInnerTexts();
      return all.map((words) => shown.filter((text) => text.includes(words)).length);
    }, [1, 1, 1]);
  }
  assert.deepEqual(usedTwice(sealedSends(servers[0].proxy.requests)), []);
});

test("no word, no name of a file and no private key is on either server or passed between", async () => {
  const keys = (await Promise.all([lena, jonas, ada].map((person) => privateKeysOf(person)))).flat();
  assert.ok(keys.length > 30);
  for (const server of servers) assert.deepEqual(foundAt([...secrets, adasKey, ...keys], server), []);
});

test("the same search finds words and names of files of a room that is not sealed, wherever they passed", async () => {
  const open = "Noticeboard";
  const words = ["anybody-may-read-this", "read-by-whoever-runs-a-server"];
  await lena.startRoom(open, "", { isSealed: false });
  await lena.invite(jonas);
  await jonas.accept(open);
  for (const one of words) {
    await lena.say(one);
    await jonas.reads(one);
  }
  await lena.attach("open-to-all.pdf", Buffer.from("inside-of-the-open-file"));
  await jonas.download("open-to-all.pdf");
  const all = [...words, "open-to-all.pdf", "inside-of-the-open-file"];
  for (const server of servers) {
    assert.deepEqual(foundAt(all, server), all);
    assert.deepEqual(found(words, server.proxy.traffic), words);
    assert.deepEqual(words.filter((word) => filesOf(server.folder).some((file) => found([word], file).length > 0)), words);
  }
  assert.deepEqual(found(words, servers[1].federation.traffic), words);
  // What any server is told of a device is found, too: so keys would be.
  const [published] = /"key":"([A-Za-z0-9+/]{43})"/.exec(servers[0].proxy.traffic.toString())?.slice(1) ?? [];
  const raw = Buffer.from(published, "base64");
  assert.deepEqual(foundAt([raw], servers[0]), [raw]);
});

test("nobody but the own server was asked for anything", () => {
  for (const person of [lena, mia, jonas, tomasz, ada]) person.assertOwnOrigin();
});
