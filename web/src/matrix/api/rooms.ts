// Endpoints with which a room is looked after, and found: one function each.

import { stateEvents, type StateEvent } from "../event";
import { number, object, objects, strings, text, type JsonObject } from "../json";
import { capability } from "./capability";
import { ifThere, isOutside, MatrixError } from "./error";
import { path, type Http } from "./http";

const V3 = "/_matrix/client/v3";

export async function setState(http: Http, roomId: string, type: string, content: JsonObject, key = ""): Promise<void> {
  await sendState(http, roomId, type, content, key);
}

/** As `setState`; answers the event's id. `keepalive`: also if the page is closed meanwhile. */
export async function sendState(
  http: Http,
  roomId: string,
  type: string,
  content: JsonObject,
  key = "",
  keepalive = false,
): Promise<string> {
  const answer = await http.call("PUT", V3 + path`/rooms/${roomId}/state/${type}/${key}`, { body: content, keepalive });
  return text(answer["event_id"]) ?? "";
}

/** A state's content; `undefined`, if there is none. */
export function stateContent(http: Http, roomId: string, type: string, key = ""): Promise<JsonObject | undefined> {
  return ifThere(http.call("GET", V3 + path`/rooms/${roomId}/state/${type}/${key}`));
}

/** `keepalive`: also if the page is closed meanwhile. */
export async function actOn(
  http: Http,
  roomId: string,
  action: "invite" | "kick" | "ban" | "unban",
  userId: string,
  reason: string,
  keepalive = false,
): Promise<void> {
  const body = { user_id: userId, ...(reason && { reason }) };
  await http.call("POST", V3 + path`/rooms/${roomId}/${action}`, { body, keepalive });
}

/** Of those who ask to come in, the events that say so. */
export async function knocking(http: Http, roomId: string): Promise<StateEvent[]> {
  const answer = await http.call("GET", V3 + path`/rooms/${roomId}/members`, { query: { membership: "knock" } });
  return stateEvents(answer["chunk"]);
}

export async function reportUser(http: Http, userId: string, reason: string): Promise<void> {
  await http.call("POST", V3 + path`/users/${userId}/report`, { body: { reason } });
}

export async function reportRoom(http: Http, roomId: string, reason: string): Promise<void> {
  await http.call("POST", V3 + path`/rooms/${roomId}/report`, { body: { reason } });
}

export async function reportEvent(http: Http, roomId: string, eventId: string, reason: string): Promise<void> {
  await http.call("POST", V3 + path`/rooms/${roomId}/report/${eventId}`, { body: { reason } });
}

export async function forget(http: Http, roomId: string): Promise<void> {
  await http.call("POST", V3 + path`/rooms/${roomId}/forget`, { body: {} });
}

export async function knock(http: Http, idOrAlias: string, via: string[], reason: string): Promise<string> {
  const body = reason ? { reason } : {};
  const answer = await http.call("POST", V3 + path`/knock/${idOrAlias}`, { query: { via }, body });
  return text(answer["room_id"]) ?? "";
}

/** Whether a room lets in who asks. Of such a room servers tell everybody; where one can't tell, it may be. */
export async function letsInWhoAsks(http: Http, idOrAlias: string, via: string[]): Promise<boolean> {
  try {
    const answer = await http.call("GET", path`/_matrix/client/v1/room_summary/${idOrAlias}`, { query: { via } });
    return text(answer["join_rule"])?.startsWith("knock") === true;
  } catch (failure) {
    if (!isOutside(failure)) throw failure;
    return !(failure instanceof MatrixError && [403, 404].includes(failure.status) && failure.errcode !== "M_UNRECOGNIZED");
  }
}

/** Replaces a room by a new one; answers the new one's id. */
export async function upgrade(http: Http, roomId: string, version: string): Promise<string> {
  const answer = await http.call("POST", V3 + path`/rooms/${roomId}/upgrade`, { body: { new_version: version } });
  return text(answer["replacement_room"]) ?? "";
}

/** The version in which the server makes rooms. */
export async function usualVersion(http: Http): Promise<string> {
  return text((await capability(http, "m.room_versions"))?.["default"]) ?? "11";
}

export async function aliases(http: Http, roomId: string): Promise<string[]> {
  return strings((await http.call("GET", V3 + path`/rooms/${roomId}/aliases`))["aliases"]);
}

export async function addAlias(http: Http, roomId: string, alias: string): Promise<void> {
  await http.call("PUT", V3 + path`/directory/room/${alias}`, { body: { room_id: roomId } });
}

export async function removeAlias(http: Http, alias: string): Promise<void> {
  await http.call("DELETE", V3 + path`/directory/room/${alias}`);
}

