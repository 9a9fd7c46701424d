import { expect, test } from "vitest";

import type { RoomEvent } from "../event";
import type { JsonObject } from "../json";
import { items, preview, type Message } from "./messages";
import { displayName, profile, roomName } from "./names";
import { pollStart } from "./poll";
import { seenBy } from "./receipts";
import { Room } from "./room";
import { passOver, unread } from "./unread";

const me = "@me:a";
const lena = "@lena:a";

let clock = 0;
const event = (event_id: string, content: JsonObject, more: Partial<RoomEvent> = {}): RoomEvent => ({
  event_id, type: "m.room.message", sender: lena, origin_server_ts: (clock += 1), content, ...more,
});
const say = (id: string, more: Partial<RoomEvent> = {}) => event(id, { body: id }, more);
const ids = (room: Room) => items(room, me).map(({ id }) => id);
const messages = (room: Room) => items(room, me).filter((item): item is Message => item.kind === "message");

test("a gap stands between what is known and what came after a long time, until it is filled", () => {
  const room = new Room("!a");
  room.update({ isInitial: true, timeline: [say("$1")], before: "t0" });
  room.update({ isInitial: true, isLimited: true, timeline: [say("$4")], before: "t3" });
  expect(ids(room)).toEqual(["gap t0", "$1", "gap t3", "$4"]);
  expect(room.timeline.isTorn).toBe(true);
  const gap = (index: number) => {
    const before = room.timeline.entries.slice(0, index + 1);
    return before.findLast((entry) => entry.kind === "gap") ?? { kind: "gap", token: "none" };
  };
  room.fill({ ...gap(3) }, [say("$3"), say("$2"), say("$1")], "t1");
  expect(ids(room)).toEqual(["gap t0", "$1", "$2", "$3", "$4"]);
  expect(room.timeline.isTorn).toBe(false);
  room.fill(gap(1), [say("$0")], undefined);
  expect(ids(room)).toEqual(["$0", "$1", "$2", "$3", "$4"]);
});

test("events that are known already come in no second time and leave no gap", () => {
  const room = new Room("!a");
  room.update({ isInitial: true, timeline: [say("$1"), say("$2")] });
  const fresh = room.update({ isInitial: true, timeline: [say("$2"), say("$3")], before: "t" });
  expect(fresh.map(({ event_id }) => event_id)).toEqual(["$3"]);
  expect(ids(room)).toEqual(["$1", "$2", "$3"]);
});

test("older events of a timeline that grew come before those that were known, and change no state", () => {
  const room = new Room("!a");
  const member = (id: string, membership: string) =>
    event(id, { membership }, { type: "m.room.member", state_key: lena });
  room.update({ isInitial: true, timeline: [say("$3"), member("$4", "leave")], before: "t3" });
  const grown = [say("$1"), member("$2", "join"), say("$3"), say("$4"), say("$5")];
  const fresh = room.update({ isInitial: true, isLimited: true, timeline: grown, before: "t1" });
  expect(fresh.map(({ event_id }) => event_id)).toEqual(["$1", "$2", "$5"]);
  expect(ids(room)).toEqual(["gap t1", "$1", "$2", "$3", "$4", "$5"]);
  expect(room.state("m.room.member", lena)?.event_id).toBe("$4");
});

test("of a long room only what others have said something about is made anew", () => {
  const room = new Room("!a");
  const edit = event("$e", { "m.new_content": { body: "b" }, "m.relates_to": { rel_type: "m.replace", event_id: "$2" } });
  room.update({ timeline: [say("$1"), say("$2")] });
  const [first, second] = messages(room);
  room.update({ timeline: [edit, say("$3")], typing: [lena] });
  const [same, edited] = messages(room);
  expect(same).toBe(first);
  expect([second?.content["body"], edited?.content["body"]]).toEqual(["$2", "b"]);
  room.opened.set("$1", { status: "removed" } as never);
  expect(messages(room)[0]).not.toBe(first);
});

