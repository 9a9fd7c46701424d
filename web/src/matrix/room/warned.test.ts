import { expect, test } from "vitest";

import type { Remote } from "../crypto/remote";
import type { SessionManager } from "../crypto/session_manager";
import type { RoomEvent } from "../event";
import { Room } from "./room";
import { warn } from "./warned";

const event = (event_id: string, type: string, more: Partial<RoomEvent> = {}): RoomEvent => {
  return { event_id, type, sender: "@lena:a", origin_server_ts: 5, content: {}, ...more };
};

test("of a message that is removed while its readers are looked up nothing comes back", async () => {
  const room = new Room("!a");
  room.update({ timeline: [event("$1", "m.room.encrypted"), event("$2", "m.room.encrypted")] });
  for (const id of ["$1", "$2"]) {
    room.opened.set(id, { status: "read", type: "m.room.message", content: { body: id }, audience: "x", warnings: [] } as never);
  }
  const sessions = {
    warnings: async (_: string, asked: unknown[]) => {
      room.update({ timeline: [event("$3", "m.room.redaction", { redacts: "$1" })] });
      return asked.map(() => ({ warnings: [{ userId: "@mia:b", deviceId: "D" }], areReadersUnknown: false }));
    },
  };
  await warn(room, async () => sessions as unknown as Remote<SessionManager>);
  expect(room.opened.has("$1")).toBe(false);
  expect(room.opened.get("$2")).toMatchObject({ warnings: [{ userId: "@mia:b" }] });
});
