//! A machine between a hostile server and a hostile member: the bytes drive a sequence of what they do, among what
//! honest people do. Nothing panics, what is stored stays bounded, and afterwards two honest people still talk.

#![no_main]

mod edited;
#[path = "../../e2e/tests/machine/world.rs"]
#[expect(dead_code, reason = "of the people of the tests, a part is wanted here")]
mod world;

use std::sync::LazyLock;

use edited::Input;
use libfuzzer_sys::fuzz_target;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use sealpost_e2e::{
    audience::EVENT_TYPE,
    inside::Inside,
    machine::{Machine, Outcome},
    sender_key::OwnChain,
    signed_json::to_base64,
    store::MemoryStore,
};
use serde_json::{Value, json};
use world::{Device, GROUP, ROOM, Server, THREE, World, letter};

const MINUTE: i64 = 60 * 1_000;
const STEPS: usize = 24;
/// What one step may add to a store, in rows and bytes, several times over.
const ROWS: usize = 150;
const BYTES: usize = 256 * 1024;

/// People who know each other, before anything hostile: Carol is the hostile member.
struct Before {
    server: Server,
    people: [(String, MemoryStore); 3],
    now: i64,
    event: Value,
    query: Value,
    insides: Vec<Vec<u8>>,
    list: Value,
    verifications: Vec<Value>,
}

static BEFORE: LazyLock<Before> = LazyLock::new(|| {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = world::three(&mut world);
    let event = world.send(&mut alice, "hello").pop().expect("an event");
    let list = world.server.events.first().cloned().unwrap_or_default();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    for device in [&mut bob, &mut carol] {
        world.text(device, std::slice::from_ref(&event));
        let events = world.send(device, "hello");
        world.settle(&mut [&mut alice]);
        world.text(&mut alice, &events);
    }
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let asked = json!({ "device_keys": { "@alice:a.test": [], "@bob:b.test": [],
        "@carol:c.test": [] } });
    let query = world.server.answer(("@bob:b.test", "ONE"), "keys_query", "", &asked);
    let chain = OwnChain::begin(
        &sealpost_e2e::identity::OwnDevice {
            user_id: "@carol:c.test".to_owned(),
            device_id: "ONE".to_owned(),
            ed25519: sealpost_e2e::primitives::ed25519::PrivateKey::from_bytes(&[1; 32]),
            x25519: sealpost_e2e::primitives::x25519::PrivateKey::from_bytes(&[1; 32]),
        },
        ROOM,
        0,
        &mut ChaCha20Rng::seed_from_u64(1),
    );
    let chain = Inside::Distribution(Box::new(chain.distribution()));
    let mut insides = vec![chain.to_bytes().expect("bytes").to_vec(), vec![0]];
    insides.push([&[1][..], &[7; 64]].concat());
    let key = *carol.machine.identity().ed25519.as_bytes();
    insides.push(
        [
            &[3, 0x81, 0x84, 0x6d][..],
            b"@carol:c.test",
            &[0x63],
            b"ONE",
            &[0x58, 32],
            &key,
            &[0x58, 64],
            &[1; 64],
        ]
        .concat(),
    );
    insides.push(
        [&[4, 0x82, 0x6c][..], b"!room:a.test", &[0x82, 0, 0x82, 0x50], &[1; 16], &[3]].concat(),
    );
    insides.push([&[5, 0x82, 0x61, b'n', 0x58, 32][..], &[1; 32]].concat());
    insides.push(b"\x06{}".to_vec());
    let verifications = ["request", "ready", "start", "accept", "key", "mac", "done", "cancel"]
        .map(|kind| {
            let mut content = sealpost_e2e::sas::start("ONE", "txn");
            content["methods"] = json!(["m.sas.v1"]);
            content["timestamp"] = json!(world.now);
            content["key"] = json!(to_base64(&[9; 32]));
            content["commitment"] = content["key"].clone();
            content["hash"] = json!("sha256");
            content["key_agreement_protocol"] = json!("curve25519-hkdf-sha256");
            content["message_authentication_code"] = json!("hkdf-hmac-sha256.v2");
            content["mac"] = json!({ "ed25519:ONE": "AAAA" });
            content["keys"] = json!("AAAA");
            json!({ "type": format!("m.key.verification.{kind}"), "sender": "@carol:c.test",
                "content": content })
        })
        .to_vec();
    let list = json!({ "audience": list["content"]["audience"], "part": 0, "parts": 1,
        "readers": [["@carol:c.test", to_base64(&key), "ONE", to_base64(&key), to_base64(&[9; 32])]],
        "removals": "gA" });
    let people = [alice, bob, carol].map(|device| (device.user, device.written));
    Before {
        server: world.server,
        people,
        now: world.now,
        event,
        query,
        insides,
        list,
        verifications,
    }
});