test("who is writing is not kept, what was said is", () => {
  const room = new Room("!a");
  room.update({ isInitial: true, membership: "join", joined: 2, timeline: [say("$1")] });
  expect(room.isKept({ membership: "join", joined: 2, timeline: [], state: [], typing: [lena] })).toBe(false);
  expect(room.isKept({ joined: 3 })).toBe(true);
  expect(room.isKept({ timeline: [say("$2")] })).toBe(true);
});

test("who may write is said by the levels, and those who made a room of version 12 always may", () => {
  const room = new Room("!a");
  const state = (type: string, content: JsonObject, sender = lena) =>
    ({ ...event(`$${type}`, content, { type, sender }), state_key: "" });
  room.update({ state: [state("m.room.create", { room_version: "9", creator: lena })] });
  expect([room.level(lena), room.level(me), room.maySend(me, "m.room.message")]).toEqual([100, 0, true]);
  room.update({ state: [state("m.room.power_levels", { events_default: "50", events: { "m.reaction": 0 } })] });
  expect([room.maySend(me, "m.room.message"), room.maySend(me, "m.reaction")]).toEqual([false, true]);
  room.update({ state: [state("m.room.power_levels", { events_default: 50, users_default: 50 })] });
  expect(room.maySend(me, "m.room.message")).toBe(true);
  room.update({ state: [state("m.room.power_levels", { events_default: 50, users: { "@eve:a": 40 } })] });
  expect(room.maySend("@eve:a", "m.room.message")).toBe(false);
  const twelfth = { room_version: "12", additional_creators: [me] };
  room.update({ state: [state("m.room.create", twelfth)] });
  expect([me, lena].map((one) => room.maySend(one, "m.room.message"))).toEqual([true, true]);
});

test("edits, reactions and redactions are applied to what they are about", () => {
  const room = new Room("!a");
  const edit = (id: string, body: string, sender = lena) =>
    event(id, {
      body: `* ${body}`,
      "m.new_content": { body },
      "m.relates_to": { rel_type: "m.replace", event_id: "$1" },
    }, { sender });
  const reaction = (id: string, sender: string) =>
    event(id, { "m.relates_to": { rel_type: "m.annotation", event_id: "$1", key: "👍" } },
      { type: "m.reaction", sender });
  room.update({ timeline: [say("$1"), say("$2"), edit("$3", "better"), edit("$4", "forged", "@eve:a"),
    reaction("$5", me), reaction("$6", lena)] });
  const [first, second] = messages(room);
  expect(first).toMatchObject({ before: [{ content: { body: "$1" } }], content: { body: "better" } });
  expect(first?.reactions).toEqual([{ key: "👍", senders: [me, lena], own: "$5" }]);
  expect(second?.isRedacted).toBe(false);
  room.update({ timeline: [event("$7", { redacts: "$2" }, { type: "m.room.redaction", redacts: "$2" })] });
  expect(messages(room)[1]).toMatchObject({ id: "$2", isRedacted: true, content: {} });
});

test("a removal that is found in a gap removes what it is about", () => {
  const room = new Room("!a");
  room.update({ isInitial: true, timeline: [say("$1")], before: "t0" });
  room.update({ isInitial: true, isLimited: true, timeline: [say("$3")], before: "t2" });
  const gap = room.timeline.entries.findLast((entry) => entry.kind === "gap");
  const removal = event("$2", { redacts: "$3" }, { type: "m.room.redaction", redacts: "$3" });
  if (gap) room.fill(gap, [removal], "t1");
  expect(messages(room).find(({ id }) => id === "$3")).toMatchObject({ isRedacted: true, content: {} });
});

test("who begins a thread knows what was said in it; what it answers for older clients is no answer", () => {
  const room = new Room("!a");
  const inThread = { rel_type: "m.thread", event_id: "$1", is_falling_back: true, "m.in_reply_to": { event_id: "$1" } };
  room.update({ timeline: [say("$1"), event("$2", { body: "x", "m.relates_to": inThread }), say("$3")] });
  const [root, reply] = messages(room);
  expect(root?.thread).toMatchObject({ count: 1, last: { id: "$2" } });
  expect(reply).toMatchObject({ threadRoot: "$1", replyTo: undefined });
});

