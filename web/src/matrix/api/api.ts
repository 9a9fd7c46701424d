// The endpoints that the client uses, one method each.

import { roomEvents, stateEvents, type RoomEvent, type StateEvent } from "../event";
import { list, number, object, objects, text, type JsonObject } from "../json";
import { download } from "../media";
import { ifThere, Unreachable } from "./error";
import { path, type Http } from "./http";
import { sending } from "./sending";

const V3 = "/_matrix/client/v3";

export interface Page {
  events: RoomEvent[];
  state: StateEvent[];
  end: string | undefined;
}

export interface CreateRoom {
  name?: string;
  topic?: string;
  alias?: string;
  preset: "private_chat" | "trusted_private_chat" | "public_chat";
  invite?: string[];
  isDirect?: boolean;
  /** The algorithm that the room is sealed by. */
  algorithm?: string;
  isPublic?: boolean;
  /** The space in which it is, by which servers others reach that, and whether everybody in it may come in. */
  space?: { id: string; via: string[]; isOpen: boolean };
}

/** How something is sent. */
export interface Sent {
  name?: string;
  signal?: AbortSignal;
  onsent?: (bytes: number) => void;
}

export interface DeviceInfo {
  deviceId: string;
  name: string | undefined;
  lastSeen: number | undefined;
  /** The address it came from then. */
  lastAddress: string | undefined;
}

export interface FoundUser {
  userId: string;
  name: string | undefined;
  avatarUrl: string | undefined;
}

export class Api {
  readonly http: Http;
  readonly #userId: string;

  constructor(http: Http, userId: string) {
    this.http = http;
    this.#userId = userId;
  }

  async send(roomId: string, type: string, txnId: string, content: JsonObject): Promise<string> {
    const at = path`/rooms/${roomId}/send/${type}/${txnId}`;
    const answer = await this.http.call("PUT", V3 + at, { body: content });
    const eventId = text(answer["event_id"]);
    // A page that something in between put in the server's place.
    if (!eventId) throw new Unreachable("an answer without an event");
    return eventId;
  }

  /** `keepalive`: also if the page is closed meanwhile. */
  async redact(roomId: string, eventId: string, keepalive = false): Promise<void> {
    const at = path`/rooms/${roomId}/redact/${eventId}/r${crypto.randomUUID()}`;
    await this.http.call("PUT", V3 + at, { body: {}, keepalive });
  }

  /** Events before a token, newest first; or after it, oldest first. Without one: the newest. `only`: of some kinds. */
  async messages(
    roomId: string,
    from: string | undefined,
    limit: number,
    dir: "b" | "f" = "b",
    only: JsonObject = {},
  ): Promise<Page> {
    const filter = JSON.stringify({ lazy_load_members: true, ...only });
    const query = { dir, from, limit, filter };
    const answer = await this.http.call("GET", V3 + path`/rooms/${roomId}/messages`, { query });
    const { chunk, state, end } = answer;
    return { events: roomEvents(chunk), state: stateEvents(state), end: text(end) };
  }

  /** An event with those around it, oldest first. */
  async context(roomId: string, eventId: string, limit: number): Promise<Page & { start: string | undefined }> {
    const at = path`/rooms/${roomId}/context/${eventId}`;
    const filter = JSON.stringify({ lazy_load_members: true });
    const answer = await this.http.call("GET", V3 + at, { query: { limit, filter } });
    const { event, events_before, events_after, state, start, end } = answer;
    const events = [...roomEvents(events_before).toReversed(), ...roomEvents([event]), ...roomEvents(events_after)];
    return { events, state: stateEvents(state), start: text(start), end: text(end) };
  }

  /** The first event from a time on. */
  async eventAt(roomId: string, ts: number): Promise<string | undefined> {
    const at = path`/_matrix/client/v1/rooms/${roomId}/timestamp_to_event`;
    return text((await this.http.call("GET", at, { query: { ts, dir: "f" } }))["event_id"]);
  }

  /** A token for what is before an event. */
  async tokenBefore(roomId: string, eventId: string): Promise<string | undefined> {
    const at = path`/rooms/${roomId}/context/${eventId}`;
    return text((await this.http.call("GET", V3 + at, { query: { limit: 0 } }))["start"]);
  }

  async members(roomId: string): Promise<StateEvent[]> {
    const answer = await this.http.call("GET", V3 + path`/rooms/${roomId}/members`);
    return stateEvents(answer["chunk"]);
  }

  async createRoom(room: CreateRoom): Promise<string> {
    const initial_state: JsonObject[] = [];
    if (room.algorithm) initial_state.push({ type: "m.room.encryption", state_key: "", content: { algorithm: room.algorithm } });
    if (room.space) {
      const { id, via, isOpen } = room.space;
      initial_state.push({ type: "m.space.parent", state_key: id, content: { via, canonical: true } });
      const allow = [{ type: "m.room_membership", room_id: id }];
      if (isOpen) initial_state.push({ type: "m.room.join_rules", state_key: "", content: { join_rule: "restricted", allow } });
    }
    const answer = await this.http.call("POST", `${V3}/createRoom`, {
      body: {
        preset: room.preset,
        initial_state,
        is_direct: room.isDirect === true,
        invite: room.invite ?? [],
        visibility: room.isPublic ? "public" : "private",
        ...(room.name && { name: room.name }),
        ...(room.topic && { topic: room.topic }),
        ...(room.alias && { room_alias_name: room.alias }),
      },
    });
    return text(answer["room_id"]) ?? "";
  }

  async join(idOrAlias: string, via: string[] = []): Promise<string> {
    const answer = await this.http.call("POST", V3 + path`/join/${idOrAlias}`, { query: { via }, body: {} });
    return text(answer["room_id"]) ?? "";
  }

