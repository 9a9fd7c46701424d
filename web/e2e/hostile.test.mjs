// Lena's server is not honest: it swaps keys, repeats, withholds and shuffles, adds readers, takes the seal from a room,
// and answers nonsense. Nothing leaks, and what is wrong is said.
import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { comes } from "./support/comes.mjs";
import { sealedSends, usedTwice } from "./support/keys.mjs";
import { ghostDevice, otherIdentity, swapped } from "./support/mallory.mjs";
import { endWith, lenaAndJonas, openBrowser, Person } from "./support/person.mjs";
import { foundAt } from "./support/scan.mjs";
import { twoServers } from "./support/servers.mjs";

let servers, proxy, lena, jonas, tomasz;

before(async () => {
  await openBrowser();
  servers = await twoServers("hostile");
  [{ proxy }] = servers;
  [lena, jonas] = await lenaAndJonas(...servers);
  tomasz = await Person.register(servers[1], "tomasz");
  await lena.meets(jonas, "Hello Jonas");
  await jonas.say("Hello Lena");
  await lena.reads("Hello Lena");
});

afterEach(() => proxy.changes.clear());

after(() => endWith(...(servers ?? [])));

const secrets = [];
const isSync = ({ path }) => path.endsWith("/sync");
const isQuery = ({ path }) => path.endsWith("/keys/query");

/** Something that must never be readable on the way. */
function secret(words) {
  secrets.push(words);
  return words;
}

async function heard(from, to, words) {
  await from.say(secret(words));
  await to.reads(words);
}

/** Every list of events of a sync is changed by `change`. */
function changeRooms(told, change) {
  for (const room of Object.values(told.rooms ?? {})) {
    for (const part of ["timeline", "required_state", "invite_state"]) {
      if (room[part]) room[part] = change(room[part], part);
    }
  }
  return told;
}

/** Has Lena's client ask again for Jonas's keys, and waits until it was answered. */
async function askedAgain() {
  const asked = new Promise((resolve) => {
    const stop = proxy.tamper((request) => {
      if (!isQuery(request) || !request.body.includes(jonas.id)) return;
      stop();
      resolve();
    });
  });
  const stop = proxy.tamper((request, told) => {
    if (!isSync(request) || !told.extensions) return;
    told.extensions.e2ee = { ...told.extensions.e2ee, device_lists: { changed: [jonas.id], left: [] } };
  });
  await jonas.field().fill("…");
  await jonas.field().fill("");
  await asked;
  stop();
}

test("what is told twice, in another order, or not at all is shown once, or not", async () => {
  let dropped = false;
  const stop = proxy.tamper((request, told) => {
    if (!isSync(request)) return;
    const toDevice = told.extensions?.to_device;
    if (toDevice?.events) toDevice.events = [...toDevice.events, ...toDevice.events].reverse();
    return changeRooms(told, (events, part) => {
      if (part !== "timeline") return events;
      const kept = events.filter((event) => dropped || event.type !== "m.room.encrypted" || !(dropped = true));
      return kept.flatMap((event) => [event, { ...event, event_id: `${event.event_id}again` }]).reverse();
    });
  });
  await jonas.sends(secret("the-one-that-is-withheld"));
  const all = ["shuffled-in-the-cellar", "twice-told-by-the-clerk", "last-and-not-least"].map(secret);
  for (const words of all) await jonas.say(words);
  for (const words of all) await lena.reads(words);
  await comes(async () => {
    const shown = await lena.page.getByRole("article").allInnerTexts();
    return ["the-one-that-is-withheld", ...all].map((words) => shown.filter((one) => one.includes(words)).length);
  }, [0, 1, 1, 1]);
  stop();
});

