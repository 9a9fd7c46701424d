//! A homeserver in memory, and devices that use it as a client would.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use sealpost_e2e::{
    changes::{Change, Changes, Table},
    machine::{Decrypted, Machine, Now, Outcome, Sealed, Synced},
    primitives::Secret,
    session::Sessions,
    signed_json::{from_base64, key_from_base64, to_base64},
    store::{MemoryStore, Store as _},
};
use serde_json::{Map, Value, json};

pub const ROOM: &str = "!room:a.test";
pub const DIRECT: &str = "org.sealpost.ratchet.v1";
pub const GROUP: &str = "org.sealpost.sender_key.v1";
pub const THREE: [(&str, &str); 3] =
    [("@alice:a.test", "join"), ("@bob:b.test", "join"), ("@carol:c.test", "join")];

/// Two people in a direct chat.
pub fn pair(world: &mut World) -> (Device, Device) {
    let (mut alice, mut bob) = (world.person("@alice:a.test"), world.person("@bob:b.test"));
    let members = [("@alice:a.test", "join"), ("@bob:b.test", "join")];
    world.room(DIRECT, &members, &mut [&mut alice, &mut bob]);
    world.settle(&mut [&mut alice, &mut bob]);
    (alice, bob)
}

/// Three people in a group.
pub fn three(world: &mut World) -> (Device, Device, Device) {
    let mut alice = world.person("@alice:a.test");
    let (mut bob, mut carol) = (world.person("@bob:b.test"), world.person("@carol:c.test"));
    world.room(GROUP, &THREE, &mut [&mut alice, &mut bob, &mut carol]);
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    (alice, bob, carol)
}

/// A verification that one device asked another for, which agreed: both are ready. Answers its id.
pub fn agreed(world: &mut World, one: &mut Device, two: &mut Device) -> String {
    let (user, device) = (two.user.clone(), two.device.clone());
    let id = one
        .run(world.now, |machine, now| machine.request_verification(&user, Some(&device), now))
        .unwrap();
    world.settle(&mut [one, two]);
    two.run(world.now, |machine, now| machine.accept_verification(&id, now)).unwrap();
    world.settle(&mut [two, one]);
    id
}

type Of = BTreeMap<(String, String), Vec<Value>>;

/// What a server knows.
#[derive(Clone, Default)]
pub struct Server {
    pub devices: BTreeMap<String, Map<String, Value>>,
    pub identities: BTreeMap<String, Map<String, Value>>,
    pub one_time: BTreeMap<(String, String), Vec<(String, Value)>>,
    pub fallback: BTreeMap<(String, String), (String, Value)>,
    pub used: BTreeSet<(String, String)>,
    pub inbox: Of,
    pub changed: BTreeMap<(String, String), BTreeSet<String>>,
    /// Sees each to-device message before it is delivered; `false` loses it.
    pub events: Vec<Value>,
    pub state: Vec<Value>,
    pub lose: bool,
    /// Transactions that were sent: one that comes again says nothing new.
    pub sent: BTreeSet<(String, String, String)>,
    /// Every body that it was sent.
    pub log: Vec<String>,
}

impl Server {
    /// All that is base64 in what it was sent, decoded.
    pub fn bytes_seen(&self) -> Vec<u8> {
        let events = self.events.iter().map(ToString::to_string);
        let texts: Vec<String> = self.log.iter().cloned().chain(events).collect();
        let words = texts.iter().flat_map(|text| text.split('"'));
        words.filter_map(|word| from_base64(word).ok()).flatten().collect()
    }

