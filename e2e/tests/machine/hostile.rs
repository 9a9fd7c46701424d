//! Everything that a server, or a device through it, may put in the way of a machine: no panic, and it works on.

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use sealpost_e2e::{
    audience,
    changes::Changes,
    envelope::Envelope,
    inside::Inside,
    machine::Machine,
    ratchet::Ratchet,
    sender_key::{Distribution, OwnChain, Received},
    session::Sessions,
    signed_json::{from_base64, to_base64},
    store::{MemoryStore, Store as _},
};
use serde_json::{Value, json};

use crate::world::{ROOM, World, three};

/// How many inputs are tried; `SEALPOST_INPUTS` more.
fn inputs() -> u32 {
    let number = std::env::var("SEALPOST_INPUTS").ok().and_then(|text| text.parse().ok());
    number.unwrap_or(400)
}

struct Mutator(ChaCha20Rng);

impl Mutator {
    fn below(&mut self, bound: usize) -> usize {
        (self.0.next_u32() as usize) % bound.max(1)
    }

    /// Changes, cuts, repeats or lengthens bytes.
    fn bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(5) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.0.next_u32() as u8),
                2 => bytes.extend_from_within(at..),
                _ if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                _ => {}
            }
        }
        bytes
    }

    /// Puts something else in the place of one value, somewhere.
    fn json(&mut self, value: &mut Value) {
        let down = self.below(5) > 0;
        match value {
            Value::Object(object) if down && !object.is_empty() => {
                let at = self.below(object.len());
                if let Some(inner) = object.values_mut().nth(at) {
                    self.json(inner);
                }
            }
            Value::Array(list) if down && !list.is_empty() => {
                let at = self.below(list.len());
                self.json(&mut list[at]);
            }
            Value::String(text) if down => match from_base64(text) {
                Ok(bytes) => *text = to_base64(&self.bytes(&bytes)),
                Err(_) => {
                    *text = String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
                }
            },
            other => {
                let choices = [
                    json!(null),
                    json!(-1),
                    json!(u64::MAX),
                    json!(0.5),
                    json!("\u{0}"),
                    json!([[]]),
                    json!({ "": {} }),
                    json!("A".repeat(300)),
                    json!(true),
                ];
                *other = choices[self.below(choices.len())].clone();
            }
        }
    }
}

#[test]
fn no_answer_of_a_server_breaks_a_machine() {
    let mut world = World::new();
    let (alice, bob, _) = &mut three(&mut world);
    let events = world.send(alice, "hello");
    let sync = world.server.sync("@bob:b.test", "ONE");
    let query = json!({ "device_keys": { "@alice:a.test": [], "@carol:c.test": [] } });
    let query = world.server.answer(("@bob:b.test", "ONE"), "keys_query", "", &query);
    let claim = json!({ "one_time_keys": { "@carol:c.test": { "ONE": "" } } });
    let claim = world.server.answer(("@bob:b.test", "ONE"), "keys_claim", "", &claim);
    let state = Value::from(world.server.state.clone());
    let before = (bob.written.clone(), world.now);
    let mut mutator = Mutator(ChaCha20Rng::seed_from_u64(5));
    let mut changed = |value: &Value| {
        let mut value = value.clone();
        mutator.json(&mut value);
        value
    };
    let now = world.now;
    for round in 0..inputs() {
        if round % 40 == 0 {
            bob.open(before.0.clone());
        }
        bob.run(now, |machine, now| machine.push_sync(&changed(&sync), now)).unwrap();
        for event in &events {
            bob.run(now, |machine, now| machine.decrypt(ROOM, &changed(event), now)).unwrap();
        }
        let state = changed(&state);
        let state = state.as_array().cloned().unwrap_or_default();
        let elsewhere = "!other:a.test";
        bob.run(now, |machine, now| machine.push_state(elsewhere, &state, true, now)).unwrap();
        for request in bob.run(now, |machine, now| machine.requests(now)).unwrap() {
            let answer = match request.kind {
                "keys_query" => changed(&query),
                "keys_claim" => changed(&claim),
                _ => changed(&json!({ "one_time_key_counts": {}, "version": "1" })),
            };
            if round % 7 == 0 {
                bob.run(now, |machine, now| machine.mark_refused(request.id, 400, now)).unwrap();
            }
            bob.run(now, |machine, now| machine.mark_sent(request.id, &answer, now)).unwrap();
        }
    }
    bob.restart();
    // What was there before the first hostile byte still reads what comes after the last.
    bob.open(before.0);
    bob.run(now, |machine, now| machine.push_sync(&sync, now)).unwrap();
    assert_eq!(world.text(bob, &events), "hello");
}

#[test]
fn no_bytes_break_a_decoder() {
    let mut world = World::new();
    let bob = world.person("@bob:b.test");
    let rows = bob.written.rows();
    let mut mutator = Mutator(ChaCha20Rng::seed_from_u64(6));
    let mut seeds: Vec<Vec<u8>> = rows
        .0
        .iter()
        .filter_map(|row| row.value.as_ref())
        .take(40)
        .map(|value| value.to_vec())
        .collect();
    seeds.extend([rows.to_bytes().to_vec(), vec![1, 0x82, 0, 0x82], vec![2], vec![0x9f; 64]]);
    for round in 0..inputs() {
        let bytes = mutator.bytes(&seeds[round as usize % seeds.len()]);
        let _ = (Envelope::from_bytes(&bytes), Inside::from_bytes(&bytes).is_ok());
        let _ = (Received::from_bytes(&bytes).is_ok(), Distribution::from_bytes(&bytes).is_ok());
        let _ = (Sessions::from_bytes(&bytes).is_ok(), Ratchet::from_bytes(&bytes).is_ok());
        let _ =
            (OwnChain::from_bytes(&bytes).is_ok(), audience::read(&json!({ "readers": [bytes] })));
        if let Ok(changes) = Changes::from_bytes(&bytes) {
            let mut store = MemoryStore::default();
            store.apply(&changes);
            let _ = Machine::open(store).is_ok();
        }
    }
}