test("a poll that is edited is one poll, and no words change a poll", () => {
  const room = new Room("!a");
  const start = (id: string, question: string) => event(id, pollStart(question, ["Red", "Blue"], 1, true), { type: "m.poll.start" });
  const edit = (id: string, content: JsonObject, type: string) =>
    event(id, { "m.new_content": content, "m.relates_to": { rel_type: "m.replace", event_id: "$1" } }, { type });
  const better = pollStart("Paint it?", ["Red", "Blue"], 1, true);
  room.update({ timeline: [start("$1", "Paint?"), edit("$2", better, "m.poll.start"), edit("$3", { body: "x" }, "m.room.message")] });
  expect(messages(room).map(({ id, poll }) => [id, poll?.question])).toEqual([["$1", "Paint it?"]]);
  expect(preview(room)?.content).toEqual(better);
});

test("what a server puts in clear into a sealed room is marked, and changes no sealed message", () => {
  const room = new Room("!a");
  room.pinSealed();
  const sealed = event("$1", {}, { type: "m.room.encrypted" });
  const read = { status: "read", type: "m.room.message", content: { body: "secret" } } as const;
  room.opened.set("$1", {
    ...read, isVerified: true, isProven: true, sharedBy: undefined, warnings: [], isRelationWrong: false,
  });
  const forged = event("$2", {
    "m.new_content": { body: "forged" }, "m.relates_to": { rel_type: "m.replace", event_id: "$1" },
  });
  room.update({ timeline: [sealed, forged, say("$3"), event("$4", {}, { type: "m.room.encrypted" })] });
  expect(messages(room).map(({ id, seal, content }) => [id, seal, content["body"]])).toEqual([
    ["$1", "sealed", "secret"],
    ["$3", "clear", "$3"],
    ["$4", "missing_key", undefined],
  ]);
});

/** A sealed event that was read, and its message id. */
function sealedIn(room: Room, id: string, content: JsonObject, more: Partial<RoomEvent> & { opened?: object } = {}): RoomEvent {
  const { opened, ...rest } = more;
  const type = rest.type ?? "m.room.message";
  room.opened.set(id, {
    ...{ status: "read", type, content, isVerified: true, isProven: true, sharedBy: undefined, warnings: [] },
    ...{ isRelationWrong: false, messageId: `id of ${id}`, ...opened },
  });
  return event(id, {}, { ...rest, type: "m.room.encrypted" });
}

const editOf = (id: string, body: string) =>
  ({ body: `* ${body}`, "m.new_content": { body }, "m.relates_to": { rel_type: "m.replace", event_id: id } });
const reactionTo = (id: string) => ({ "m.relates_to": { rel_type: "m.annotation", event_id: id, key: "👍" } });

test("reactions, answers and threads that a server writes in clear do not count for sealed messages", () => {
  const room = new Room("!a");
  room.pinSealed();
  const about = { "m.relates_to": { "m.in_reply_to": { event_id: "$1" } } };
  const inThread = { "m.relates_to": { rel_type: "m.thread", event_id: "$1" } };
  room.update({ timeline: [
    sealedIn(room, "$1", { body: "shall we?" }), event("$2", reactionTo("$1"), { type: "m.reaction" }),
    event("$3", { body: "yes", ...about }), event("$4", { body: "yes", ...inThread }),
    sealedIn(room, "$5", reactionTo("$1"), { type: "m.reaction", sender: me }),
  ] });
  const [asked, answer, threaded] = messages(room);
  expect(asked?.reactions).toEqual([{ key: "👍", senders: [me], own: "$5" }]);
  expect(asked?.thread).toBeUndefined();
  expect(answer).toMatchObject({ seal: "clear", replyTo: undefined });
  expect(threaded).toMatchObject({ seal: "clear", threadRoot: undefined });
});

