// Who and what may be meant by the word at the caret.

import { text } from "../../matrix/json";
import { profile } from "../../matrix/room/names";
import { mayNotify } from "../../matrix/room/power";
import type { Room } from "../../matrix/room/room";
import { emoji, found } from "../../ui/emoji";
import { t } from "../../ui/words.svelte";
import { COMMANDS } from "./commands";
import { ranked, type Candidate, type Token } from "./complete";
import type { Named } from "./markup";

/** The people in a room, by the names that they have there. */
export function peopleIn(room: Room): Named[] {
  return room
    .states("m.room.member")
    .filter((event) => event.content["membership"] === "join")
    .map(({ state_key: userId }) => ({ userId, name: profile(room, userId).name }));
}

export async function candidates(token: Token, room: Room, rooms: readonly Room[], me: string): Promise<Candidate[]> {
  switch (token.kind) {
    case "person": {
      const people = peopleIn(room).filter(({ userId }) => userId !== me);
      const all = people.map(({ userId, name }) => ({ id: userId, label: name, more: userId, words: `@${name}`, avatarUrl: profile(room, userId).avatarUrl }));
      const everybody = { id: "@room", label: "@room", more: t.everybodyHere, words: "@room" };
      const found = ranked(all, token.term);
      return "room".startsWith(token.term) && mayNotify(room, me, "room") ? [...found, everybody] : found;
    }
    case "room": {
      const all = rooms.flatMap((one): Candidate[] => {
        const alias = text(one.known("m.room.canonical_alias")?.content["alias"]);
        const name = text(one.known("m.room.name")?.content["name"]);
        return alias ? [{ id: one.id, label: name ?? alias, more: alias, words: alias }] : [];
      });
      return ranked(all, token.term);
    }
    case "emoji": {
      const all = found(await emoji(), token.term, 8);
      return all.map(({ emoji: id, names, description }) => {
        return { id, label: `:${names.find((name) => name.includes(token.term)) ?? names[0]}:`, more: description, words: id };
      });
    }
    case "command":
      return COMMANDS.filter(({ name }) => name.startsWith(token.term)).map(({ name, takes }) => {
        const label = `/${name}${takes && ` ${t.commandWords[takes]}`}`;
        return { id: name, label, more: t.commandDoes[name] ?? "", words: `/${name}` };
      });
  }
}
