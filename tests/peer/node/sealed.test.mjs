// Our own encryption through whole servers: the wasm module of `e2e/`, with what a client does around it. Two people and
// a third on two servers (HOME_URL, AWAY_URL), each text with SECRET in it. DEPOSITS is set when both servers take
// deposits of sender keys. Each test is one fact and stands on those before it.
import assert from "node:assert/strict";
import { test as fact } from "node:test";

import { Client, deposits } from "./client.mjs";

const { HOME_URL, AWAY_URL, SECRET, CLEAR } = process.env;
const options = { timeout: 120_000 };
const [DIRECT, GROUP] = ["org.sealpost.ratchet.v1", "org.sealpost.sender_key.v1"];
const stamp = Math.random().toString(36).slice(2, 10);
const secret = (what) => `${SECRET} ${what}`;

let alice, bob, carol, alicePhone, bobPhone, direct, group;
const everybody = () => [alice, bob, carol, alicePhone, bobPhone].filter(Boolean);

let failed = false;

/** A fact is not looked at when one before it is none. */
function test(name, options, check) {
  fact(name, options, async () => {
    assert.ok(!failed, "one before failed");
    failed = true;
    await check();
    failed = false;
  });
}

/** Everybody syncs until nobody has anything more to say. */
async function settle(...clients) {
  for (let quiet = 0; quiet < 3; ) {
    const before = clients.map((client) => client.requests);
    for (const client of clients) await client.sync();
    quiet = clients.every((client, at) => client.requests === before[at]) ? quiet + 1 : 0;
  }
}

/** One says something, and all others read it. */
async function says(speaker, room, text, algorithm, ...readers) {
  const event = await speaker.send(room, text);
  assert.equal(event.content.algorithm, algorithm);
  assert.ok(!JSON.stringify(event).includes(text));
  for (const reader of readers) {
    const read = await reader.reads(room, text);
    assert.deepEqual([read.content.body, read.sender.user_id], [text, speaker.user]);
    assert.deepEqual([read.sender.is_proven, read.warnings, read.audience_is_known], [true, [], true]);
  }
}

/** Two devices compare emoji; all steps go through their servers. */
async function compare(one, two) {
  one.compares = two.compares = true;
  const id = one.step((machine, now) => machine.requestVerification(two.user, two.device, now));
  const becomes = async (client, ...states) => {
    await client.until(() => states.includes(client.verification(id)?.state), `${id} ${states}`);
  };
  await one.flush();
  await becomes(two, "requested");
  two.step((machine, now) => machine.acceptVerification(id, now));
  await two.flush();
  await becomes(one, "ready");
  two.step((machine, now) => machine.startSas(id, now));
  await two.flush();
  // Each waits for the other's next message.
  for (let turn = 0; ![one, two].every((side) => side.verification(id).state === "compare"); turn++) {
    assert.ok(turn < 100, JSON.stringify([one.verification(id), two.verification(id)]));
    for (const side of [one, two]) await side.sync(500);
  }
  const seen = [one, two].map((side) => side.verification(id));
  assert.equal(seen[0].emoji.length, 7);
  assert.deepEqual(seen[0].emoji, seen[1].emoji);
  for (const side of [one, two]) {
    side.step((machine, now) => machine.confirmSas(id, now));
    await side.flush();
  }
  await becomes(one, "done");
  await becomes(two, "done");
  one.compares = two.compares = false;
}

test("each puts the keys of a device and an identity on their server", options, async () => {
  [alice, bob, carol] = await Promise.all([
    Client.register(HOME_URL, `alice${stamp}`),
    Client.register(AWAY_URL, `bob${stamp}`),
    Client.register(AWAY_URL, `carol${stamp}`),
  ]);
  for (const client of everybody()) {
    await client.bootstrap();
    const body = { device_keys: { [client.user]: [] } };
    const told = await client.ok("POST", "/_matrix/client/v3/keys/query", body);
    const device = told.device_keys[client.user][client.device];
    assert.deepEqual(new Set(device.algorithms), new Set([DIRECT, GROUP]));
    assert.equal(Object.keys(device.signatures[client.user]).length, 2, "by itself and its identity");
    await client.sync();
    assert.equal(client.counts["org.sealpost.pqxdh.v1"], 50);
    assert.deepEqual(client.unusedFallbacks, ["org.sealpost.pqxdh.v1"]);
  }
});

test("two people talk, each on their own server", options, async () => {
  const open = await alice.createRoom({ name: "in the open", invite: [bob.user] });
  await bob.join(open, alice);
  await alice.sayOpenly(open, CLEAR);
  await bob.until(() => bob.heard.some((event) => event.content.body === CLEAR), "what is in clear");

  direct = await alice.createRoom({ invite: [bob.user], is_direct: true, encryption: DIRECT });
  await bob.join(direct, alice);
  await alice.knows(direct, bob);
  await says(alice, direct, secret("hello"), DIRECT, bob);
  await says(bob, direct, secret("hello yourself"), DIRECT, alice);
  await settle(alice, bob);
  await says(alice, direct, secret("how are you"), DIRECT, bob);
});

