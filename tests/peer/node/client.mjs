// What a client does around the wasm module: requests, sync, and the rows that the machine wants to be written.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { RawMachine, RecoveryKey, Rows } = createRequire(import.meta.url)(process.env.SEALPOST_WASM);

const V3 = "/_matrix/client/v3";
const OURS = "/_matrix/client/unstable/org.sealpost";
const PASSWORD = "correct horse";
const SECRETS = {
  master: "m.cross_signing.master",
  self_signing: "m.cross_signing.self_signing",
  user_signing: "m.cross_signing.user_signing",
};
const [BACKUP, MAC] = ["org.sealpost.backup.v1.private", "org.sealpost.backup.v1.mac"];

const part = encodeURIComponent;
const transaction = () => Math.random().toString(36).slice(2);

/** Whether a client's server takes deposits of sender keys. */
export async function deposits(client) {
  const versions = await client.ok("GET", "/_matrix/client/versions");
  return versions.unstable_features["org.sealpost.sender_keys"] === true;
}

export class Client {
  requests = 0;
  counts = {};
  unusedFallbacks = [];
  /** By room, then user. */
  members = {};
  /** Rooms that one is invited to. */
  invitations = new Set();
  /** Events in clear. */
  heard = [];
  /** Sealed events by id, in the order in which they came. */
  sealed = new Map();
  /** Names of secrets that an own device sent. */
  secrets = new Set();
  /** Nothing of what sync brings for the device comes through. */
  loses = false;
  /** Verifications are in memory only: while there is one the machine is not opened again. */
  compares = false;
  /** A room whose distributions are deposited. */
  deposits = null;
  #rows = new Map();
  #later = 0;

  constructor(url, { user_id, device_id, access_token }) {
    [this.url, this.user, this.device, this.token] = [url, user_id, device_id, access_token];
    const created = RawMachine.create(user_id, device_id, this.now());
    this.machine = created.machine();
    this.#write(created.step());
  }

  static async register(url, username) {
    const auth = { type: "m.login.dummy" };
    const answer = await ask(url, null, "POST", `${V3}/register`, { username, password: PASSWORD, auth });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return new Client(url, answer.body);
  }

  /** One more device of the same person. */
  async logIn() {
    const identifier = { type: "m.id.user", user: this.user };
    const body = { type: "m.login.password", identifier, password: PASSWORD };
    const client = new Client(this.url, await this.ok("POST", `${V3}/login`, body));
    await client.sync();
    return client;
  }

  now() {
    return Date.now() + this.#later;
  }

  // The machine.

