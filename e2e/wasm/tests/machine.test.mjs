// Two people talk through the wasm module: what a client does, with a server of a few lines.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import test from "node:test";

const { FileOpener, FileSealer, FileSegments, FileStream, fileContext, RawMachine, RecoveryKey, Rows } = createRequire(import.meta.url)(
  process.env.SEALPOST_WASM,
);

const ALGORITHM = "org.sealpost.pqxdh.v1";
const ROOM = "!room:a.test";
const NOW = 1_800_000_000_000;

const server = { devices: {}, identities: {}, objects: {}, inbox: {}, changed: {} };

function answer(user, { kind, path, body }) {
  const tell = () => {
    for (const other of Object.keys(server.devices)) (server.changed[other] ??= new Set()).add(user);
  };
  if (kind === "keys_upload") {
    if (body.device_keys) server.devices[user] = body.device_keys;
    if (body.device_keys) tell();
    Object.assign((server.objects[user] ??= {}), body.one_time_keys);
    return { one_time_key_counts: { [ALGORITHM]: Object.keys(server.objects[user]).length } };
  }
  if (kind === "signing_keys_upload") {
    server.identities[user] = body;
    tell();
  }
  if (kind === "signatures_upload") {
    for (const [of, objects] of Object.entries(body)) {
      for (const [name, object] of Object.entries(objects)) {
        const known = server.devices[of].device_id === name ? server.devices[of] : null;
        if (known) Object.assign((known.signatures[user] ??= {}), object.signatures[user]);
      }
    }
    tell();
  }
  if (kind === "keys_query") {
    const found = { device_keys: {}, master_keys: {}, self_signing_keys: {}, user_signing_keys: {} };
    for (const of of Object.keys(body.device_keys)) {
      const device = server.devices[of];
      found.device_keys[of] = device ? { [device.device_id]: device } : {};
      for (const [name, key] of Object.entries(server.identities[of] ?? {})) found[`${name}s`][of] = key;
    }
    return found;
  }
  if (kind === "keys_claim") {
    const claimed = {};
    for (const [of, devices] of Object.entries(body.one_time_keys)) {
      const [[name, object]] = Object.entries(server.objects[of]);
      delete server.objects[of][name];
      claimed[of] = { [Object.keys(devices)[0]]: { [name]: object } };
    }
    return { one_time_keys: claimed };
  }
  if (kind === "to_device") {
    for (const [of, devices] of Object.entries(body.messages)) {
      for (const content of Object.values(devices)) {
        (server.inbox[of] ??= []).push({ type: path.split("/")[5], sender: user, content });
      }
    }
  }
  return {};
}

class Client {
  rows = new Map();

  constructor(user) {
    this.user = user;
    const created = RawMachine.create(user, "DEVICE", NOW);
    this.machine = created.machine();
    this.write(created.step());
  }

  write(step) {
    for (const [table, key, value] of step.rows) {
      const name = `${table}:${Buffer.from(key).toString("hex")}`;
      if (value) this.rows.set(name, [table, key, value]);
      else this.rows.delete(name);
    }
    return JSON.parse(step.json);
  }

  reopen() {
    const rows = new Rows();
    for (const row of this.rows.values()) rows.put(...row);
    this.machine.free();
    this.machine = RawMachine.open(rows);
  }

  flush() {
    for (;;) {
      const requests = this.write(this.machine.requests(NOW));
      if (requests.length === 0) return;
      for (const request of requests) {
        this.write(this.machine.markSent(request.id, JSON.stringify(answer(this.user, request)), NOW));
      }
    }
  }

  sync() {
    const changed = [...(server.changed[this.user] ?? [])];
    const events = server.inbox[this.user] ?? [];
    delete server.changed[this.user];
    delete server.inbox[this.user];
    const sync = { device_lists: { changed, left: [] }, to_device: { events } };
    this.write(this.machine.pushSync(JSON.stringify(sync), NOW));
    this.flush();
  }

  send(body) {
    while (!this.write(this.machine.prepare(ROOM, NOW))) this.flush();
    const content = JSON.stringify({ msgtype: "m.text", body });
    const sealed = this.write(this.machine.encrypt(ROOM, "m.room.message", content, undefined, NOW));
    this.flush();
    return sealed.events.map(({ content }, at) => ({
      type: "m.room.encrypted", sender: this.user, event_id: `$${this.user}${body}${at}`,
      room_id: ROOM, origin_server_ts: NOW, content,
    }));
  }

  read(events) {
    const outcomes = events.map((event) =>
      this.write(this.machine.decrypt(ROOM, JSON.stringify(event), NOW)));
    return outcomes.at(-1);
  }
}

