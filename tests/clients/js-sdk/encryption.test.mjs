// matrix-js-sdk's own encryption through our endpoints: Olm and Megolm, cross-signing, secret storage, key
// backup, verification. Each test is one fact and stands on those before it.
import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout } from "node:timers/promises";

import { ClientEvent, RoomMemberEvent } from "matrix-js-sdk";
import { CryptoEvent, VerificationPhase, VerifierEvent } from "matrix-js-sdk/lib/crypto-api/index.js";

import { logIn, once, options, password, register, start, until } from "./clients.mjs";

const ENCRYPTION = { type: "m.room.encryption", content: { algorithm: "m.megolm.v1.aes-sha2" } };

/** What opens secret storage, as a person would type it in. */
const secrets = {};
const cryptoCallbacks = {
  getSecretStorageKey: async ({ keys }) => [Object.keys(keys)[0], secrets.privateKey],
};
const more = { cryptoCallbacks };

async function startEncrypted(client) {
  await client.initRustCrypto({ useIndexedDB: false });
  await start(client);
  return client;
}

const byPassword = (user) => async (request) => {
  try {
    return await request(null);
  } catch (error) {
    const identifier = { type: "m.id.user", user };
    return await request({ type: "m.login.password", identifier, password, session: error.data.session });
  }
};

/** The texts that a client can read in a room. */
async function texts(client, room) {
  const events = client.getRoom(room)?.getLiveTimeline().getEvents() ?? [];
  await Promise.all(events.map((event) => client.decryptEventIfNeeded(event)));
  return events.filter((event) => !event.isDecryptionFailure()).map((event) => event.getContent().body);
}

const reads = (client, room, text) =>
  until(async () => (await texts(client, room)).includes(text));

let alice, bob, second, room;

test("both upload their device's keys", options, async () => {
  alice = await startEncrypted(await register("e2e-alice", more));
  bob = await startEncrypted(await register("e2e-bob"));
  for (const client of [alice, bob]) {
    const own = await client.getCrypto().getOwnDeviceKeys();
    const id = client.getUserId();
    await until(async () => {
      const devices = (await client.getCrypto().getUserDeviceInfo([id], true)).get(id);
      return devices?.get(client.getDeviceId())?.getFingerprint() === own.ed25519;
    });
  }
});

test("alice has cross-signing, secret storage and a key backup", options, async () => {
  const crypto = alice.getCrypto();
  await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: byPassword("e2e-alice") });
  const key = await crypto.createRecoveryKeyFromPassphrase();
  secrets.privateKey = key.privateKey;
  await crypto.bootstrapSecretStorage({
    createSecretStorageKey: async () => key,
    setupNewSecretStorage: true,
    setupNewKeyBackup: true,
  });
  assert.equal(await crypto.isCrossSigningReady(), true);
  assert.equal(await crypto.isSecretStorageReady(), true);
  const check = await crypto.checkKeyBackupAndEnable();
  assert.equal(check.trustInfo.trusted, true);
});

test("messages in an encrypted room are read by both and not by the server", options, async () => {
  const appears = once(alice, ClientEvent.Room, () => true);
  ({ room_id: room } = await alice.createRoom({
    name: "Cellar",
    preset: "private_chat",
    initial_state: [ENCRYPTION],
    invite: [bob.getUserId()],
  }));
  await appears;
  const joined = once(alice, RoomMemberEvent.Membership, (_, member) => member.membership === "join");
  await bob.joinRoom(room);
  await joined;
  await until(() => bob.getCrypto().isEncryptionEnabledInRoom(room));
  const { event_id } = await alice.sendTextMessage(room, "The key is under the mat.");
  await reads(bob, room, "The key is under the mat.");
  await bob.sendTextMessage(room, "Not any more.");
  await reads(alice, room, "Not any more.");
  const stored = await bob.fetchRoomEvent(room, event_id);
  assert.equal(stored.type, "m.room.encrypted");
  assert.equal(JSON.stringify(stored).includes("under the mat"), false);
});