  #write(step) {
    for (const [table, key, value] of step.rows) {
      const name = `${table}:${Buffer.from(key).toString("hex")}`;
      if (value) this.#rows.set(name, [table, key, value]);
      else this.#rows.delete(name);
    }
    return step;
  }

  #synced(result) {
    for (const name of result?.secrets ?? []) this.secrets.add(name);
    return result;
  }

  step(operation) {
    return JSON.parse(this.#write(operation(this.machine, this.now())).json);
  }

  #bytes(operation) {
    return this.#write(operation(this.machine, this.now())).bytes;
  }

  /** Opens the machine from what was written. */
  #reopen() {
    const rows = new Rows();
    for (const row of this.#rows.values()) rows.put(...row);
    this.machine.free();
    this.machine = RawMachine.open(rows);
  }

  person(of) {
    return JSON.parse(this.machine.user(of.user));
  }

  verification(id) {
    return JSON.parse(this.machine.verification(id));
  }

  decrypt(event) {
    return this.step((machine, now) => machine.decrypt(event.room_id, JSON.stringify(event), now));
  }

  // The server.

  async call(method, path, body) {
    return await ask(this.url, this.token, method, path, body);
  }

  async ok(method, path, body) {
    const answer = await this.call(method, path, body);
    assert.equal(answer.status, 200, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Sends what the machine wants to be sent, until it wants nothing more. */
  async flush() {
    for (let round = 0; ; round++) {
      assert.ok(round < 30, "it never wants nothing more");
      const requests = this.step((machine, now) => machine.requests(now));
      if (requests.length === 0) return;
      for (const request of requests) {
        const answer = await this.#send(request);
        this.requests++;
        const text = JSON.stringify(answer);
        this.#synced(this.step((machine, now) => machine.markSent(request.id, text, now)));
      }
    }
  }

  async #send({ kind, method, path, body }) {
    if (this.deposits && kind === "to_device" && path.includes("/m.room.encrypted/")) {
      const deposit = { messages: body.messages, transaction_id: path.split("/").at(-1) };
      const { left_out } = await this.ok("POST", `${OURS}/rooms/${part(this.deposits)}/sender-keys`, deposit);
      assert.deepEqual(left_out, []);
      return {};
    }
    const answer = await this.call(method, path, body);
    if (answer.status !== 401 || kind !== "signing_keys_upload") {
      assert.equal(answer.status, 200, `${method} ${path}: ${JSON.stringify(answer.body)}`);
      return answer.body;
    }
    const identifier = { type: "m.id.user", user: this.user };
    const { session } = answer.body;
    const auth = { type: "m.login.password", identifier, password: PASSWORD, session };
    return await this.ok(method, path, { ...body, auth });
  }

  async sync(timeout = 0) {
    if (!this.compares) this.#reopen();
    const since = this.since ? `&since=${part(this.since)}` : "";
    const answer = await this.ok("GET", `${V3}/sync?timeout=${timeout}${since}`);
    this.since = answer.next_batch;
    if (this.loses) delete answer.to_device;
    this.counts = answer.device_one_time_keys_count ?? this.counts;
    this.unusedFallbacks = answer.device_unused_fallback_key_types ?? this.unusedFallbacks;
    const ours = {};
    for (const name of ["device_lists", "device_one_time_keys_count",
      "device_unused_fallback_key_types", "to_device"]) {
      if (answer[name]) ours[name] = answer[name];
    }
    this.#synced(this.step((machine, now) => machine.pushSync(JSON.stringify(ours), now)));
    for (const room of Object.keys(answer.rooms?.invite ?? {})) this.invitations.add(room);
    for (const [room, { state, timeline }] of Object.entries(answer.rooms?.join ?? {})) {
      await this.#inRoom(room, state?.events ?? [], timeline ?? { events: [] });
    }
    await this.flush();
    for (const event of this.sealed.values()) {
      if (event.outcome?.status !== "read") event.outcome = this.decrypt(event.event);
    }
    await this.flush();
  }

  async #inRoom(room, state, { events, limited }) {
    let isWhole = false;
    if (!this.members[room] || limited) {
      state = await this.ok("GET", `${V3}/rooms/${part(room)}/state`);
      isWhole = true;
    }
    const change = [...state, ...events.filter((event) => "state_key" in event && !isWhole)];
    for (const event of change) {
      if (event.type !== "m.room.member") continue;
      (this.members[room] ??= {})[event.state_key] = event.content.membership;
    }
    if (change.length > 0) {
      this.step((machine, now) => machine.pushState(room, JSON.stringify(change), isWhole, now));
    }
    this.#take(room, events);
  }

  #take(room, events) {
    for (const event of events) {
      if (event.type === "m.room.message") this.heard.push(event);
      if (event.type !== "m.room.encrypted" || this.sealed.has(event.event_id)) continue;
      this.sealed.set(event.event_id, { event: { ...event, room_id: room } });
    }
  }

  /** Syncs until something is so. */
  async until(isSo, what) {
    for (let turn = 0; !(await isSo()); turn++) {
      assert.ok(turn < 60, `${this.user} waits in vain for ${what}`);
      await this.sync(turn < 2 ? 0 : 1_000);
    }
  }

  // Rooms.

  async createRoom({ encryption, ...body }) {
    const content = { algorithm: encryption };
    const initial_state = encryption ? [{ type: "m.room.encryption", state_key: "", content }] : [];
    const whole = { preset: "private_chat", initial_state, ...body };
    return (await this.ok("POST", `${V3}/createRoom`, whole)).room_id;
  }

  async invite(room, { user }) {
    await this.ok("POST", `${V3}/rooms/${part(room)}/invite`, { user_id: user });
  }

  async join(room, by) {
    const server = part(by.user.slice(by.user.indexOf(":") + 1));
    await this.until(() => this.invitations.has(room), `the invitation to ${room}`);
    await this.ok("POST", `${V3}/join/${part(room)}?server_name=${server}&via=${server}`, {});
    await this.until(() => this.members[room]?.[this.user] === "join", room);
  }

  async leave(room) {
    await this.ok("POST", `${V3}/rooms/${part(room)}/leave`, {});
  }

  /** Waits until somebody's membership is known. */
  async knows(room, { user }, membership = "join") {
    await this.until(() => this.members[room]?.[user] === membership, `${membership} of ${user}`);
  }

  async sayOpenly(room, body) {
    const path = `${V3}/rooms/${part(room)}/send/m.room.message/${transaction()}`;
    await this.ok("PUT", path, { msgtype: "m.text", body });
  }

  /** Seals and sends a text. Answers its event. */
  async send(room, body) {
    await this.until(
      () => this.step((machine, now) => machine.prepare(room, now)), "what it needs to write",
    );
    const content = JSON.stringify({ msgtype: "m.text", body });
    const sealed = this.step((machine, now) =>
      machine.encrypt(room, "m.room.message", content, undefined, now));
    assert.deepEqual([sealed.left_out, sealed.not_reached], [[], []]);
    await this.flush();
    let sent;
    for (const { content } of sealed.events) {
      const path = `${V3}/rooms/${part(room)}/send/m.room.encrypted/${transaction()}`;
      sent = { ...(await this.ok("PUT", path, content)), content };
    }
    return { ...sent, type: "m.room.encrypted", room_id: room, sender: this.user, origin_server_ts: Date.now() };
  }

  /** A sealed event that has come. */
  event(id) {
    return this.sealed.get(id)?.event;
  }

  /** How a text of a room was read; nothing if it was not. */
  async tries(room, text) {
    await this.sync();
    return this.#read(room, text);
  }

  #read(room, text) {
    const is = ({ event, outcome }) =>
      event.room_id === room && outcome?.status === "read" && outcome.content.body === text;
    return [...this.sealed.values()].find(is)?.outcome;
  }

  async reads(room, text) {
    await this.until(() => this.#read(room, text), text);
    return this.#read(room, text);
  }

  /** Has the next message begin a new chain: who may read the past was changed. */
  async rotate(room) {
    const path = `${V3}/rooms/${part(room)}/state/m.room.history_visibility/`;
    const { history_visibility } = await this.ok("GET", path);
    const content = { history_visibility: history_visibility === "shared" ? "invited" : "shared" };
    const { event_id } = await this.ok("PUT", path, content);
    const event = await this.ok("GET", `${V3}/rooms/${part(room)}/event/${part(event_id)}`);
    this.step((machine, now) => machine.pushState(room, JSON.stringify([event]), false, now));
  }

  /** What a room said before this device was there. */
  async loadHistory(room) {
    const { chunk } = await this.ok("GET", `${V3}/rooms/${part(room)}/messages?dir=b&limit=200`);
    this.#take(room, chunk.reverse());
  }

  // Identity and recovery.

  async bootstrap() {
    await this.sync();
    this.privateKeys = this.step((machine, now) => machine.bootstrap(now));
    await this.flush();
  }

  /** Puts the identity's private keys into secret storage. */
  async storeSecrets() {
    this.recoveryKey = RecoveryKey.generate();
    const { id, content } = JSON.parse(this.recoveryKey.describe());
    this.keyId = id;
    await this.#setAccountData(`m.secret_storage.key.${id}`, content);
    await this.#setAccountData("m.secret_storage.default_key", { key: id });
    for (const [name, value] of Object.entries(this.privateKeys)) {
      await this.#store(SECRETS[name], Buffer.from(value, "base64"));
    }
  }

  async #store(name, value) {
    await this.#setAccountData(name, JSON.parse(this.recoveryKey.encrypt(this.keyId, name, value)));
  }

  async #stored(recoveryKey, name) {
    const { key } = await this.#accountData("m.secret_storage.default_key");
    const description = await this.#accountData(`m.secret_storage.key.${key}`);
    assert.ok(recoveryKey.check(JSON.stringify(description)));
    return recoveryKey.decrypt(key, name, JSON.stringify(await this.#accountData(name)));
  }

  async #accountData(type) {
    return await this.ok("GET", `${V3}/user/${part(this.user)}/account_data/${part(type)}`);
  }

  async #setAccountData(type, content) {
    await this.ok("PUT", `${V3}/user/${part(this.user)}/account_data/${part(type)}`, content);
  }

  /** Takes the identity over by what a person wrote down. */
  async recover(recoveryKey) {
    const typed = RecoveryKey.parse(recoveryKey.encode());
    const keys = [];
    for (const name of Object.values(SECRETS)) keys.push(await this.#stored(typed, name));
    this.step((machine, now) => machine.adoptIdentity(...keys, now));
    await this.flush();
  }

  async shareSecrets(to) {
    for (const name of [SECRETS.self_signing, SECRETS.user_signing]) {
      this.step((machine, now) => machine.shareSecret(to.device, name, now));
    }
    await this.flush();
  }

  /** Makes a backup, and waits until nothing is left to be written. */
  async createBackup() {
    const keys = this.#bytes((machine, now) => machine.createBackup(now));
    await this.#store(BACKUP, keys);
    await this.#store(MAC, this.#bytes((machine, now) => machine.secret(MAC, now)));
    await this.flush();
    // Wraps wait to be written together.
    this.#later += 61 * 60 * 1_000;
    await this.flush();
    this.#later = 0;
  }

  /** Answers how many keys the backup brought. */
  async restore(recoveryKey) {
    const [keys, mac] = [await this.#stored(recoveryKey, BACKUP), await this.#stored(recoveryKey, MAC)];
    const version = await this.ok("GET", `${V3}/room_keys/version`);
    const rows = await this.ok("GET", `${V3}/room_keys/keys?version=${part(version.version)}`);
    this.step((machine, now) => machine.keepSecret(MAC, mac, now));
    this.step((machine, now) => machine.useBackup(JSON.stringify(version), now));
    return this.step((machine, now) => machine.restore(keys, mac, JSON.stringify(rows), now));
  }

  /** Takes what was deposited in a room. Answers how much there was. */
  async takeDeposits(room) {
    const path = `${OURS}/rooms/${part(room)}/sender-keys`;
    const { events } = await this.ok("GET", path);
    const sync = JSON.stringify({ to_device: { events } });
    this.#synced(this.step((machine, now) => machine.pushSync(sync, now)));
    await this.flush();
    const ids = events.map(({ content }) => content["org.sealpost.deposit"].id);
    await this.ok("POST", `${path}/ack`, { ids });
    return events.length;
  }
}

async function ask(url, token, method, path, body) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const sent = method === "GET" ? undefined : JSON.stringify(body ?? {});
  const answer = await fetch(url + path, { method, headers, body: sent });
  return { status: answer.status, body: await answer.json() };
}