fn bytes_of(store: &MemoryStore) -> usize {
    store.rows().0.iter().map(|row| row.value.as_ref().map_or(0, |value| value.len())).sum()
}

fuzz_target!(|bytes: &[u8]| {
    let before = &*BEFORE;
    let mut input = Input(bytes);
    let mut world = World { server: before.server.clone(), now: before.now };
    let [mut alice, mut bob, mut carol] = before.people.each_ref().map(|(user, store)| Device {
        machine: Machine::open(store.clone()).expect("a store"),
        written: store.clone(),
        rng: ChaCha20Rng::seed_from_u64(user.len() as u64),
        user: user.clone(),
        device: "ONE".to_owned(),
        identity: None,
    });
    let mut hostile = Hostile { recorded: Vec::new(), flow: None };
    for step in 1..=STEPS {
        if input.is_spent() {
            break;
        }
        hostile.step(&mut input, &mut world, (&mut alice, &mut bob, &mut carol));
        let rows = bob.written.len();
        assert!(rows < before.people[1].1.len() + ROWS * step, "{rows} rows after {step} steps");
    }
    let size = bytes_of(&bob.written);
    assert!(size < bytes_of(&before.people[1].1) + BYTES * STEPS, "{size} bytes");
    bob.restart();
    recover(&mut world, &mut alice, &mut bob);
});

/// The server tells the truth again: what Alice writes, Bob reads, and the reverse.
fn recover(world: &mut World, alice: &mut Device, bob: &mut Device) {
    for user in ["@alice:a.test", "@bob:b.test", "@carol:c.test"] {
        world.server.tell(user);
    }
    world.room(GROUP, &THREE, &mut [alice, bob]);
    world.now += 11 * MINUTE;
    for _ in 0..2 {
        world.sync(alice);
        world.sync(bob);
    }
    for _ in 0..3 {
        let events = [world.send(alice, "to bob"), world.send(bob, "to alice")];
        for _ in 0..4 {
            world.now += 11 * MINUTE;
            world.sync(alice);
            world.sync(bob);
            let [to_bob, to_alice] = events.each_ref().map(|all| all.last().expect("an event"));
            if matches!(world.read(bob, to_bob), Outcome::Read(_))
                && matches!(world.read(alice, to_alice), Outcome::Read(_))
            {
                return;
            }
        }
    }
    panic!("two honest people do not talk any more");
}

struct Hostile {
    recorded: Vec<Value>,
    flow: Option<String>,
}

