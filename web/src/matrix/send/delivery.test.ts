import { expect, test } from "vitest";

import { Api } from "../api/api";
import { Http } from "../api/http";
import type { Crypto } from "../crypto/crypto";
import { Room } from "../room/room";
import { Delivery } from "./delivery";
import type { Pending } from "./queue";

/** A sealed room, and what is done there in its order; the server refuses as long as `refuses`. */
function made() {
  const log: string[] = [];
  const server = { refuses: true };
  const http = new Http("https://a", async () => {
    log.push("sent");
    const [status, body] = server.refuses ? [403, { errcode: "M_FORBIDDEN", error: "not here" }] : [200, { event_id: "$e" }];
    return new Response(JSON.stringify(body), { status: status as number });
  });
  const sessions = {
    room: async () => ({ is_encrypted: true, is_whole: true }),
    prepare: async () => true,
    seal: async (_: string, txnId: string) => {
      log.push(`seal ${txnId}`);
      return { contents: [{}] };
    },
    giveUp: async (_: string, txnId: string) => {
      await new Promise((resolve) => setTimeout(resolve));
      log.push(`give up ${txnId}`);
    },
    forget: async (txnId: string) => void log.push(`forget ${txnId}`),
    sealed: async () => ["old", "queued"].map((txnId) => ({ roomId: "!a", txnId })),
  };
  const room = new Room("!a");
  room.pinSealed();
  const keys = {
    users: async (ids: string[]) => ids.map((id) => ({ user_id: id, has_changed: id !== "@tom:a", is_verified: id === "@lena:a", devices: [] })),
  };
  const crypto = { standing: "ready", sessions, keys, flush: async () => {} } as unknown as Crypto;
  const around = { find: () => room, room: () => room, loaded: async () => {}, hasModule: async () => true, tellMissed: async () => {}, arePinsKnown: () => true };
  const pending = (txnId: string, content: Pending["content"]): Pending => {
    return { txnId, roomId: "!a", type: "m.room.message", content, createdAt: 0, isSealed: true };
  };
  return { log, room, sessions, server, pending, delivery: new Delivery(new Api(http, "@me:a"), crypto, "@me:a", around) };
}

const EDIT = { "m.relates_to": { rel_type: "m.replace", event_id: "$1" }, "m.new_content": { body: "better" } };

test("an edit that is refused gives up its place before what comes after it is sealed", async () => {
  const { log, pending, delivery } = made();
  await expect(delivery.send(pending("e", EDIT))).rejects.toMatchObject({ status: 403 });
  await expect(delivery.send(pending("m", { body: "hello" }))).rejects.toMatchObject({ status: 403 });
  // A message holds back what comes after it: it keeps its place.
  expect(log).toEqual(["seal e", "sent", "give up e", "seal m", "sent"]);
});

test("how a message was sealed is forgotten when the queue has let it go, not before", async () => {
  const { log, server, pending, delivery } = made();
  server.refuses = false;
  const one = pending("m", { body: "hello" });
  await delivery.send(one);
  expect(log).toEqual(["seal m", "sent"]);
  await delivery.done(one);
  await delivery.done(one);
  expect(log).toEqual(["seal m", "sent", "forget m"]);
});

test("what an earlier visit sealed and let go of gives up its place; what waits keeps it", async () => {
  const { log, delivery } = made();
  await delivery.sweep(async (txnId) => txnId === "queued");
  expect(log).toEqual(["give up old"]);
});

test("a message that waits for a new key names those whose it is, not those who are only left out", async () => {
  const { room, sessions, pending, delivery } = made();
  const members = ["@me:a", "@lena:a", "@jonas:a", "@tom:a"].map((state_key) => {
    return { type: "m.room.member", state_key, sender: state_key, event_id: state_key, origin_server_ts: 0, content: { membership: "join" } };
  });
  room.learnMembers(members, true);
  sessions.seal = () => Promise.reject(Object.assign(new Error("changed"), { name: "Identity" }));
  await expect(delivery.send(pending("m", { body: "hello" }))).rejects.toMatchObject({ why: "identity", who: ["@lena:a"] });
});