    pub fn answer(&mut self, from: (&str, &str), kind: &str, path: &str, body: &Value) -> Value {
        self.log.push(body.to_string());
        match kind {
            "keys_upload" => self.upload(from, body),
            "keys_query" => {
                let mut answer = json!({ "device_keys": {}, "master_keys": {},
                    "self_signing_keys": {}, "user_signing_keys": {} });
                for user in body["device_keys"].as_object().unwrap().keys() {
                    let none = Map::new();
                    let devices = self.devices.get(user).unwrap_or(&none);
                    answer["device_keys"][user] = devices.clone().into();
                    for (kind, key) in self.identities.get(user).unwrap_or(&none) {
                        answer[format!("{kind}s")][user] = key.clone();
                    }
                }
                answer
            }
            "keys_claim" => {
                let mut answer = json!({ "one_time_keys": {} });
                for (user, devices) in body["one_time_keys"].as_object().unwrap() {
                    for device in devices.as_object().unwrap().keys() {
                        let at = (user.clone(), device.clone());
                        let left = self.one_time.entry(at.clone()).or_default();
                        let object = if left.is_empty() {
                            self.used.insert(at.clone());
                            self.fallback.get(&at).cloned()
                        } else {
                            Some(left.remove(0))
                        };
                        if let Some((name, object)) = object {
                            answer["one_time_keys"][user][device] = json!({ name: object });
                        }
                    }
                }
                answer
            }
            "to_device" => {
                let kind = path.split('/').nth(5).unwrap();
                let transaction = (from.0.to_owned(), from.1.to_owned(), path.to_owned());
                if !self.sent.insert(transaction) {
                    return json!({});
                }
                for (user, devices) in body["messages"].as_object().unwrap() {
                    for (device, content) in devices.as_object().unwrap() {
                        assert!(content.to_string().len() < 48 * 1024);
                        let event = json!({ "type": kind, "sender": from.0, "content": content });
                        if !self.lose {
                            let at = (user.clone(), device.clone());
                            self.inbox.entry(at).or_default().push(event);
                        }
                    }
                }
                json!({})
            }
            "signing_keys_upload" => {
                let keys = body.as_object().unwrap().clone();
                self.identities.insert(from.0.to_owned(), keys);
                self.tell(from.0);
                json!({})
            }
            "signatures_upload" => {
                for (user, objects) in body.as_object().unwrap() {
                    for (name, object) in objects.as_object().unwrap() {
                        let master =
                            self.identities.get_mut(user).map(|keys| &mut keys["master_key"]);
                        let known =
                            match self.devices.get_mut(user).and_then(|all| all.get_mut(name)) {
                                Some(device) => device,
                                None => master.unwrap(),
                            };
                        for (by, signatures) in object["signatures"].as_object().unwrap() {
                            for (key, signature) in signatures.as_object().unwrap() {
                                known["signatures"][by][key] = signature.clone();
                            }
                        }
                    }
                    self.tell(user);
                }
                json!({})
            }
            _ => json!({}),
        }
    }

    fn upload(&mut self, (user, device): (&str, &str), body: &Value) -> Value {
        let at = (user.to_owned(), device.to_owned());
        if let Some(keys) = body.get("device_keys") {
            self.devices
                .entry(user.to_owned())
                .or_default()
                .insert(device.to_owned(), keys.clone());
            self.tell(user);
        }
        for (name, object) in
            body.get("one_time_keys").and_then(Value::as_object).into_iter().flatten()
        {
            self.one_time.entry(at.clone()).or_default().push((name.clone(), object.clone()));
        }
        for (name, object) in
            body.get("fallback_keys").and_then(Value::as_object).into_iter().flatten()
        {
            self.fallback.insert(at.clone(), (name.clone(), object.clone()));
            self.used.remove(&at);
        }
        json!({ "one_time_key_counts": self.counts(&at) })
    }

    fn counts(&self, at: &(String, String)) -> Value {
        match self.one_time.get(at).map_or(0, Vec::len) {
            0 => json!({}),
            count => json!({ "org.sealpost.pqxdh.v1": count }),
        }
    }

    /// Tells all devices that a user's changed.
    pub fn tell(&mut self, user: &str) {
        for (of, devices) in &self.devices {
            for device in devices.keys() {
                let at = (of.clone(), device.clone());
                self.changed.entry(at).or_default().insert(user.to_owned());
            }
        }
    }

    pub fn sync(&mut self, user: &str, device: &str) -> Value {
        let at = (user.to_owned(), device.to_owned());
        let unused: &[&str] =
            if self.used.contains(&at) { &[] } else { &["org.sealpost.pqxdh.v1"] };
        json!({
            "device_lists": { "changed": self.changed.remove(&at).unwrap_or_default(), "left": [] },
            "device_one_time_keys_count": self.counts(&at),
            "device_unused_fallback_key_types": unused,
            "to_device": { "events": self.inbox.remove(&at).unwrap_or_default() },
        })
    }

