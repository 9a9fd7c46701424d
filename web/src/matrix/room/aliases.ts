// The addresses that a room names as its own, in `m.room.canonical_alias`.

import { strings, text, type JsonObject } from "../json";

/** With another main address; the one before is still named. */
export function withMain(content: JsonObject, alias: string): JsonObject {
  const before = text(content["alias"]);
  return named(content, alias, [...strings(content["alt_aliases"]), ...(before ? [before] : [])]);
}

/** Without an address that is no more. */
export function withoutAlias(content: JsonObject, alias: string): JsonObject {
  const main = text(content["alias"]);
  return named(content, main === alias ? undefined : main, strings(content["alt_aliases"]).filter((one) => one !== alias));
}

/** Whether a room names an address. */
export function isNamed(content: JsonObject, alias: string): boolean {
  return content["alias"] === alias || strings(content["alt_aliases"]).includes(alias);
}

function named(content: JsonObject, main: string | undefined, others: string[]): JsonObject {
  const rest = Object.fromEntries(Object.entries(content).filter(([name]) => name !== "alias" && name !== "alt_aliases"));
  const alternatives = [...new Set(others)].filter((one) => one !== main);
  return { ...rest, ...(main && { alias: main }), alt_aliases: alternatives };
}
