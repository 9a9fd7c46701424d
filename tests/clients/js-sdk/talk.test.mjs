// What two users of matrix-js-sdk see of each other: edits, reactions, threads, receipts, typing, presence, a
// room that is upgraded. Each test is one fact and stands on those before it.
import assert from "node:assert/strict";
import test from "node:test";

import {
  ClientEvent,
  EventType,
  MatrixEventEvent,
  MsgType,
  NotificationCountType,
  ReceiptType,
  RelationType,
  RoomEvent,
  RoomMemberEvent,
  ThreadEvent,
  UserEvent,
} from "matrix-js-sdk";

import { arrives, once, options, register, sendDirectly, start, until } from "./clients.mjs";

const text = (body, more = {}) => ({ msgtype: MsgType.Text, body, ...more });

let alice, bob, room, root;

test("both are in a room", options, async () => {
  alice = await register("talk-alice");
  bob = await register("talk-bob");
  for (const client of [alice, bob]) await start(client, { threadSupport: true });
  const appears = once(alice, ClientEvent.Room, () => true);
  const initial_state = [
    { type: EventType.RoomAvatar, content: { url: "mxc://localhost/garden" } },
    { type: EventType.RoomHistoryVisibility, content: { history_visibility: "invited" } },
  ];
  ({ room_id: room } = await alice.createRoom({
    room_version: "11",
    name: "Garden",
    invite: [bob.getUserId()],
    initial_state,
  }));
  await appears;
  const joined = once(alice, RoomMemberEvent.Membership, (_, member) => member.membership === "join");
  await bob.joinRoom(room);
  await joined;
  await until(() => bob.getRoom(room)?.getMyMembership() === "join");
});

test("an edit replaces the text where it was", options, async () => {
  const arrived = arrives(bob, "The roof leeks");
  const { event_id } = await alice.sendMessage(room, text("The roof leeks"));
  const [event] = await arrived;
  const replaced = once(event, MatrixEventEvent.Replaced, () => true);
  await alice.sendMessage(room, {
    ...text("* The roof leaks"),
    "m.new_content": text("The roof leaks"),
    "m.relates_to": { rel_type: RelationType.Replace, event_id },
  });
  await replaced;
  assert.equal(event.getContent().body, "The roof leaks");
  const told = await bob.fetchRoomEvent(room, event_id);
  const edit = told.unsigned["m.relations"]["m.replace"];
  assert.equal(edit.content["m.new_content"].body, "The roof leaks");
});

test("reactions are counted by their key", options, async () => {
  const arrived = arrives(bob, "Tea?");
  const { event_id } = await alice.sendMessage(room, text("Tea?"));
  await arrived;
  const reaction = (key) => ({ "m.relates_to": { rel_type: RelationType.Annotation, event_id, key } });
  await bob.sendEvent(room, EventType.Reaction, reaction("👍"));
  await alice.sendEvent(room, EventType.Reaction, reaction("👍"));
  const { event_id: other } = await bob.sendEvent(room, EventType.Reaction, reaction("☕"));
  const kinds = [event_id, RelationType.Annotation, EventType.Reaction];
  const relations = () => bob.getRoom(room).relations.getChildEventsForEvent(...kinds);
  const sorted = () => relations()?.getSortedAnnotationsByKey().map(([key, events]) => [key, events.size]);
  const want = [["👍", 2], ["☕", 1]];
  await until(() => JSON.stringify(sorted()) === JSON.stringify(want));
  const all = await bob.relations(room, ...kinds);
  assert.equal(all.events.length, 3);
  await bob.redactEvent(room, other);
  await until(async () => (await alice.relations(room, ...kinds)).events.length === 2);
});