    pub fn send(&mut self, sender: &str, content: &Value, at: i64) -> Value {
        let event = json!({
            "type": "m.room.encrypted", "event_id": format!("$event{}", self.events.len()),
            "sender": sender, "room_id": ROOM, "origin_server_ts": at, "content": content,
        });
        self.events.push(event.clone());
        event
    }
}

/// A device of a person.
pub struct Device {
    pub machine: Machine<MemoryStore>,
    /// What was written: the machine can be opened again from it at any time.
    pub written: MemoryStore,
    pub rng: ChaCha20Rng,
    pub user: String,
    pub device: String,
    pub identity: Option<(Secret, Secret, Secret)>,
}

/// Everybody.
pub struct World {
    pub server: Server,
    pub now: i64,
}

impl Device {
    /// One operation, with its changes written as a client writes them.
    pub fn run<T>(
        &mut self,
        now: i64,
        operation: impl FnOnce(
            &mut Machine<MemoryStore>,
            Now<'_>,
        ) -> Result<(T, Changes), sealpost_e2e::Error>,
    ) -> Result<T, sealpost_e2e::Error> {
        let (result, changes) =
            operation(&mut self.machine, Now { time: now, rng: &mut self.rng })?;
        self.written.apply(&Changes::from_bytes(&changes.to_bytes()).unwrap());
        Ok(result)
    }

    /// Opens the machine again from what was written.
    pub fn restart(&mut self) {
        assert!(self.written.rows() == self.machine.store().rows());
        self.open(self.written.clone());
    }

    /// Goes on with another store, such as an earlier one of its own.
    pub fn open(&mut self, store: MemoryStore) {
        self.machine = Machine::open(store.clone()).unwrap();
        self.written = store;
    }
}

impl World {
    pub fn new() -> Self {
        Self { server: Server::default(), now: 1_000_000_000_000 }
    }

    /// A person's first device, with a fresh identity.
    pub fn person(&mut self, user: &str) -> Device {
        let mut device = self.device(user, "ONE", 7);
        let made = device.run(self.now, |machine, now| machine.bootstrap(now)).unwrap();
        device.identity = Some((made.master, made.self_signing, made.user_signing));
        self.flush(&mut device);
        device
    }

    /// One more device, which nobody vouches for yet.
    pub fn device(&mut self, user: &str, device: &str, seed: u64) -> Device {
        let seed = user.bytes().fold(seed, |seed, byte| seed.wrapping_mul(31) ^ u64::from(byte));
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let now = Now { time: self.now, rng: &mut rng };
        let (machine, changes) =
            Machine::create(MemoryStore::default(), user, device, now).unwrap();
        let mut written = MemoryStore::default();
        written.apply(&changes);
        let (user, name) = (user.to_owned(), device.to_owned());
        let mut device = Device { machine, written, rng, user, device: name, identity: None };
        self.flush(&mut device);
        device
    }

    /// One more device that has its user's keys from secret storage.
    pub fn second(&mut self, of: &Device, device: &str) -> Device {
        let seed = device.bytes().fold(99, |seed, byte| seed * 7 + u64::from(byte));
        let mut device = self.device(&of.user, device, seed);
        let (master, self_signing, user_signing) = of.identity.clone().unwrap();
        device
            .run(self.now, |machine, now| {
                machine.adopt_identity(&master, &self_signing, &user_signing, now)
            })
            .unwrap();
        device.identity = of.identity.clone();
        self.flush(&mut device);
        device
    }

    /// Sends what a device wants to be sent, until it wants nothing more.
    pub fn flush(&mut self, device: &mut Device) -> Synced {
        let mut all = Synced::default();
        for _ in 0..20 {
            let requests = device.run(self.now, |machine, now| machine.requests(now)).unwrap();
            if requests.is_empty() {
                return all;
            }
            for request in requests {
                let from = (device.user.as_str(), device.device.as_str());
                let answer = self.server.answer(from, request.kind, &request.path, &request.body);
                let synced = device
                    .run(self.now, |machine, now| machine.mark_sent(request.id, &answer, now))
                    .unwrap();
                all.rooms_with_keys.extend(synced.rooms_with_keys);
                all.secrets.extend(synced.secrets);
                all.unread += synced.unread;
            }
        }
        panic!("it never wants nothing more")
    }

