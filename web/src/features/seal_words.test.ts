import { expect, test } from "vitest";

import { preview } from "../matrix/room/messages";
import { Room } from "../matrix/room/room";
import { plainText } from "./plain";
import { sealWords } from "./seal_words";
import { happening } from "./timeline/happening";

const algorithm = "m.megolm.v1.aes-sha2";

test("a room that another protocol encrypts is neither called sealed nor open to its servers", () => {
  const room = new Room("!a");
  const state = { type: "m.room.encryption", state_key: "", sender: "@lena:a", event_id: "$s", origin_server_ts: 0, content: { algorithm } };
  const event = { type: "m.room.encrypted", sender: "@lena:a", event_id: "$1", origin_server_ts: 1, content: { algorithm } };
  room.update({ timeline: [state, event] });
  expect(sealWords(room.sealing)).toMatch(/^Encrypted by another protocol/);
  expect(happening(state, () => "Lena")).toBe("Lena turned on encryption by another protocol.");
  const last = preview(room);
  expect(last && plainText(last.type, last.content, last.seal)).toBe("Encrypted message");
});

test("a room of ours is called sealed, and another open", () => {
  expect([sealWords("ours"), sealWords("none")].map((words) => words.split(":")[0])).toEqual(["Sealed", "Not sealed"]);
  const content = { algorithm: "org.sealpost.ratchet.v1" };
  const state = { type: "m.room.encryption", state_key: "", sender: "@lena:a", event_id: "$s", origin_server_ts: 0, content };
  expect(happening(state, () => "Lena")).toBe("From here on everything is sealed.");
});