test("another takes alice's identity and her device for signed", options, async () => {
  const crypto = bob.getCrypto();
  assert.equal(await crypto.userHasCrossSigningKeys(alice.getUserId(), true), true);
  await until(async () => {
    const status = await crypto.getDeviceVerificationStatus(alice.getUserId(), alice.getDeviceId());
    return status?.signedByOwner === true;
  });
});

test("a second device signs itself and restores what it never saw from the backup", options, async () => {
  // It uploads some seconds after it has learnt of a session.
  const backedUp = async () => (await alice.http.authedRequest("GET", "/room_keys/version")).count;
  while ((await backedUp()) < 2) await setTimeout(200);
  second = await startEncrypted(await logIn("e2e-alice", more));
  assert.equal((await texts(second, room)).includes("The key is under the mat."), false);
  const crypto = second.getCrypto();
  assert.equal(await crypto.userHasCrossSigningKeys(second.getUserId(), true), true);
  await crypto.bootstrapCrossSigning({});
  await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
  await crypto.checkKeyBackupAndEnable();
  const { imported, total } = await crypto.restoreKeyBackup();
  assert.ok(imported >= 2 && imported === total, `${imported} of ${total}`);
  await second.scrollback(second.getRoom(room), 30);
  await reads(second, room, "The key is under the mat.");
  await reads(second, room, "Not any more.");
  const status = await crypto.getDeviceVerificationStatus(second.getUserId(), second.getDeviceId());
  assert.equal(status.crossSigningVerified, true);
});

test("the first device learns of the second, and a new message reaches all three", options, async () => {
  const id = alice.getUserId();
  for (const client of [alice, bob]) {
    await until(async () => {
      const devices = (await client.getCrypto().getUserDeviceInfo([id])).get(id);
      return devices?.has(second.getDeviceId());
    });
  }
  await bob.sendTextMessage(room, "Where is it now?");
  for (const client of [alice, second]) await reads(client, room, "Where is it now?");
});

test("alice and bob verify each other by emoji", options, async () => {
  await bob.getCrypto().bootstrapCrossSigning({
    authUploadDeviceSigningKeys: byPassword("e2e-bob"),
  });
  await until(() => alice.getCrypto().userHasCrossSigningKeys(bob.getUserId(), true));
  const asked = once(bob, CryptoEvent.VerificationRequestReceived, () => true);
  const mine = await alice.getCrypto().requestVerificationDM(bob.getUserId(), room);
  const [theirs] = await asked;
  await theirs.accept();
  const phase = (request, wanted) => until(() => request.phase >= wanted);
  await phase(mine, VerificationPhase.Ready);
  const verifier = await mine.startVerification("m.sas.v1");
  await until(() => theirs.verifier !== undefined);
  const emoji = [];
  const compare = (verifier) => {
    verifier.on(VerifierEvent.ShowSas, (sas) => {
      emoji.push(sas.sas.emoji.map(([sign]) => sign).join(" "));
      void sas.confirm();
    });
    return verifier.verify();
  };
  await Promise.all([compare(verifier), compare(theirs.verifier)]);
  assert.equal(emoji.length, 2);
  assert.equal(emoji[0], emoji[1]);
  for (const [client, other] of [[alice, bob], [bob, alice]]) {
    await until(async () => {
      const status = await client.getCrypto().getUserVerificationStatus(other.getUserId());
      return status.isCrossSigningVerified();
    });
  }
});

test("a device that logs out is gone from the list", options, async () => {
  const device = second.getDeviceId();
  await second.logout(true);
  const id = alice.getUserId();
  await until(async () => {
    const devices = (await bob.getCrypto().getUserDeviceInfo([id])).get(id);
    return !devices.has(device);
  });
  await bob.sendTextMessage(room, "Only for one");
  await reads(alice, room, "Only for one");
});
