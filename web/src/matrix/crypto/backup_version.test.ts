// Which version of the backup is written to.
import { afterEach, expect, test, vi } from "vitest";

import { Somebody, until, type Asked } from "../client.test-support";
import type { JsonObject } from "../json";
import { KeyServer } from "./key_server.test-support";

vi.setConfig({ testTimeout: 60_000 });

let lena: Somebody;

afterEach(() => lena.client.stop());

/** Somebody whose version of the backup is named 1, in whose place there is another one as soon as that is so. */
function backingUp(name: string, isReplaced: () => boolean, isAnswered = () => true): Somebody {
  lena = new Somebody(`@lena:${name}.test`, new KeyServer());
  let made: JsonObject = {};
  lena.server.instead = ({ method, path, query, body }: Asked) => {
    if (path === "/room_keys/version") {
      if (method === "POST") made = body;
      else if (!isAnswered()) throw new TypeError("gone");
      else return { ...made, version: isReplaced() ? "2" : "1" };
    }
    const isOld = path === "/room_keys/keys" && query.get("version") === "1" && isReplaced();
    return isOld ? { status: 403, errcode: "M_WRONG_ROOM_KEYS_VERSION" } : undefined;
  };
  return lena;
}

/** A sealed room, of which the backup is told. */
const seal = (): Promise<unknown> => {
  const content = { algorithm: "org.sealpost.ratchet.v1" };
  const event = { event_id: "$s", type: "m.room.encryption", state_key: "", sender: lena.user, origin_server_ts: 1, content };
  return lena.client.crypto.sessions.pushState("!room:a.test", [event], false);
};

const written = () => lena.server.of("PUT", "/room_keys/keys").map(({ query }) => query.get("version"));

const looked = () => lena.server.of("GET", "/room_keys/version").length;

test("where what is written to the backup is refused, it is written to the one that is there", async () => {
  let isReplaced = false;
  const { crypto } = await backingUp("refused", () => isReplaced).open();
  await until(() => crypto.standing === "ready" && looked() === 1);
  await seal();
  isReplaced = true;
  await crypto.saveKeys();
  expect(written()).toEqual(["1", "2"]);
});

test("a backup that could not be looked at is looked at after the next start", async () => {
  let isAnswered = false;
  await backingUp("missed", () => true, () => isAnswered).open();
  await until(() => lena.client.crypto.standing === "ready" && looked() > 0);
  await seal();
  isAnswered = true;
  await lena.open();
  await until(() => written().includes("2"));
});

test("a server that refuses all that is written to the backup is not asked without end", async () => {
  const { crypto } = await backingUp("never", () => false).open();
  const { instead } = lena.server;
  lena.server.instead = (asked) => (asked.path === "/room_keys/keys" ? { status: 403, errcode: "M_FORBIDDEN" } : instead(asked));
  await until(() => crypto.standing === "ready" && looked() === 1);
  await seal();
  await crypto.saveKeys();
  for (let at = 0; at < 5; at += 1) await crypto.flush();
  expect(looked()).toBe(2);
});
