// Why the key of a message is missing, and what can be promised of it.

import type { Client } from "../../matrix/client";
import type { Standing } from "../../matrix/crypto/crypto";

/** `untried`: it may be here, nobody has looked yet; `late`: it is asked for, and did not come for long. */
export type Missing = "untried" | "unapproved" | "before_join" | "before_device" | "late" | "asked";

/** So long a device that is on from time to time has to answer. */
const LONG_MS = 24 * 60 * 60_000;

export interface Here {
  /** The machine was asked to open the message. */
  isTried: boolean;
  standing: Standing;
  /** When this user came into the room, and when this device was first there; as far as that is known. */
  joinedAt: number | undefined;
  deviceAt: number | undefined;
}

/** `ts`: when the message was written. */
export function whyMissing(ts: number, { isTried, standing, joinedAt, deviceAt }: Here, now = Date.now()): Missing {
  // Where the machine could not be loaded, it is not asked before somebody does something about that.
  if (!isTried && standing !== "unavailable") return "untried";
  if (standing === "unapproved") return "unapproved";
  if (joinedAt !== undefined && ts < joinedAt) return "before_join";
  if (deviceAt !== undefined && ts < deviceAt) return "before_device";
  return now - ts > LONG_MS ? "late" : "asked";
}

const found = new WeakMap<Client, Promise<number | undefined>>();

/** When this device was first there, as its server said; asked of the machine once. */
export function deviceAt(client: Client): Promise<number | undefined> {
  const { me, session, crypto } = client;
  const before = found.get(client);
  if (before) return before;
  const asked = crypto.keys.user(me).then(
    ({ devices }) => {
      const device = devices.find(({ device_id }) => device_id === session.deviceId);
      if (!device) found.delete(client);
      return device?.seen_at;
    },
    () => {
      found.delete(client);
      return undefined;
    },
  );
  found.set(client, asked);
  return asked;
}