test("what is said about a message counts only when that is the message which its author meant", () => {
  const room = new Room("!a");
  room.pinSealed();
  const means = (id: string) => ({ opened: { means: id && `id of ${id}` } });
  room.update({ timeline: [
    sealedIn(room, "$2", editOf("$1", "swapped"), means("$other")), sealedIn(room, "$3", reactionTo("$1"), { type: "m.reaction", ...means("$other") }),
    sealedIn(room, "$4", { body: "an answer", "m.relates_to": { "m.in_reply_to": { event_id: "$1" } } }, means("$other")),
    sealedIn(room, "$1", { body: "as it is" }),
  ] });
  expect(messages(room).map(({ content, replyTo, reactions }) => [content["body"], replyTo, reactions])).toEqual([
    ["an answer", undefined, []], ["as it is", undefined, []],
  ]);
  room.update({ timeline: [sealedIn(room, "$5", editOf("$1", "better"), means("$1"))] });
  expect(messages(room)[1]?.content["body"]).toBe("better");
  // Meant for something in clear.
  room.update({ timeline: [say("$6"), sealedIn(room, "$7", editOf("$6", "sealed words"), { opened: { means: null } }),
    sealedIn(room, "$8", editOf("$1", "in clear, I thought"), { opened: { means: null } })] });
  expect(messages(room).map(({ content }) => content["body"])).toEqual(["an answer", "better", "sealed words"]);
});

test("a key that somebody else shared changes no message whose author is proven", () => {
  const room = new Room("!a");
  const shared = { opened: { isProven: false, sharedBy: "@eve:b" } };
  room.update({ timeline: [
    sealedIn(room, "$1", { body: "proven" }), sealedIn(room, "$2", editOf("$1", "forged"), shared),
    sealedIn(room, "$3", { body: "shared" }, shared), sealedIn(room, "$4", editOf("$3", "shared, better"), shared),
  ] });
  expect(messages(room).map(({ content }) => content["body"])).toEqual(["proven", "shared, better"]);
  expect(preview(room)?.content["body"]).toBe("shared, better");
});

test("the last words of a room are as they are now, and nobody else's", () => {
  const room = new Room("!a");
  room.pinSealed();
  room.update({ timeline: [sealedIn(room, "$1", { body: "first" }), sealedIn(room, "$2", editOf("$1", "second"))] });
  expect(preview(room)?.content["body"]).toBe("second");
  room.update({ timeline: [event("$3", editOf("$1", "planted")), sealedIn(room, "$4", editOf("$1", "eve"), { sender: "@eve:b" })] });
  expect(preview(room)?.content["body"]).toBe("second");
});

test("a room that was sealed once stays so, whatever its state becomes", () => {
  const room = new Room("!a");
  const encryption = (algorithm: string) =>
    ({ ...event("$e", { algorithm }, { type: "m.room.encryption" }), state_key: "" });
  room.update({ state: [encryption("m.megolm.v1.aes-sha2")] });
  expect(room.sealing).toBe("foreign");
  room.update({ state: [encryption("org.sealpost.ratchet.v1")] });
  room.update({ state: [encryption("none")] });
  expect(room.sealing).toBe("ours");
  expect(Room.restore(structuredClone(room.snapshot())).sealing).toBe("ours");
});

test("a call to all is a mention where its sender may call all", () => {
  const room = new Room("!a");
  const levels = (room: number) => ({ ...event("$levels", { notifications: { room } }), type: "m.room.power_levels", state_key: "" });
  const call = event("$1", { body: "@room", "m.mentions": { room: true } });
  const receipts = { $0: { "m.read": { [me]: { ts: 1 } } } };
  room.update({ state: [levels(50)], timeline: [say("$0"), call], receipts });
  expect(unread(room, me, "Me")).toMatchObject({ count: 1, highlights: 0 });
  room.update({ state: [levels(0)] });
  expect(unread(room, me, "Me")).toMatchObject({ count: 1, highlights: 1 });
});

test("unread are others' messages after the own receipt or the own last message", () => {
  const room = new Room("!a");
  room.update({ timeline: [say("$1"), say("$2"), say("$3")], receipts: { $1: { "m.read": { [me]: { ts: 1 } } } } });
  expect(unread(room, me, "Me")).toMatchObject({ count: 2, first: "$2" });
  room.update({ timeline: [event("$4", { body: "hi", "m.mentions": { user_ids: [me] } })] });
  expect(unread(room, me, "Me")).toMatchObject({ count: 3, highlights: 1 });
  room.update({ timeline: [say("$5", { sender: me })] });
  expect(unread(room, me, "Me").count).toBe(0);
});

