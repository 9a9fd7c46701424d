// People that this person does not want to hear.

import type { Client } from "./client";
import { object, type JsonObject } from "./json";

const IGNORED = "m.ignored_user_list";

/** As the server keeps it: another object when it changed. */
export function ignoredList(client: Client): JsonObject | undefined {
  return client.accountData.get(IGNORED);
}

export function ignored(client: Client): string[] {
  return Object.keys(object(ignoredList(client)?.["ignored_users"]) ?? {});
}

export function ignoredSet(client: Client): ReadonlySet<string> {
  return new Set(ignored(client));
}

/** The server leaves out what they send from now on, in all rooms. */
export async function setIgnored(client: Client, userId: string, isIgnored: boolean): Promise<void> {
  const others = ignored(client).filter((id) => id !== userId);
  const all = isIgnored ? [...others, userId] : others;
  const content = { ignored_users: Object.fromEntries(all.map((id) => [id, {}])) };
  await client.api.setAccountData(IGNORED, content);
  client.accountData.set(IGNORED, content);
  client.changed.emit(new Set());
}
