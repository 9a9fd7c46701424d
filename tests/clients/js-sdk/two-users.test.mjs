// Two users of matrix-js-sdk: register, room, invite, join, messages both ways, history, logout.
// Run by `cargo xtask test clients`, which names the server in SEALPOST_URL. Each test is one fact and
// stands on those before it.
import assert from "node:assert/strict";
import test from "node:test";

import { ClientEvent, RoomEvent, RoomMemberEvent } from "matrix-js-sdk";

import { arrives, logIn, once, options, refused, register, start } from "./clients.mjs";

let alice, bob, second, room;

test("both register and the first sync is prepared", options, async () => {
  alice = await register("js-alice");
  bob = await register("js-bob");
  await Promise.all([start(alice), start(bob)]);
  assert.equal((await alice.whoami()).user_id, alice.getUserId());
});

test("alice makes a private room that bob cannot join", options, async () => {
  const appears = once(alice, ClientEvent.Room, () => true);
  const made = await alice.createRoom({ name: "Garden house", preset: "private_chat" });
  room = made.room_id;
  await appears;
  await assert.rejects(bob.joinRoom(room), refused("M_FORBIDDEN"));
});

test("the invitation arrives with the name of the room", options, async () => {
  const invited = once(
    bob,
    RoomEvent.MyMembership,
    (where, membership) => where.roomId === room && membership === "invite",
  );
  await alice.invite(room, bob.getUserId());
  const [where] = await invited;
  assert.equal(where.name, "Garden house");
});

test("bob joins and alice sees it", options, async () => {
  const joined = once(
    alice,
    RoomMemberEvent.Membership,
    (_, member) => member.userId === bob.getUserId() && member.membership === "join",
  );
  await bob.joinRoom(room);
  await joined;
  const { joined: members } = await alice.getJoinedRoomMembers(room);
  assert.deepEqual(Object.keys(members).sort(), [alice.getUserId(), bob.getUserId()].sort());
});

test("messages arrive both ways", options, async () => {
  const toBob = arrives(bob, "The carpenter was here.");
  const { event_id: first } = await alice.sendTextMessage(room, "The carpenter was here.");
  assert.equal((await toBob)[0].getId(), first);
  const toAlice = arrives(alice, "I'll bring the paint. 🎨");
  const { event_id: second } = await bob.sendTextMessage(room, "I'll bring the paint. 🎨");
  const [event] = await toAlice;
  assert.deepEqual([event.getId(), event.getSender()], [second, bob.getUserId()]);
});

test("the sender's echo carries the transaction id", options, async () => {
  const echoed = once(alice, RoomEvent.LocalEchoUpdated, (event) => event.status === null);
  await alice.sendTextMessage(room, "echo", "echo-1");
  const [event] = await echoed;
  assert.equal(event.getUnsigned().transaction_id, "echo-1");
});

test("a redacted message has no text left", options, async () => {
  const arrived = arrives(bob, "wrong room");
  const { event_id } = await alice.sendTextMessage(room, "wrong room");
  const [event] = await arrived;
  const redacted = once(bob, RoomEvent.Redaction, (by) => by.getAssociatedId() === event_id);
  await alice.redactEvent(room, event_id);
  await redacted;
  assert.equal(event.isRedacted(), true);
  assert.equal((await bob.fetchRoomEvent(room, event_id)).content.body, undefined);
});

test("a new name of the room arrives as state", options, async () => {
  const renamed = once(bob, RoomEvent.Name, (where) => where.name === "Greenhouse");
  await alice.setRoomName(room, "Greenhouse");
  await renamed;
  assert.deepEqual(await bob.getStateEvent(room, "m.room.name", ""), { name: "Greenhouse" });
});

test("a second device reads the history back to the beginning", options, async () => {
  for (let line = 0; line < 25; line += 1) await alice.sendTextMessage(room, `line ${line}`);
  second = await logIn("js-bob");
  assert.notEqual(second.getDeviceId(), bob.getDeviceId());
  await start(second);
  const joined = second.getRoom(room);
  assert.equal(joined.getLiveTimeline().getEvents().at(-1).getContent().body, "line 24");
  while (joined.oldState.paginationToken !== null) await second.scrollback(joined, 10);
  const events = joined.getLiveTimeline().getEvents();
  assert.equal(events[0].getType(), "m.room.create");
  const ids = events.map((event) => event.getId());
  assert.equal(new Set(ids).size, ids.length);
});

test("a file is uploaded and downloaded with its type and name", options, async () => {
  assert.ok((await alice.getMediaConfig(true))["m.upload.size"] > 1000);
  const bytes = new Uint8Array(300_000).map((_, at) => at % 251);
  const upload = { type: "video/mp4", name: "clip ä.mp4" };
  const { content_uri } = await alice.uploadContent(new Blob([bytes]), upload);
  const url = bob.mxcUrlToHttp(content_uri, undefined, undefined, undefined, false, true, true);
  assert.equal((await fetch(url)).status, 401);
  const headers = { Authorization: `Bearer ${bob.getAccessToken()}` };
  const whole = await fetch(url, { headers });
  assert.equal(whole.headers.get("content-type"), "video/mp4");
  const disposition = whole.headers.get("content-disposition");
  assert.equal(disposition, "inline; filename*=utf-8''clip%20%C3%A4.mp4");
  assert.deepEqual(new Uint8Array(await whole.arrayBuffer()), bytes);
  const part = await fetch(url, { headers: { ...headers, Range: "bytes=100000-100009" } });
  assert.equal(part.status, 206);
  assert.deepEqual(new Uint8Array(await part.arrayBuffer()), bytes.slice(100_000, 100_010));
});

test("a token ends with logout and other devices stay", options, async () => {
  await bob.logout(true);
  await assert.rejects(bob.whoami(), refused("M_UNKNOWN_TOKEN"));
  assert.equal((await second.whoami()).user_id, bob.getUserId());
});