test("what was said in a thread stays unread when the room was read, until the thread is", () => {
  const room = new Room("!a");
  const reply = (id: string, root: string, more: JsonObject = {}) =>
    event(id, { body: id, ...more, "m.relates_to": { rel_type: "m.thread", event_id: root } });
  const read = (id: string) => {
    passOver(room, me);
    room.receipts.set(me, { eventId: id, ts: (clock += 1) });
    room.changed();
  };
  room.update({ timeline: [say("$1"), say("$2")] });
  read("$2");
  room.update({ timeline: [reply("$3", "$1"), reply("$4", "$1", { "m.mentions": { user_ids: [me] } }), reply("$5", "$gone"), say("$6")] });
  expect(unread(room, me, "Me")).toMatchObject({ count: 4, highlights: 1, first: "$3" });
  read("$6");
  // What began the other is not here: it is shown in the room.
  expect(unread(room, me, "Me")).toEqual({ count: 2, highlights: 1, first: undefined });
  const restored = Room.restore(structuredClone(room.snapshot()));
  expect(unread(restored, me, "Me").count).toBe(2);
  // Who answers in it has not read the room.
  room.update({ timeline: [say("$7"), { ...reply("$8", "$1"), sender: me }] });
  expect(unread(room, me, "Me")).toMatchObject({ count: 3, first: "$7" });
  read("$8");
  room.unreadThreads.delete("$1");
  expect(unread(room, me, "Me").count).toBe(0);
});

test("of whom one does not want to hear nothing is shown, told or counted", () => {
  const room = new Room("!a");
  const read = { $0: { "m.read": { [me]: { ts: 1 } } } };
  room.update({ timeline: [say("$0"), say("$1"), say("$2", { sender: "@troll:b" })], receipts: read });
  const unheard = new Set(["@troll:b"]);
  expect(items(room, me, unheard).map(({ id }) => id)).toEqual(["$0", "$1"]);
  expect(preview(room, unheard)?.event.event_id).toBe("$1");
  expect(unread(room, me, "Me", unheard)).toMatchObject({ count: 1, first: "$1" });
});

test("who is called like somebody else in the room is told apart by the id, and no longer when one of them is gone", () => {
  const room = new Room("!a");
  const member = (state_key: string, displayname: string, membership = "join") =>
    room.update({ state: [{ ...event(`$${state_key}${membership}`, { displayname, membership }), type: "m.room.member", state_key }] });
  member(lena, "Lena Vogt");
  expect(profile(room, lena).name).toBe("Lena Vogt");
  // It looks the same.
  member("@mallory:b", "lena\u200b  Vogt");
  expect(profile(room, lena).name).toBe("Lena Vogt (@lena:a)");
  expect(displayName(room, lena)).toBe("Lena Vogt");
  member("@mallory:b", "lena Vogt", "leave");
  expect(profile(room, lena).name).toBe("Lena Vogt");
});

test("a room is called by its name, its alias, or the people in it", () => {
  const room = new Room("!a");
  const heroes = [{ userId: lena, displayName: "Lena Vogt", avatarUrl: undefined }];
  room.update({ heroes, joined: 2 });
  expect(roomName(room, me)).toEqual({ name: "Lena Vogt", people: [lena] });
  const name = event("$n", { name: "Garden house" }, { type: "m.room.name", state_key: "" });
  room.update({ timeline: [name] });
  expect(roomName(room, me).name).toBe("Garden house");
  expect(preview(room)).toBeUndefined();
});