test("a device that the server adds gets no key, and is shown as one that nobody approved", async () => {
  const stop = proxy.tamper((request, told) => {
    const devices = isQuery(request) && told.device_keys?.[jonas.id];
    if (!devices) return;
    devices["GHOSTDEVICE"] = ghostDevice(Object.values(devices)[0], "GHOSTDEVICE");
    return told;
  });
  await askedAgain();
  const from = proxy.requests.length;
  await heard(lena, jonas, "not-for-ghosts");
  const sent = proxy.requests.slice(from).filter(({ path }) => !isQuery({ path }));
  assert.deepEqual(sent.filter(({ body }) => body.includes("GHOSTDEVICE")), []);
  await lena.page.getByRole("button", { name: "Who can read this" }).click();
  const panel = lena.page.getByRole("complementary");
  await panel.getByText("GHOSTDEVICE: Not approved. It gets no keys.").waitFor();
  await panel.getByRole("button", { name: "Close" }).click();
  stop();
});

test("when the seal is taken from a room, or another is named, it stays sealed", async () => {
  const strip = (events) => events.filter(({ type }) => type !== "m.room.encryption");
  const rename = (events) => events.map((event) => {
    return event.type === "m.room.encryption" ? { ...event, content: { algorithm: "m.megolm.v1.aes-sha2" } } : event;
  });
  for (const [change, words] of [[strip, "sealed-as-before"], [rename, "sealed-by-the-same-wax"]]) {
    const stop = proxy.tamper((request, told) => (isSync(request) ? changeRooms(told, change) : undefined));
    await lena.page.reload();
    await lena.field().waitFor();
    await heard(lena, jonas, words);
    stop();
  }
});

test("another identity in the place of somebody's stops what is written, until it is theirs again", async () => {
  const model = {};
  const stop = proxy.tamper((request, told) => {
    const devices = isQuery(request) && told.device_keys?.[jonas.id];
    if (!devices) return;
    model.fake ??= otherIdentity(Object.values(devices)[0], "FAKEDEVICE");
    told.device_keys[jonas.id] = { FAKEDEVICE: model.fake.device };
    told.master_keys[jonas.id] = model.fake.master;
    told.self_signing_keys[jonas.id] = model.fake.selfSigning;
    return told;
  });
  await askedAgain();
  await lena.page.getByRole("button", { name: "New key" }).waitFor();
  const before = sealedSends(proxy.requests).size;
  await lena.say(secret("for-the-true-jonas"));
  await lena.page.getByText("Waiting, not sent: look at", { exact: false }).waitFor();
  assert.equal(sealedSends(proxy.requests).size, before);
  stop();
  await askedAgain();
  await jonas.reads("for-the-true-jonas");
  await lena.page.getByRole("button", { name: "New key" }).waitFor({ state: "detached" });
});

test("a person that the server puts into a room is seen among those who can read", async () => {
  const id = `@ghost:${servers[1].name}`;
  const member = {
    type: "m.room.member", state_key: id, sender: id, event_id: "$ghost", origin_server_ts: Date.now(),
    content: { membership: "join", displayname: "Nobody at all" },
  };
  const stop = proxy.tamper((request, told) => {
    if (request.path.endsWith("/members")) told.chunk.push(member);
    if (!isSync(request)) return told;
    for (const room of Object.values(told.rooms ?? {})) (room.required_state ??= []).push(member);
    return told;
  });
  await jonas.say(secret("who-else-is-here"));
  await lena.reads("who-else-is-here");
  await lena.page.getByRole("button", { name: "Who can read this" }).click();
  const panel = lena.page.getByRole("complementary");
  await panel.getByText("Nobody at all").first().waitFor();
  await panel.getByText("no device", { exact: false }).first().waitFor();
  await panel.getByRole("button", { name: "Close" }).click();
  await heard(lena, jonas, "we-are-two-i-thought");
  stop();
});