impl Hostile {
    fn step(
        &mut self,
        input: &mut Input<'_>,
        world: &mut World,
        (alice, bob, carol): (&mut Device, &mut Device, &mut Device),
    ) {
        let before = &*BEFORE;
        let now = world.now;
        match input.byte() % 16 {
            0 => {
                if let Ok(sealed) = world.seal(alice, "among it") {
                    for event in sealed.events {
                        world.server.send("@alice:a.test", &event.content, now);
                    }
                }
            }
            1 => {
                world.sync(bob);
            }
            // A sync that the server changed; some of it comes again later.
            2 => {
                let sync = world.server.sync("@bob:b.test", "ONE");
                let events = sync["to_device"]["events"].as_array();
                self.recorded.extend(events.into_iter().flatten().cloned());
                let sync = input.json(&[sync]);
                self.push(bob, now, &sync);
            }
            3 => {
                let sync = json!({ "to_device": { "events": self.recorded } });
                self.push(bob, now, &sync);
            }
            // What a member may put inside a letter.
            4 | 5 => {
                let inside = input.bytes(&before.insides);
                if let Some(event) = letter(carol, bob, &inside, now) {
                    self.push(bob, now, &json!({ "to_device": { "events": [event] } }));
                }
            }
            6 => {
                let mut event = input.json(&before.verifications);
                let flow = self.flow.as_ref().filter(|_| input.byte() % 2 == 0);
                if let Some((flow, content)) =
                    flow.zip(event.get_mut("content").and_then(Value::as_object_mut))
                {
                    content.insert("transaction_id".to_owned(), json!(flow));
                }
                self.push(bob, now, &json!({ "to_device": { "events": [event] } }));
            }
            7 => {
                let event = match world.server.events.len() {
                    0 => before.event.clone(),
                    count => world.server.events[input.below(count)].clone(),
                };
                let event = input.json(&[event, before.event.clone()]);
                bob.run(now, |machine, now| machine.decrypt(ROOM, &event, now))
                    .expect("an outcome");
            }
            // What a member may write in the room, lists of readers above all.
            8 => {
                let kind = if input.byte() % 2 == 0 { EVENT_TYPE } else { "m.room.message" };
                let content = input.json(&[
                    before.list.clone(),
                    json!({ "m.relates_to": {
                    "event_id": "$event0", "rel_type": "m.thread" } }),
                ]);
                let sealed =
                    carol.run(now, |machine, now| machine.encrypt(ROOM, kind, &content, None, now));
                for event in sealed.into_iter().flat_map(|sealed| sealed.events) {
                    let event = world.server.send("@carol:c.test", &event.content, now);
                    bob.run(now, |machine, now| machine.decrypt(ROOM, &event, now))
                        .expect("an outcome");
                }
            }
            9 => self.answers(input, world, bob),
            10 => {
                let state = Value::from(world.server.state.clone());
                let state = input.json(&[state]).as_array().cloned().unwrap_or_default();
                let room = if input.byte() % 2 == 0 { ROOM } else { "!other:a.test" };
                let is_whole = input.byte() % 2 == 0;
                bob.run(now, |machine, now| machine.push_state(room, &state, is_whole, now))
                    .expect("a room");
            }
            11 => world.now += MINUTE << (input.byte() % 17),
            12 => bob.restart(),
            13 => {
                let _ = world.seal(bob, "from bob");
            }
            14 => {
                self.flow = bob
                    .run(now, |machine, now| {
                        machine.request_verification("@carol:c.test", None, now)
                    })
                    .ok();
                for id in self.flow.iter().map(String::as_str).chain(["txn"]) {
                    let _ = bob.run(now, |machine, now| machine.accept_verification(id, now));
                    let _ = bob.run(now, |machine, now| machine.start_sas(id, now));
                    let _ = bob.run(now, |machine, now| machine.confirm_sas(id, now));
                }
            }
            _ => {
                let version = json!({ "algorithm": "org.sealpost.backup.v1", "version": "1",
                    "auth_data": { "public_key": "AAAA", "mac": "AAAA" } });
                let version = input.json(&[version]);
                let _ = bob.run(now, |machine, now| machine.use_backup(&version, now));
                if input.byte() % 4 == 0 {
                    bob.run(now, |machine, now| machine.create_backup(now)).expect("a backup");
                }
            }
        }
    }

    fn push(&self, bob: &mut Device, now: i64, sync: &Value) {
        bob.run(now, |machine, now| machine.push_sync(sync, now)).expect("nothing is an error");
    }

    /// Answers what Bob asks with something else.
    fn answers(&self, input: &mut Input<'_>, world: &mut World, bob: &mut Device) {
        let now = world.now;
        for request in bob.run(now, |machine, now| machine.requests(now)).expect("requests") {
            let true_answer = match input.byte() % 4 {
                0 => BEFORE.query.clone(),
                1 => {
                    json!({ "one_time_key_counts": { "org.sealpost.pqxdh.v1": 3 }, "version": "1" })
                }
                _ => {
                    let from = ("@bob:b.test", "ONE");
                    world.server.answer(from, request.kind, &request.path, &request.body)
                }
            };
            let answer = input.json(&[true_answer]);
            if input.byte() % 8 == 0 {
                let status = 400 + u16::from(input.byte());
                bob.run(now, |machine, now| machine.mark_refused(request.id, status, now))
                    .expect("nothing is an error");
            }
            bob.run(now, |machine, now| machine.mark_sent(request.id, &answer, now))
                .expect("nothing is an error");
        }
    }
}
