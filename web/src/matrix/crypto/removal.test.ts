// Own devices that are logged out, and that they are is stated.
import { Machine } from "@e2e/machine";
import * as module from "sealpost-e2e";
import { afterEach, expect, test, vi } from "vitest";

import { MatrixError, Unreachable } from "../api/error";
import { Cancelled } from "../auth/uia";
import { Somebody, until } from "../client.test-support";
import type { JsonObject } from "../json";
import { KeyServer } from "./key_server.test-support";

vi.setConfig({ testTimeout: 60_000 });

const OTHER = "OTHER";
let lena: Somebody;

afterEach(() => lena.client.stop());

const other = async () => {
  const { devices } = await lena.client.crypto.keys.user(lena.user);
  return devices.find(({ device_id }) => device_id === OTHER);
};

/** Somebody with another device. */
async function withOther(name: string): Promise<void> {
  const keys = new KeyServer();
  lena = new Somebody(`@lena:${name}.test`, keys);
  await lena.open();
  await until(() => lena.client.crypto.standing === "ready");
  const upload = Machine.create(module, lena.user, OTHER).result.requests().result.find(({ kind }) => kind === "keys_upload");
  if (upload) keys.answer(lena.user, upload);
  lena.server.push({});
  await until(other);
}

const isRemoved = async () => (await other())?.is_removed;

/** As a server tells that it has the other device no more. */
async function gone(): Promise<void> {
  lena.server.instead = ({ path }) => (path === "/keys/query" ? { device_keys: { [lena.user]: {} } } : undefined);
  lena.server.push({ device_lists: { changed: [lena.user] } });
  await until(async () => typeof (await other())?.gone_at === "number");
}

const refusing = (error: Error) => lena.client.crypto.removeDevices([OTHER], () => Promise.reject(error));

test("that a device is removed is stated also where the server's answer was lost, or the tab was closed", async () => {
  await withOther("lost");
  await expect(refusing(new Unreachable("gone"))).rejects.toBeInstanceOf(Unreachable);
  expect(await isRemoved()).toBe(false);
  await lena.open();
  await until(() => lena.client.crypto.standing === "ready");
  await gone();
  await until(isRemoved);
  expect(await lena.client.crypto.backup.isRenewed()).toBe(true);
});

test("nothing is stated of a device that the server did not log out, nor when it goes by itself", async () => {
  await withOther("kept");
  await expect(refusing(new Cancelled())).rejects.toBeInstanceOf(Cancelled);
  await expect(refusing(new MatrixError(403, {}))).rejects.toBeInstanceOf(MatrixError);
  await gone();
  await lena.client.crypto.flush();
  expect(await isRemoved()).toBe(false);
});

test("a device that was logged out is stated to be removed once", async () => {
  await withOther("once");
  const versions = () => lena.server.of("POST", "/room_keys/version").length;
  const before = versions();
  await lena.client.crypto.removeDevices([OTHER], async () => {});
  expect(await isRemoved()).toBe(true);
  await gone();
  await lena.client.crypto.flush();
  expect(versions()).toBe(before + 1);
});

/** A device is removed while nobody knows which backup there is; then the server shows this one again. */
async function removedInDoubt(name: string, shows: (made: JsonObject) => JsonObject): Promise<void> {
  await withOther(name);
  const [made] = lena.server.of("POST", "/room_keys/version");
  let isThere = false;
  lena.server.instead = ({ method, path }) => {
    if (path === "/room_keys/keys" && !isThere) return { status: 403, errcode: "M_WRONG_ROOM_KEYS_VERSION" };
    if (method !== "GET" || path !== "/room_keys/version") return undefined;
    if (!isThere) throw new TypeError("gone");
    return shows(made?.body ?? {});
  };
  const { crypto } = lena.client;
  const content = { algorithm: "org.sealpost.ratchet.v1" };
  const event = { event_id: "$s", type: "m.room.encryption", state_key: "", sender: lena.user, origin_server_ts: 1, content };
  await crypto.sessions.pushState("!room:a.test", [event], false);
  await crypto.saveKeys();
  expect(lena.server.of("PUT", "/room_keys/keys").length).toBeGreaterThan(0);
  await crypto.removeDevices([OTHER], async () => {});
  expect([await isRemoved(), await crypto.backup.isRenewed(), begun()]).toEqual([true, false, 1]);
  isThere = true;
  await lena.open();
  await until(() => lena.client.crypto.standing === "ready");
  await until(async () => !(await lena.client.crypto.backup.isRenewalDue()));
}

const begun = () => lena.server.of("POST", "/room_keys/version").length;

test("a backup of which nobody knew when a device was removed gets new keys as soon as it is seen", async () => {
  await removedInDoubt("doubt", (made) => ({ ...made, version: "1" }));
  await until(() => begun() === 2);
  expect(await lena.client.crypto.backup.isRenewed()).toBe(true);
});

test("another client's backup of which nobody knew when a device was removed stays", async () => {
  await removedInDoubt("foreign", () => ({ algorithm: "m.megolm_backup.v1.curve25519-aes-sha2", version: "7", auth_data: {} }));
  await lena.client.crypto.flush();
  expect([begun(), await lena.client.crypto.backup.isRenewed()]).toEqual([1, false]);
});