export async function isListed(http: Http, roomId: string): Promise<boolean> {
  return (await http.call("GET", V3 + path`/directory/list/room/${roomId}`))["visibility"] === "public";
}

export async function setListed(http: Http, roomId: string, isPublic: boolean): Promise<void> {
  const body = { visibility: isPublic ? "public" : "private" };
  await http.call("PUT", V3 + path`/directory/list/room/${roomId}`, { body });
}

/** A room as a directory or a space shows it to those who are not in it. */
export interface Found {
  roomId: string;
  name: string | undefined;
  topic: string | undefined;
  alias: string | undefined;
  /** `mxc:` of its picture. */
  avatarUrl: string | undefined;
  members: number;
  joinRule: string;
  isSpace: boolean;
}

function found(room: JsonObject): Found[] {
  const roomId = text(room["room_id"]);
  if (!roomId) return [];
  return [{
    roomId,
    name: text(room["name"]),
    topic: text(room["topic"]),
    alias: text(room["canonical_alias"]),
    avatarUrl: text(room["avatar_url"]),
    members: number(room["num_joined_members"]) ?? 0,
    joinRule: text(room["join_rule"]) ?? "public",
    isSpace: room["room_type"] === "m.space",
  }];
}

/** A page of a server's directory; of this user's server, when none is named. */
export async function publicRooms(
  http: Http,
  { server, term, since }: { server: string; term: string; since?: string | undefined },
): Promise<{ rooms: Found[]; next: string | undefined }> {
  const body = {
    limit: 30,
    ...(term && { filter: { generic_search_term: term } }),
    ...(since && { since }),
  };
  const query = server ? { server } : {};
  const answer = await http.call("POST", `${V3}/publicRooms`, { query, body });
  return { rooms: objects(answer["chunk"]).flatMap(found), next: text(answer["next_batch"]) };
}

/** A room of a space, and which rooms it has below it, in the order in which they are to be shown. */
export interface Branch extends Found {
  children: { roomId: string; via: string[]; isSuggested: boolean }[];
}

/** A page of what is in a space. */
export async function hierarchy(
  http: Http,
  roomId: string,
  from?: string,
): Promise<{ rooms: Branch[]; next: string | undefined }> {
  const query = { limit: 50, max_depth: 3, ...(from && { from }) };
  const answer = await http.call("GET", `/_matrix/client/v1${path`/rooms/${roomId}/hierarchy`}`, { query });
  const rooms = objects(answer["rooms"]).flatMap((room) => {
    return found(room).map((one): Branch => ({ ...one, children: childrenOf(room["children_state"]) }));
  });
  return { rooms, next: text(answer["next_batch"]) };
}

/** The rooms of a space, by its state. Those without a server to join by were taken out. */
export function childrenOf(events: unknown): Branch["children"] {
  const children = objects(events).flatMap((event) => {
    const [roomId, content] = [text(event["state_key"]), object(event["content"])];
    const via = strings(content?.["via"]);
    if (event["type"] !== "m.space.child" || !roomId || via.length === 0) return [];
    const order = text(content?.["order"]);
    // An order that is too long or has other letters counts as none.
    const isOrder = order !== undefined && /^[\x20-\x7e]{1,50}$/.test(order);
    const ts = number(event["origin_server_ts"]) ?? 0;
    return [{ roomId, via, isSuggested: content?.["suggested"] === true, order: isOrder ? order : "\x7f", ts }];
  });
  children.sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : a.ts - b.ts || (a.roomId < b.roomId ? -1 : 1)));
  return children.map(({ roomId, via, isSuggested }) => ({ roomId, via, isSuggested }));
}

/** Makes a space; answers its id. In it, those who look after people add rooms. */
export async function createSpace(http: Http, name: string, topic: string, isPublic: boolean): Promise<string> {
  const body = {
    name,
    ...(topic && { topic }),
    preset: isPublic ? "public_chat" : "private_chat",
    visibility: isPublic ? "public" : "private",
    creation_content: { type: "m.space" },
    // Nobody talks in a space.
    power_level_content_override: { events_default: 50, invite: isPublic ? 0 : 50 },
  };
  return text((await http.call("POST", `${V3}/createRoom`, { body }))["room_id"]) ?? "";
}

/** Puts a room into a space; without servers, takes it out. */
export async function setChild(
  http: Http,
  spaceId: string,
  roomId: string,
  via: string[],
  isSuggested = false,
): Promise<void> {
  const content = via.length > 0 ? { via, ...(isSuggested && { suggested: true }) } : {};
  await setState(http, spaceId, "m.space.child", content, roomId);
}