test("two people talk, from what they stored", () => {
  const [lena, jonas] = [new Client("@lena:a.test"), new Client("@jonas:b.test")];
  for (const client of [lena, jonas]) {
    const keys = client.write(client.machine.bootstrap(NOW));
    assert.equal(Buffer.from(keys.master, "base64").length, 32);
    client.flush();
  }
  const state = [
    { type: "m.room.encryption", state_key: "", content: { algorithm: "org.sealpost.ratchet.v1" } },
    ...[lena, jonas].map(({ user }) => ({
      type: "m.room.member", state_key: user, content: { membership: "join" }, origin_server_ts: NOW,
    })),
  ];
  for (const client of [lena, jonas, lena, jonas]) {
    client.sync();
    const room = client.write(client.machine.pushState(ROOM, JSON.stringify(state), true, NOW));
    assert.deepEqual(room, { is_encrypted: true, algorithm: "org.sealpost.ratchet.v1", is_whole: true });
    client.flush();
  }
  const hello = lena.send("Grüße 🐧");
  jonas.reopen();
  const outcome = jonas.read(hello);
  assert.equal(outcome.status, "read");
  assert.equal(outcome.content.body, "Grüße 🐧");
  assert.deepEqual(outcome.warnings, []);
  jonas.flush();
  lena.sync();
  lena.reopen();
  assert.equal(lena.read(jonas.send("back")).content.body, "back");
  const user = JSON.parse(lena.machine.user("@jonas:b.test"));
  assert.deepEqual([user.has_changed, user.devices.map((one) => one.is_vouched_for)], [false, [true]]);
  assert.throws(() => lena.machine.encrypt("!other:a.test", "x", "{}", undefined, NOW), {
    name: "Unencrypted",
  });
});

test("a recovery key opens what it sealed", () => {
  const key = RecoveryKey.generate();
  const { id, content } = JSON.parse(key.describe());
  const stored = key.encrypt(id, "m.cross_signing.master", Buffer.alloc(32, 7));
  const typed = RecoveryKey.parse(key.encode());
  assert.ok(typed.check(JSON.stringify(content)));
  assert.deepEqual(Buffer.from(typed.decrypt(id, "m.cross_signing.master", stored)), Buffer.alloc(32, 7));
  assert.ok(!RecoveryKey.generate().check(JSON.stringify(content)));
  assert.throws(() => RecoveryKey.parse("EsTc"), { name: "Encoding" });
});

test("a file comes out as it went in", () => {
  const context = Buffer.from("room and role");
  const sealer = new FileSealer(context);
  const chunk = Buffer.alloc(16 * 1024, 3);
  const [key, header] = [sealer.key(), sealer.header()];
  const [first, last] = [sealer.chunk(chunk), sealer.last(Buffer.from("end"))];
  sealer.again(context);
  assert.deepEqual(sealer.chunk(chunk), first);
  const opener = new FileOpener(key, context, header);
  assert.deepEqual(Buffer.from(opener.chunk(first)), chunk);
  assert.equal(Buffer.from(opener.last(last)).toString(), "end");
  assert.throws(() => new FileOpener(key, Buffer.from("elsewhere"), header), { name: "Authentication" });
});

test("a file is opened while it comes", () => {
  const context = fileContext("!room:a.test", "thumbnail");
  const sealer = new FileSealer(context);
  const chunk = Buffer.alloc(16 * 1024, 3);
  const ciphertext = Buffer.concat([sealer.header(), sealer.chunk(chunk), sealer.last(Buffer.from("end"))]);
  const segments = new FileSegments();
  segments.update(ciphertext);
  const told = segments.finish();
  const [hash, blob] = [told.subarray(0, 32), Buffer.concat([told.subarray(32), ciphertext])];
  const open = (blob, size, role) => {
    const stream = new FileStream(sealer.key(), hash, size, fileContext("!room:a.test", role));
    const parts = [stream.push(blob.subarray(0, 1000)), stream.push(blob.subarray(1000)), stream.finish()];
    return Buffer.concat(parts);
  };
  assert.deepEqual(open(blob, blob.length, "thumbnail"), Buffer.concat([chunk, Buffer.from("end")]));
  const refused = { name: "Authentication" };
  assert.throws(() => open(blob, blob.length, "file"), refused);
  assert.throws(() => open(blob.subarray(0, -1), blob.length, "thumbnail"), refused);
  assert.throws(() => open(Buffer.concat([blob, Buffer.from("x")]), blob.length, "thumbnail"), refused);
  assert.throws(() => open(blob, 7, "thumbnail"), { name: "Encoding" });
  assert.throws(() => open(blob, blob.length, "other"), { name: "Unknown" });
});
