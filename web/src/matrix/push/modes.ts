// What a person wants to hear of a room, as rules at the server: so that all their devices know.

import { ifThere } from "../api/error";
import { path } from "../api/http";
import type { Client } from "../client";
import type { JsonObject } from "../json";
import { modeOf, type Mode } from "./rules";

export function mode(client: Client, roomId: string): Mode {
  return modeOf(client.accountData.get("m.push_rules"), roomId);
}

export async function setMode(client: Client, roomId: string, wanted: Mode): Promise<void> {
  const { http } = client.api;
  const rule = (kind: string) => `/_matrix/client/v3/pushrules/global${path`/${kind}/${roomId}`}`;
  const put = (kind: string, body: JsonObject) => http.call("PUT", rule(kind), { body });
  // A rule that is not there need not be removed.
  const remove = (kind: string) => ifThere(http.call("DELETE", rule(kind)));
  if (wanted === "mute") {
    const conditions = [{ kind: "event_match", key: "room_id", pattern: roomId }];
    await put("override", { conditions, actions: [] });
    await remove("room");
  } else {
    await remove("override");
    if (wanted === "usual") await remove("room");
    else await put("room", { actions: wanted === "all" ? ["notify", { set_tweak: "sound", value: "default" }] : [] });
  }
  client.accountData.set("m.push_rules", await http.call("GET", "/_matrix/client/v3/pushrules/"));
  client.changed.emit(new Set());
}