test("what is looked up out of order stands in the gap where it belongs, and grows together with the rest", () => {
  const room = new Room("!a");
  const at = (id: string) => say(id, { origin_server_ts: Number(id.slice(1)) });
  const gap = (index: number) => {
    const entry = room.timeline.entries[index];
    return entry?.kind === "gap" ? entry : { kind: "gap" as const, token: "none" };
  };
  room.update({ isInitial: true, timeline: [at("$8"), at("$9")], before: "t8" });
  room.insert([at("$3"), at("$4")], "t3", "u4");
  expect(ids(room)).toEqual(["gap t3", "$3", "$4", "gap t8", "$8", "$9"]);
  room.fillOnward(gap(3), [at("$5")], "u5");
  room.fill(gap(4), [at("$7")], "t7");
  expect(ids(room)).toEqual(["gap t3", "$3", "$4", "$5", "gap t7", "$7", "$8", "$9"]);
  expect(gap(4)).toMatchObject({ onward: "u5" });
  room.fillOnward(gap(4), [at("$6"), at("$7")], "u7");
  room.insert([at("$2"), at("$3")], undefined, "u3");
  expect(ids(room)).toEqual(["$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9"]);
});

test("an invitation that is told again with less keeps the room's name", () => {
  const room = new Room("!a");
  const stripped = (type: string, state_key: string, content: JsonObject) => ({ type, state_key, content, sender: lena });
  const invite = stripped("m.room.member", me, { membership: "invite" });
  room.update({ membership: "invite", inviteState: [stripped("m.room.name", "", { name: "Garden house" }), invite] });
  room.update({ membership: "invite", inviteState: [invite] });
  expect(roomName(room, me).name).toBe("Garden house");
});

test("who has read how far is seen at the last message that they read, and not where they spoke later", () => {
  const room = new Room("!a");
  const reaction = event("$3", { "m.relates_to": { rel_type: "m.annotation", event_id: "$2", key: "x" } }, { type: "m.reaction", sender: me });
  const read = (userId: string, ts: number) => ({ "m.read": { [userId]: { ts } } });
  room.update({
    timeline: [say("$1", { sender: "@jo:a" }), say("$2", { sender: me }), reaction, say("$4", { sender: me })],
    receipts: { $3: read(lena, 1), $1: read("@jo:a", 1), $4: read(me, 1) },
  });
  expect([...seenBy(room, new Map(items(room, me).map((item) => [item.id, item])), me)]).toEqual([["$2", [lena]]]);
});

test("who was removed is called as before", () => {
  const room = new Room("!a");
  const member = (content: JsonObject, more: Partial<RoomEvent> = {}) => event("$m", content, { type: "m.room.member", state_key: lena, ...more });
  room.update({ isInitial: true, timeline: [member({ membership: "join", displayname: "Lena Vogt" })] });
  const unsigned = { prev_content: { membership: "join", displayname: "Lena Vogt" } };
  room.update({ timeline: [{ ...member({ membership: "ban" }, { unsigned }), event_id: "$n" }] });
  expect(profile(room, lena).name).toBe("Lena Vogt");
  const unbanned = { prev_content: { membership: "ban" } };
  room.update({ timeline: [{ ...member({ membership: "leave" }, { unsigned: unbanned }), event_id: "$o" }] });
  expect(profile(room, lena).name).toBe("Lena Vogt");
});

test("what came after something that was here is live, between visits too, and what is fetched from before is not", () => {
  let room = new Room("!a");
  room.update({ isInitial: true, timeline: [say("$2")], before: "t2" });
  expect([...room.live()]).toEqual([]);
  room.update({ isInitial: true, isLimited: true, timeline: [say("$1"), say("$2"), say("$3")], before: "t1" });
  room.update({ isInitial: true, isLimited: true, timeline: [say("$5")], before: "t5" });
  const gaps = room.timeline.entries.filter((entry) => entry.kind === "gap");
  for (const [at, id] of [[0, "$0"], [1, "$4"]] as const) {
    const gap = gaps[at];
    if (gap) room.fill(gap, [say(id)], undefined);
  }
  expect(ids(room).filter((id) => id.startsWith("$"))).toEqual(["$0", "$1", "$2", "$3", "$4", "$5"]);
  expect([...room.live()]).toEqual(["$3", "$4", "$5"]);
  room = Room.restore(room.snapshot());
  room.update({ timeline: Array.from({ length: 80 }, (_, at) => say(`$more${at}`)) });
  expect(room.live().size).toBe(83);
  room = Room.restore(room.snapshot());
  expect(room.live().size).toBe(60);
});