test("a person whom the server puts into a room with keys that fit together is told of before the first words to them", async () => {
  const id = `@phantom:${servers[1].name}`;
  const member = {
    type: "m.room.member", state_key: id, sender: id, event_id: "$phantom", origin_server_ts: Date.now(),
    content: { membership: "join", displayname: "Phantom" },
  };
  let model;
  const stop = proxy.tamper((request, told) => {
    if (request.path.endsWith("/members")) told.chunk.push(member);
    if (isQuery(request)) {
      model ??= Object.values(told.device_keys?.[jonas.id] ?? {})[0];
      if (!model || !request.body.includes(id)) return undefined;
      model.fake ??= otherIdentity({ user_id: id, algorithms: model.algorithms }, "PHANTOM");
      (told.device_keys ??= {})[id] = { PHANTOM: model.fake.device };
      (told.master_keys ??= {})[id] = model.fake.master;
      (told.self_signing_keys ??= {})[id] = model.fake.selfSigning;
      return told;
    }
    if (!isSync(request)) return told;
    for (const room of Object.values(told.rooms ?? {})) (room.required_state ??= []).push(member);
    return told;
  });
  await askedAgain();
  await jonas.say(secret("we-have-company"));
  await lena.reads("we-have-company");
  const notice = lena.page.getByRole("note").filter({ hasText: "New here: Phantom" });
  await notice.getByText("They can read what you write from now on.", { exact: false }).waitFor();
  await heard(lena, jonas, "you-were-told");
  await notice.waitFor({ state: "detached" });
  stop();
});

test("under a swapped prekey no key leaves and nothing is sent, until the two have met by a true one", async () => {
  let swaps = 0;
  proxy.tamper((request, told) => {
    if (!request.path.endsWith("/keys/claim")) return;
    for (const devices of Object.values(told.one_time_keys ?? {})) {
      for (const keys of Object.values(devices)) {
        for (const [name, prekey] of Object.entries(keys)) {
          keys[name] = swapped(prekey);
          swaps += 1;
        }
      }
    }
    return told;
  });
  const from = proxy.requests.length;
  await lena.startChat(tomasz);
  await lena.say(secret("for-nobody-but-tomasz"));
  await lena.page.getByText("Waiting, not sent: there is no key yet to seal it for tomasz", { exact: false }).waitFor();
  assert.ok(swaps > 0);
  const since = proxy.requests.slice(from);
  assert.equal(sealedSends(since).size, 0);
  const letters = since.filter(({ path, body }) => path.includes("/sendToDevice/") && body.includes(tomasz.id));
  assert.deepEqual(letters, []);
  await tomasz.accept(/lena/);
  await tomasz.say(secret("then-i-write-first"));
  await lena.reads("then-i-write-first");
  await tomasz.reads("for-nobody-but-tomasz");
});

test("nonsense in the place of answers breaks nothing, and says that the server is not there", async () => {
  const nonsense = [
    "<html>no</html>", "null", "[]", '{"rooms":5,"pos":{},"extensions":[],"lists":7}',
    '{"pos":"1","rooms":{"!a":null,"!b":{"timeline":"x","required_state":{"a":1},"heroes":[5]}},"extensions":{"to_device":{"events":[1,{}]},"e2ee":[]}}',
    `{"pos":"2","rooms":{"!c":{"timeline":[{"type":5},{"event_id":"$x","type":"m.room.encrypted","sender":"@a:b","content":{"ciphertext":{}}}]}}}`,
  ];
  let told = 0;
  const all = new Promise((resolve) => {
    proxy.stopNonsense = proxy.tamper((request) => {
      if (!isSync(request)) return undefined;
      if (told === nonsense.length) resolve();
      return nonsense[told++ % nonsense.length];
    });
  });
  await lena.page.reload();
  await lena.page.getByText("You’re offline.", { exact: false }).waitFor();
  const poke = setInterval(() => void lena.page.evaluate(() => dispatchEvent(new Event("online"))), 300);
  await all;
  clearInterval(poke);
  proxy.stopNonsense();
  await lena.page.evaluate(() => dispatchEvent(new Event("online")));
  await lena.choose("jonas");
  await heard(jonas, lena, "after-all-the-noise");
});

test("in all of this nothing was sent in clear, no key was used twice, and no word is anywhere between", () => {
  const clear = proxy.requests.filter(({ method, path }) => method === "PUT" && /\/send\/(?!m\.room\.encrypted\/)/.test(path));
  assert.deepEqual(clear, []);
  assert.deepEqual(usedTwice(sealedSends(proxy.requests)), []);
  for (const server of servers) assert.deepEqual(foundAt(secrets, server), []);
  for (const person of [lena, jonas, tomasz]) {
    person.assertOwnOrigin();
    assert.deepEqual(person.crashes, []);
  }
});