  async leave(roomId: string, keepalive = false): Promise<void> {
    await this.http.call("POST", V3 + path`/rooms/${roomId}/leave`, { body: {}, keepalive });
  }

  async read(roomId: string, eventId: string, isPrivate: boolean): Promise<void> {
    const kind = isPrivate ? "m.read.private" : "m.read";
    const body = { "m.fully_read": eventId, [kind]: eventId };
    await this.http.call("POST", V3 + path`/rooms/${roomId}/read_markers`, { body });
  }

  async typing(roomId: string, isTyping: boolean): Promise<void> {
    const body = isTyping ? { typing: true, timeout: 20_000 } : { typing: false };
    const at = path`/rooms/${roomId}/typing/${this.#userId}`;
    await this.http.call("PUT", V3 + at, { body, impatient: true });
  }

  async setAccountData(type: string, content: JsonObject): Promise<void> {
    const at = path`/user/${this.#userId}/account_data/${type}`;
    await this.http.call("PUT", V3 + at, { body: content });
  }

  async accountData(type: string): Promise<JsonObject> {
    return this.http.call("GET", V3 + path`/user/${this.#userId}/account_data/${type}`);
  }

  async setTag(roomId: string, tag: string, isOn: boolean): Promise<void> {
    const at = V3 + path`/user/${this.#userId}/rooms/${roomId}/tags/${tag}`;
    if (isOn) await this.http.call("PUT", at, { body: { order: 0.5 } });
    else await this.http.call("DELETE", at);
  }

  async profile(userId: string): Promise<{ name: string | undefined; avatarUrl: string | undefined }> {
    const answer = await this.http.call("GET", V3 + path`/profile/${userId}`);
    return { name: text(answer["displayname"]), avatarUrl: text(answer["avatar_url"]) };
  }

  async setDisplayName(name: string): Promise<void> {
    const at = path`/profile/${this.#userId}/displayname`;
    await this.http.call("PUT", V3 + at, { body: { displayname: name } });
  }

  async searchUsers(term: string): Promise<FoundUser[]> {
    const body = { search_term: term, limit: 8 };
    const answer = await this.http.call("POST", `${V3}/user_directory/search`, { body });
    return objects(answer["results"]).flatMap((user) => {
      const userId = text(user["user_id"]);
      if (!userId) return [];
      return [{ userId, name: text(user["display_name"]), avatarUrl: text(user["avatar_url"]) }];
    });
  }

  /** Whether somebody has a device that opens our sealed messages; unknown, where their server does not answer. */
  async hasOurDevice(userId: string, algorithm: string): Promise<"yes" | "no" | "unknown"> {
    const body = { device_keys: { [userId]: [] } };
    const answer = await this.http.call("POST", `${V3}/keys/query`, { body });
    const devices = Object.values(object(object(answer["device_keys"])?.[userId]) ?? {});
    if (devices.some((device) => list(object(device)?.["algorithms"]).includes(algorithm))) return "yes";
    return devices.length === 0 && Object.keys(object(answer["failures"]) ?? {}).length > 0 ? "unknown" : "no";
  }

  async devices(): Promise<DeviceInfo[]> {
    const answer = await this.http.call("GET", `${V3}/devices`);
    return objects(answer["devices"]).map((device) => ({
      deviceId: text(device["device_id"]) ?? "",
      name: text(device["display_name"]),
      lastSeen: number(device["last_seen_ts"]),
      lastAddress: text(device["last_seen_ip"]),
    }));
  }

  async deleteDevice(deviceId: string, auth: JsonObject | undefined): Promise<void> {
    await this.http.call("DELETE", V3 + path`/devices/${deviceId}`, { body: auth ? { auth } : {} });
  }

  async deleteDevices(devices: string[], auth: JsonObject | undefined): Promise<void> {
    await this.http.call("POST", `${V3}/delete_devices`, { body: { devices, ...(auth && { auth }) } });
  }

  async renameDevice(deviceId: string, name: string): Promise<void> {
    await this.http.call("PUT", V3 + path`/devices/${deviceId}`, { body: { display_name: name } });
  }

  async logOut(): Promise<void> {
    await this.http.call("POST", `${V3}/logout`, { body: {} });
  }

  /** `onsent` hears how many bytes are gone. */
  async upload(body: Blob, { name, signal, onsent }: Sent = {}): Promise<string> {
    const query = name ? { filename: name } : {};
    const init = { method: "POST", body, headers: { "content-type": body.type || BINARY } };
    const options = { query, timeoutMs: UPLOAD_MS, ...(signal && { signal }), ...(onsent && { by: sending(onsent) }) };
    const response = await this.http.send("/_matrix/media/v3/upload", init, options);
    return text(object(await response.json())?.["content_uri"]) ?? "";
  }

  /** How many bytes a file may have here; `undefined`, if the server does not say. */
  async uploadLimit(): Promise<number | undefined> {
    const ask = (at: string) => ifThere(this.http.call("GET", `/_matrix/${at}/config`));
    const answer = (await ask("client/v1/media")) ?? (await ask("media/v3"));
    return number(answer?.["m.upload.size"]);
  }

  /** The content behind `mxc://server/id`. */
  async download(uri: string, signal?: AbortSignal): Promise<Response> {
    return this.http.send(download(uri), { method: "GET" }, { timeoutMs: 600_000, ...(signal && { signal }) });
  }
}

const BINARY = "application/octet-stream";
/** As long as it moves: how long nothing may, `sending` says. */
const UPLOAD_MS = 24 * 3_600_000;
