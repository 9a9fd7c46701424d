// What the tests with matrix-js-sdk share: users, and waiting for what happens.
import assert from "node:assert/strict";
import { after } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import loglevel from "loglevel";
import { ClientEvent, createClient, Method, RoomEvent, SyncState } from "matrix-js-sdk";

export const baseUrl = process.env.SEALPOST_URL;
export const password = "correct horse battery staple";
export const options = { timeout: 60_000 };

loglevel.setDefaultLevel("silent");
for (const logger of Object.values(loglevel.getLoggers())) logger.setLevel("silent");
const ignore = () => {};
const quiet = { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore };
export const logger = { ...quiet, getChild: () => logger };

const clients = [];

after(() => {
  for (const client of clients) client.stopClient();
});

/** A client with the login of `answer`. */
export function client(answer, more = {}) {
  const made = createClient({
    baseUrl,
    logger,
    userId: answer.user_id,
    deviceId: answer.device_id,
    accessToken: answer.access_token,
    timelineSupport: true,
    ...more,
  });
  clients.push(made);
  return made;
}

export async function register(name, more) {
  const answer = await createClient({ baseUrl, logger }).registerRequest({
    username: name,
    password,
    auth: { type: "m.login.dummy" },
  });
  assert.match(answer.user_id, new RegExp(`^@${name}:`));
  return client(answer, more);
}

/** Another device of a user. */
export async function logIn(name, more) {
  const answer = await createClient({ baseUrl, logger }).loginRequest({
    type: "m.login.password",
    identifier: { type: "m.id.user", user: name },
    password,
  });
  return client(answer, more);
}

/** Starts syncing, and waits until the first answer has been taken in. */
export async function start(client, more = {}) {
  const prepared = once(client, ClientEvent.Sync, (state) => state === SyncState.Prepared);
  await client.startClient({ initialSyncLimit: 10, pollTimeout: 10_000, ...more });
  await prepared;
}

/** The arguments of the first event of this kind that fits. */
export function once(emitter, kind, fits) {
  return new Promise((resolve) => {
    const listener = (...args) => {
      if (!fits(...args)) return;
      emitter.off(kind, listener);
      resolve(args);
    };
    emitter.on(kind, listener);
  });
}

/** Waits until something holds. The library goes on with some of what a sync brought after the sync is over. */
export async function until(holds) {
  while (!(await holds())) await sleep(50);
}

/** Sends a message past the library's own queue. Where a thread's message comes by sync before its request is
 * answered, that fails by itself ("not a local echo") and tries again for ever. */
export const sendDirectly = (client, room, content) => {
  const path = `/rooms/${encodeURIComponent(room)}/send/m.room.message/${client.makeTxnId()}`;
  return client.http.authedRequest(Method.Put, path, undefined, content);
};

export const arrives = (client, body) =>
  once(client, RoomEvent.Timeline, (event) => !event.status && event.getContent().body === body);

export const refused = (errcode) => (error) => error.errcode === errcode;