    pub fn sync(&mut self, device: &mut Device) -> Synced {
        let sync = self.server.sync(&device.user, &device.device);
        let mut synced =
            device.run(self.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
        let later = self.flush(device);
        synced.rooms_with_keys.extend(later.rooms_with_keys);
        synced.secrets.extend(later.secrets);
        synced.unread += later.unread;
        synced
    }

    /// Until nobody has anything more to say.
    pub fn settle(&mut self, devices: &mut [&mut Device]) {
        for _ in 0..6 {
            for device in devices.iter_mut() {
                self.sync(device);
            }
        }
    }

    /// Puts a room's state before devices: who is joined, and how the room is encrypted.
    pub fn room(&mut self, algorithm: &str, members: &[(&str, &str)], devices: &mut [&mut Device]) {
        let mut state = vec![json!({
            "type": "m.room.encryption", "state_key": "", "content": { "algorithm": algorithm },
        })];
        for (user, membership) in members {
            state.push(json!({
                "type": "m.room.member", "state_key": user, "origin_server_ts": self.now,
                "content": { "membership": membership },
            }));
        }
        self.server.state = state;
        for device in devices {
            self.state(device);
        }
    }

    pub fn state(&mut self, device: &mut Device) {
        let state = self.server.state.clone();
        device.run(self.now, |machine, now| machine.push_state(ROOM, &state, true, now)).unwrap();
        self.flush(device);
    }

    /// Seals and sends a text.
    pub fn send(&mut self, device: &mut Device, text: &str) -> Vec<Value> {
        let sealed = self.seal(device, text).unwrap();
        let events = sealed.events.iter();
        events.map(|event| self.server.send(&device.user, &event.content, self.now)).collect()
    }

    pub fn seal(&mut self, device: &mut Device, text: &str) -> Result<Sealed, sealpost_e2e::Error> {
        for _ in 0..5 {
            if device.run(self.now, |machine, now| machine.prepare(ROOM, now))? {
                break;
            }
            self.flush(device);
        }
        let content = json!({ "msgtype": "m.text", "body": text });
        let sealed = device.run(self.now, |machine, now| {
            machine.encrypt(ROOM, "m.room.message", &content, None, now)
        })?;
        self.flush(device);
        Ok(sealed)
    }

    pub fn read(&mut self, device: &mut Device, event: &Value) -> Outcome {
        device.run(self.now, |machine, now| machine.decrypt(ROOM, event, now)).unwrap()
    }

    /// The text of the last of some events.
    pub fn text(&mut self, device: &mut Device, events: &[Value]) -> String {
        match events.iter().map(|event| self.read(device, event)).last().unwrap() {
            Outcome::Read(read) => body(&read),
            other => panic!("{} {}: {other:?}", device.user, device.device),
        }
    }
}

/// Says where the keys of a room's history are.
pub fn history_file() -> Value {
    let key = to_base64(&[7; 32]);
    json!({ "room_id": ROOM, "file": { "v": "org.sealpost.file.v2",
        "url": "mxc://b.test/history", "key": key, "hash": key, "size": 123 } })
}

/// The master key that the server tells a device of.
pub fn master_of(device: &Device, user_id: &str) -> [u8; 32] {
    key_from_base64(&device.machine.user(user_id).unwrap().master_key.unwrap()).unwrap()
}

pub fn body(read: &Decrypted) -> String {
    read.content["body"].as_str().unwrap_or(&read.event_type).to_owned()
}

/// Seals whatever a member wants in the session that its device has with another: a to-device event.
pub fn letter(from: &mut Device, to: &Device, inside: &[u8], now: i64) -> Option<Value> {
    let key = [to.user.as_bytes(), to.device.as_bytes()].join(&0);
    let sessions = Sessions::from_bytes(&from.written.get(Table::Sessions, &key)?).ok()?;
    let (envelope, next) = sessions.encrypt(inside, now, &mut from.rng).ok()?;
    let value = Some(next.to_bytes());
    from.written.apply(&Changes(vec![Change { table: Table::Sessions, key, value }]));
    from.open(from.written.clone());
    let content = json!({
        "algorithm": DIRECT, "device_id": from.device, "ciphertext": to_base64(&envelope),
    });
    Some(json!({ "type": "m.room.encrypted", "sender": from.user, "content": content }))
}