test("a thread has its replies and is listed", options, async () => {
  const arrived = arrives(bob, "Which paint?");
  ({ event_id: root } = await alice.sendMessage(room, text("Which paint?")));
  await arrived;
  const made = once(bob.getRoom(room), ThreadEvent.New, (thread) => thread.id === root);
  const relation = { "m.relates_to": { rel_type: RelationType.Thread, event_id: root } };
  await sendDirectly(alice, room, text("Green", relation));
  await sendDirectly(bob, room, text("Blue", relation));
  const [thread] = await made;
  await until(() => thread.length === 2 && thread.replyToEvent?.getContent().body === "Blue");
  const list = await bob.createThreadListMessagesRequest(room, null, 20);
  assert.deepEqual(list.chunk.map((event) => event.event_id), [root]);
  const summary = list.chunk[0].unsigned["m.relations"]["m.thread"];
  assert.equal(summary.count, 2);
  assert.equal(summary.current_user_participated, true);
  assert.equal(summary.latest_event.content.body, "Blue");
});

test("a receipt is seen by the other and ends what is unread", options, async () => {
  const arrived = arrives(bob, "Read me");
  const { event_id } = await alice.sendMessage(room, text("Read me"));
  const [event] = await arrived;
  const where = bob.getRoom(room);
  await until(() => where.getRoomUnreadNotificationCount(NotificationCountType.Total) > 0);
  const seen = once(alice.getRoom(room), RoomEvent.Receipt, (receipt) => {
    const users = receipt.getContent()[event_id]?.[ReceiptType.Read] ?? {};
    return bob.getUserId() in users;
  });
  await bob.sendReadReceipt(event);
  await seen;
  await until(() => where.getRoomUnreadNotificationCount(NotificationCountType.Total) === 0);
});

test("a mention is a highlight", options, async () => {
  const where = bob.getRoom(room);
  await alice.sendMessage(room, text("Bob!", { "m.mentions": { user_ids: [bob.getUserId()] } }));
  await until(() => where.getRoomUnreadNotificationCount(NotificationCountType.Highlight) === 1);
});

test("typing begins and ends", options, async () => {
  const typing = (is) =>
    once(alice, RoomMemberEvent.Typing, (_, member) => member.userId === bob.getUserId() && member.typing === is);
  const begins = typing(true);
  await bob.sendTyping(room, true, 30_000);
  await begins;
  const ends = typing(false);
  await bob.sendTyping(room, false, 0);
  await ends;
});

test("presence and its message reach who shares a room", options, async () => {
  const changed = once(alice, UserEvent.Presence, (_, user) =>
    user.userId === bob.getUserId() && user.presence === "unavailable");
  await bob.setPresence({ presence: "unavailable", status_msg: "At lunch" });
  const [, user] = await changed;
  assert.equal(user.presenceStatusMsg, "At lunch");
});

test("tags and account data reach the user's other sync", options, async () => {
  const tagged = once(bob.getRoom(room), RoomEvent.Tags, (_, where) => "m.favourite" in where.tags);
  await bob.setRoomTag(room, "m.favourite", { order: 0.5 });
  await tagged;
  const stored = once(bob, ClientEvent.AccountData, (event) => event.getType() === "org.example.note");
  await bob.setAccountData("org.example.note", { text: "milk" });
  assert.deepEqual((await stored)[0].getContent(), { text: "milk" });
});

test("an upgraded room has what it had, and the old one is closed", options, async () => {
  const { replacement_room: upgraded } = await alice.upgradeRoom(room, "12");
  await until(() => bob.getRoom(room).currentState.getStateEvents("m.room.tombstone", "") !== null);
  const tombstone = bob.getRoom(room).currentState.getStateEvents("m.room.tombstone", "");
  assert.equal(tombstone.getContent().replacement_room, upgraded);
  await assert.rejects(bob.sendMessage(room, text("too late")));
  await alice.invite(upgraded, bob.getUserId());
  await bob.joinRoom(upgraded);
  const tags = () => bob.getRoom(upgraded)?.tags ?? {};
  await until(() => "m.favourite" in tags());
  assert.equal(bob.getRoom(upgraded).getMyMembership(), "join");
  const state = bob.getRoom(upgraded).currentState;
  assert.equal(state.getStateEvents("m.room.name", "").getContent().name, "Garden");
  assert.equal(state.getStateEvents("m.room.avatar", "").getContent().url, "mxc://localhost/garden");
  assert.equal(state.getStateEvents("m.room.create", "").getContent().predecessor.room_id, room);
});
