// What begins with a slash: done instead of said, or said in another way.

import { actOn, setState } from "../../matrix/api/rooms";
import type { Client } from "../../matrix/client";
import { ALGORITHM, type Room } from "../../matrix/room/room";
import { addressOf } from "../../matrix/uri";
import { t } from "../../ui/words.svelte";
import { Told } from "../refused";

interface Command {
  name: string;
  /** What comes after it, as it is shown. */
  takes: "" | "words" | "person" | "room";
}

export const COMMANDS: readonly Command[] = [
  { name: "me", takes: "words" },
  { name: "shrug", takes: "words" },
  { name: "spoiler", takes: "words" },
  { name: "plain", takes: "words" },
  { name: "invite", takes: "person" },
  { name: "kick", takes: "person" },
  { name: "ban", takes: "person" },
  { name: "unban", takes: "person" },
  { name: "topic", takes: "words" },
  { name: "nick", takes: "words" },
  { name: "join", takes: "room" },
  { name: "leave", takes: "" },
];

export type Parsed =
  /** To be said, as it is. */
  | { kind: "say"; words: string; isPlain?: boolean; isEmote?: boolean; isSpoiler?: boolean }
  | { kind: "do"; run: (client: Client, room: Room) => Promise<{ opens?: string }> }
  | { kind: "leave" }
  | { kind: "wrong"; why: "unknown" | "person" | "room" | "words"; name: string };

const PERSON = /^@[^\s:]+:\S+$/;

/** What was meant. Two slashes at the beginning are one that is said. */
export function parsed(written: string): Parsed {
  if (written.startsWith("//")) return { kind: "say", words: written.slice(1) };
  const match = /^\/([a-z]+)(?:\s+([\s\S]*))?$/.exec(written);
  if (!match) return { kind: "say", words: written };
  const [, name = "", rest = ""] = match;
  const words = rest.trim();
  switch (name) {
    case "me":
      return words ? { kind: "say", words, isEmote: true } : wrong("words", name);
    case "shrug":
      return { kind: "say", words: `${words && `${words} `}¯\\_(ツ)_/¯`, isPlain: true };
    case "spoiler":
      return words ? { kind: "say", words, isSpoiler: true } : wrong("words", name);
    case "plain":
      return words ? { kind: "say", words, isPlain: true } : wrong("words", name);
    case "invite":
    case "kick":
    case "ban":
    case "unban": {
      const [, userId = "", reason = ""] = /^(\S+)\s*([\s\S]*)$/.exec(words) ?? [];
      if (!PERSON.test(userId)) return wrong("person", name);
      return run(async (client, room) => {
        if (name === "invite" && room.sealing === "ours") {
          const has = await client.api.hasOurDevice(userId, ALGORITHM);
          // The form asks whether to go on; a command has nowhere to.
          if (has !== "yes") throw new Told(t.inviteByForm(has === "no" ? t.noDevice(userId) : t.deviceUnknown(userId)));
        }
        await actOn(client.api.http, room.id, name, userId, reason);
        if (name === "invite") await client.known.add(room.id, [userId]);
      });
    }
    case "topic":
      return run((client, room) => setState(client.api.http, room.id, "m.room.topic", { topic: words }));
    case "nick":
      return words ? run((client) => client.api.setDisplayName(words)) : wrong("words", name);
    case "join": {
      const address = addressOf(words);
      if (!address) return wrong("room", name);
      return { kind: "do", run: async (client) => ({ opens: await client.api.join(address.room, address.via) }) };
    }
    case "leave":
      return { kind: "leave" };
    default:
      return wrong("unknown", name);
  }
}

function wrong(why: "unknown" | "person" | "room" | "words", name: string): Parsed {
  return { kind: "wrong", why, name };
}

function run(act: (client: Client, room: Room) => Promise<void>): Parsed {
  return { kind: "do", run: (client, room) => act(client, room).then(() => ({})) };
}