test("they compare emoji across servers", options, async () => {
  assert.equal(alice.person(bob).is_verified, false);
  await compare(alice, bob);
  assert.ok(alice.person(bob).is_verified && bob.person(alice).is_verified);
});

test("second devices join in, by recovery key and by emoji", options, async () => {
  await alice.storeSecrets();
  alicePhone = await alice.logIn();
  await alicePhone.recover(alice.recoveryKey);
  await alice.sync();
  bobPhone = await bob.logIn();
  await bob.until(() => bob.person(bob).devices.length === 2, "the phone");
  await compare(bobPhone, bob);
  await bob.shareSecrets(bobPhone);
  await bobPhone.until(() => bobPhone.secrets.size >= 2, "the secrets");
  const names = (of) => of.devices.filter((one) => one.is_vouched_for).map((one) => one.device_id);
  for (const [client, other] of [[alice, bob], [bob, alice]]) {
    await client.until(() => names(client.person(other)).length === 2, `the devices of ${other.user}`);
  }
  await settle(alice, bob, alicePhone, bobPhone);
  assert.ok(alicePhone.person(bob).is_verified, "by Alice's signature");
  await says(alice, direct, secret("to four devices"), DIRECT, bob, alicePhone, bobPhone);
  await says(bobPhone, direct, secret("from the phone"), DIRECT, alice, alicePhone, bob);
});

test("a group of three reads, from a join to a leave", options, async () => {
  group = await alice.createRoom({ invite: [bob.user], encryption: GROUP });
  await bob.join(group, alice);
  await alice.knows(group, bob);
  await says(alice, group, secret("before carol"), DIRECT, bob);
  await alice.invite(group, carol);
  await carol.join(group, alice);
  for (const client of [alice, bob, alicePhone, bobPhone]) await client.knows(group, carol);
  await settle(...everybody());
  await says(alice, group, secret("welcome"), GROUP, bob, carol, alicePhone, bobPhone);
  await says(carol, group, secret("thank you"), GROUP, alice, bob, alicePhone, bobPhone);
  await says(alice, group, secret("again"), GROUP, bob, carol, alicePhone, bobPhone);
  assert.notEqual((await carol.tries(group, secret("before carol")))?.status, "read");
});

test("a key that was lost is asked for, and comes", options, async () => {
  bobPhone.loses = true;
  await alice.rotate(group);
  const event = await alice.send(group, secret("lost"));
  await bobPhone.until(() => bobPhone.event(event.event_id), "the event");
  assert.equal(bobPhone.decrypt(bobPhone.event(event.event_id)).status, "missing_key");
  bobPhone.loses = false;
  await bobPhone.flush();
  for (let turn = 0; bobPhone.decrypt(event).status !== "read"; turn++) {
    assert.ok(turn < 50, "it never comes");
    await alice.sync(200);
    await bobPhone.sync(200);
  }
});

if (process.env.DEPOSITS) {
  test("a deposit brings what sync has lost", options, async () => {
    assert.ok((await deposits(alice)) && (await deposits(bob)));
    bobPhone.loses = true;
    alice.deposits = group;
    await alice.rotate(group);
    const event = await alice.send(group, secret("deposited"));
    await bobPhone.until(() => bobPhone.event(event.event_id), "the event");
    assert.equal(bobPhone.decrypt(event).status, "missing_key");
    await bobPhone.until(async () => (await bobPhone.takeDeposits(group)) > 0, "the deposits");
    assert.equal(bobPhone.decrypt(event).content.body, secret("deposited"));
    assert.equal(await bobPhone.takeDeposits(group), 0, "they are acknowledged");
    alice.deposits = null;
    bobPhone.loses = false;
  });
}

test("who has left reads nothing more", options, async () => {
  await settle(...everybody());
  await carol.leave(group);
  for (const client of [alice, bob, alicePhone, bobPhone]) await client.knows(group, carol, "leave");
  const event = await alice.send(group, secret("among two"));
  assert.equal((await bob.reads(group, secret("among two"))).content.body, secret("among two"));
  // Even with the event in her hands.
  await carol.sync();
  assert.notEqual(carol.decrypt(event).status, "read");
});

test("a backup gives a new device everything", options, async () => {
  await alice.createBackup();
  const phone = await alice.logIn();
  await phone.recover(alice.recoveryKey);
  assert.ok((await phone.restore(alice.recoveryKey)) >= 3);
  for (const [room, ...texts] of [
    [direct, "hello", "hello yourself", "how are you", "to four devices", "from the phone"],
    [group, "welcome", "thank you", "again", "lost", "among two"],
  ]) {
    await phone.loadHistory(room);
    for (const text of texts) {
      const outcome = await phone.tries(room, secret(text));
      assert.equal(outcome?.status, "read", text);
      assert.ok(outcome.sender.is_proven, text);
    }
  }
  await settle(alice, bob, phone);
  await says(phone, direct, secret("from the new one"), DIRECT, alice, bob);
});
