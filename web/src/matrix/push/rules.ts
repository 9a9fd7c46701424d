// Push rules, evaluated here: of what is sealed the server can't tell whether it is worth a notification.

import { list, object, objects, text, type Json, type JsonObject } from "../json";
import { mayNotify } from "../room/power";
import type { Room } from "../room/room";

const KINDS = ["override", "content", "room", "sender", "underride"] as const;

/** An event as its reader sees it: opened. */
export interface Heard {
  type: string;
  sender: string;
  content: JsonObject;
  stateKey?: string | undefined;
}

export interface Verdict {
  notify: boolean;
  highlight: boolean;
  sound: boolean;
}

const SILENT: Verdict = { notify: false, highlight: false, sound: false };

/** What is to be done about an event; `rules` is the content of `m.push_rules`. */
export function verdict(rules: JsonObject | undefined, room: Room, event: Heard, me: string, myName: string): Verdict {
  if (event.sender === me) return SILENT;
  const all = object(rules?.["global"]) ?? {};
  for (const kind of KINDS) {
    for (const rule of objects(all[kind])) {
      if (rule["enabled"] === false || !fits(kind, rule, room, event, myName)) continue;
      return actionsOf(list(rule["actions"]));
    }
  }
  return SILENT;
}

function fits(kind: string, rule: JsonObject, room: Room, event: Heard, myName: string): boolean {
  const id = text(rule["rule_id"]) ?? "";
  // Old rules look for names in the words; an event that says whom it mentions means what it says.
  const mentions = object(event.content["m.mentions"]);
  if (mentions && [".m.rule.contains_display_name", ".m.rule.contains_user_name", ".m.rule.roomnotif"].includes(id)) return false;
  if (kind === "room") return id === room.id;
  if (kind === "sender") return id === event.sender;
  if (kind === "content") {
    return typeof rule["pattern"] === "string" && hasWord(text(event.content["body"]), rule["pattern"]);
  }
  return objects(rule["conditions"]).every((condition) => holds(condition, room, event, myName));
}

function holds(condition: JsonObject, room: Room, event: Heard, myName: string): boolean {
  const key = text(condition["key"]) ?? "";
  switch (condition["kind"]) {
    case "event_match": {
      const value = key === "room_id" ? room.id : at(event, key);
      const pattern = text(condition["pattern"]) ?? "";
      if (typeof value !== "string") return false;
      return key === "content.body" ? hasWord(value, pattern) : glob(pattern).test(value);
    }
    case "event_property_is":
      return at(event, key) === condition["value"];
    case "event_property_contains":
      return list(at(event, key)).includes(condition["value"] ?? null);
    case "contains_display_name":
      return hasWord(text(event.content["body"]), myName.replace(/[*?]/g, "?"));
    case "room_member_count":
      return compares(room.joined, text(condition["is"]) ?? "");
    case "sender_notification_permission":
      return mayNotify(room, event.sender, key);
    default:
      return false;
  }
}

/** A property by its dotted path, in which dots of names are escaped. */
function at(event: Heard, path: string): Json | undefined {
  const whole: JsonObject = {
    type: event.type,
    sender: event.sender,
    content: event.content,
    ...(event.stateKey !== undefined && { state_key: event.stateKey }),
  };
  const names = path.match(/(?:\\.|[^.\\])+/g)?.map((name) => name.replace(/\\(.)/g, "$1")) ?? [];
  let found: Json | undefined = whole;
  for (const name of names) found = object(found)?.[name];
  return found;
}

function compares(count: number, is: string): boolean {
  const [, how = "==", than = ""] = /^(==|<=|>=|<|>)?(\d+)$/.exec(is) ?? [];
  if (than === "") return false;
  const wanted = Number(than);
  if (how === "<") return count < wanted;
  if (how === ">") return count > wanted;
  if (how === "<=") return count <= wanted;
  return how === ">=" ? count >= wanted : count === wanted;
}

/** The whole of a value. */
function glob(pattern: string): RegExp {
  return new RegExp(`^${source(pattern)}$`, "is");
}

/** Somewhere in words, with a border on both sides. */
function hasWord(words: string | undefined, pattern: string): boolean {
  if (!words || !pattern) return false;
  return new RegExp(`(^|[^\\p{L}\\p{N}_])${source(pattern)}($|[^\\p{L}\\p{N}_])`, "iu").test(words);
}

function source(pattern: string): string {
  const escaped = pattern.replace(/[.+^${}()|[\]\\/]/g, "\\$&");
  return escaped.replace(/\*+/g, ".*").replace(/\?/g, ".");
}

function actionsOf(actions: Json[]): Verdict {
  const tweak = (name: string) => objects(actions).find((action) => action["set_tweak"] === name);
  const highlight = tweak("highlight");
  return {
    notify: actions.includes("notify") || actions.includes("coalesce"),
    highlight: highlight !== undefined && highlight["value"] !== false,
    sound: tweak("sound") !== undefined,
  };
}

/** What a person wants to hear of a room. */
export type Mode = "usual" | "all" | "mentions" | "mute";

export function modeOf(rules: JsonObject | undefined, roomId: string): Mode {
  const all = object(rules?.["global"]) ?? {};
  const named = (kind: string) => {
    return objects(all[kind]).find((rule) => rule["rule_id"] === roomId && rule["enabled"] !== false);
  };
  const override = named("override");
  if (override && !actionsOf(list(override["actions"])).notify) return "mute";
  const own = named("room");
  if (!own) return "usual";
  return actionsOf(list(own["actions"])).notify ? "all" : "mentions";
}
