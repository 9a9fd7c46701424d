//! What a server leaves out, shows again or makes up about identities and devices, and what strangers send.

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use sealpost_e2e::{
    Error,
    changes::Table,
    machine::{Decrypted, Outcome},
    primitives::ed25519,
    signed_json::{key_from_base64, sign, to_base64},
    store::Store as _,
};
use serde_json::{Map, Value, json};

use crate::world::{Device, GROUP, ROOM, THREE, World, master_of, pair, three};

const BOB: &str = "@bob:b.test";

fn at(device: &str) -> (String, String) {
    (BOB.to_owned(), device.to_owned())
}

fn is_removed(of: &Device, device_id: &str) -> bool {
    let view = of.machine.user(BOB).unwrap();
    view.devices.iter().any(|one| one.device_id == device_id && one.is_removed)
}

#[test]
fn a_server_that_leaves_out_the_self_signing_key_cancels_no_removal() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let mut phone = world.second(&bob, "PHONE");
    world.state(&mut phone);
    let mut tablet = world.device(BOB, "TABLET", 21);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut phone, &mut tablet]);
    let hidden = world.server.identities.get_mut(BOB).unwrap().remove("self_signing_key").unwrap();
    world.server.tell(BOB);
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    bob.run(world.now, |machine, now| machine.remove_device("PHONE", now)).unwrap();
    world.settle(&mut [&mut bob, &mut alice, &mut carol]);
    assert!(is_removed(&alice, "PHONE") && is_removed(&carol, "PHONE"));
    let events = world.send(&mut alice, "without the phone");
    world.settle(&mut [&mut alice, &mut phone]);
    assert_eq!(world.read(&mut phone, &events[1]), Outcome::MissingKey);
    let key = *tablet.machine.identity().ed25519.as_bytes();
    bob.run(world.now, |machine, now| machine.vouch_for("TABLET", &key, now)).unwrap();

    // Whoever comes while it is hidden cannot check the statement yet, and does so when it can.
    let mut dora = world.person("@dora:d.test");
    let four = [THREE[0], THREE[1], THREE[2], ("@dora:d.test", "join")];
    world.room(GROUP, &four, &mut [&mut alice, &mut bob, &mut carol, &mut dora]);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut dora]);
    let events = world.send(&mut alice, "for dora, too");
    world.settle(&mut [&mut alice, &mut dora]);
    assert_eq!(world.text(&mut dora, &events), "for dora, too");
    assert!(!is_removed(&dora, "PHONE"));
    let keys = world.server.identities.get_mut(BOB).unwrap();
    keys.insert("self_signing_key".to_owned(), hidden);
    world.server.tell(BOB);
    world.settle(&mut [&mut dora]);
    assert!(is_removed(&dora, "PHONE"));
    dora.restart();
}

#[test]
fn no_signature_brings_a_replaced_identity_back() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let old = master_of(&alice, BOB);
    alice.run(world.now, |machine, now| machine.verify_identity(BOB, &old, now)).unwrap();
    world.flush(&mut alice);
    world.settle(&mut [&mut alice, &mut bob]);
    // The server keeps what it had, with Alice's genuine signature.
    let before = (world.server.identities[BOB].clone(), world.server.devices[BOB].clone());
    bob.run(world.now, |machine, now| machine.bootstrap(now)).unwrap();
    world.flush(&mut bob);
    world.settle(&mut [&mut alice, &mut bob]);
    assert!(alice.machine.user(BOB).unwrap().has_changed);
    // What is accepted is what was looked at.
    let accept = |alice: &mut Device, now: i64, master: [u8; 32]| {
        alice.run(now, |machine, now| machine.accept_identity(BOB, &master, now))
    };
    assert_eq!(accept(&mut alice, world.now, old), Err(Error::Identity));
    let new = master_of(&alice, BOB);
    accept(&mut alice, world.now, new).unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    assert!(world.seal(&mut alice, "to the new one").is_ok());

    world.server.identities.insert(BOB.to_owned(), before.0);
    world.server.devices.insert(BOB.to_owned(), before.1);
    world.server.tell(BOB);
    world.settle(&mut [&mut alice]);
    let believed = |of: &Device| {
        let view = of.machine.user(BOB).unwrap();
        (view.has_changed, view.is_verified, view.pinned_key)
    };
    assert_eq!(believed(&alice), (true, false, Some(to_base64(&new))));
    assert_eq!(world.seal(&mut alice, "x").unwrap_err(), Error::Identity);
    // A new device takes what it is shown, until it hears from the other one.
    let mut phone = world.second(&alice, "PHONE");
    world.state(&mut phone);
    world.settle(&mut [&mut alice, &mut phone]);
    assert_eq!(believed(&phone), (false, true, Some(to_base64(&old))));
    alice.run(world.now, |machine, now| machine.share_pins("PHONE", now)).unwrap();
    world.settle(&mut [&mut alice, &mut phone]);
    assert_eq!(believed(&phone), (true, false, Some(to_base64(&new))));
    world.server.tell(BOB);
    world.settle(&mut [&mut phone]);
    assert!(believed(&phone).0);
    phone.restart();
    // A person does.
    accept(&mut alice, world.now, old).unwrap();
    world.server.tell(BOB);
    world.settle(&mut [&mut alice]);
    assert!(!believed(&alice).0);
}

#[test]
fn a_reader_behind_a_swapped_identity_is_warned_of() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let mut evil = world.device(BOB, "EVIL", 77);
    evil.run(world.now, |machine, now| machine.bootstrap(now)).unwrap();
    world.flush(&mut evil);
    let mut carol = world.person("@carol:c.test");
    world.room(GROUP, &THREE, &mut [&mut alice, &mut bob, &mut carol, &mut evil]);
    world.settle(&mut [&mut alice, &mut carol, &mut evil]);
    assert!(alice.machine.user(BOB).unwrap().has_changed);
    let events = world.send(&mut carol, "to whom the server showed");
    world.settle(&mut [&mut alice, &mut carol, &mut evil]);
    assert_eq!(world.text(&mut evil, &events), "to whom the server showed");
    world.text(&mut alice, &events[..1]);
    let Outcome::Read(read) = world.read(&mut alice, &events[1]) else { panic!() };
    let warned: Vec<&str> = read.warnings.iter().map(|one| one.device_id.as_str()).collect();
    assert_eq!(warned, ["EVIL"]);
    // Who reads on after the change was accepted was a reader before it, too.
    let events = world.send(&mut alice, "without bob");
    world.settle(&mut [&mut alice, &mut carol]);
    world.now += 1;
    let new = master_of(&alice, BOB);
    alice.run(world.now, |machine, now| machine.accept_identity(BOB, &new, now)).unwrap();
    world.settle(&mut [&mut alice, &mut carol]);
    let Outcome::Read(read) = world.read(&mut alice, events.last().unwrap()) else { panic!() };
    assert_eq!(read.warnings, []);
}

#[test]
fn keys_that_come_late_are_not_for_a_device_that_was_removed_meanwhile() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let mut phone = world.second(&bob, "PHONE");
    world.state(&mut phone);
    let prekeys = world.server.one_time.remove(&at("PHONE")).unwrap();
    let fallback = world.server.fallback.remove(&at("PHONE")).unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let events = {
        let sealed = world.seal(&mut alice, "for the phone, later").unwrap();
        assert_eq!(sealed.not_reached, [at("PHONE")]);
        let sealed = sealed.events.iter();
        sealed
            .map(|one| world.server.send(&alice.user, &one.content, world.now))
            .collect::<Vec<_>>()
    };
    world.now += 11 * 60 * 1_000;
    world.server.one_time.insert(at("PHONE"), prekeys);
    world.server.fallback.insert(at("PHONE"), fallback);
    // Between the question for its prekeys and the answer, Bob removes it.
    let asked = alice.run(world.now, |machine, now| machine.requests(now)).unwrap();
    assert!(asked.iter().any(|request| request.kind == "keys_claim"));
    bob.run(world.now, |machine, now| machine.remove_device("PHONE", now)).unwrap();
    world.flush(&mut bob);
    world.settle(&mut [&mut alice]);
    assert!(world.sync(&mut phone).rooms_with_keys.is_empty());
    assert_eq!(world.read(&mut phone, events.last().unwrap()), Outcome::MissingKey);
}

/// A device that nobody vouches for, as a server makes one up, or one that somebody does.
fn junk(
    device_id: &str,
    rng: &mut ChaCha20Rng,
    x25519: &str,
    by: Option<&ed25519::PrivateKey>,
) -> Value {
    let key = ed25519::PrivateKey::generate(rng);
    let mut object = json!({
        "user_id": BOB, "device_id": device_id,
        "algorithms": ["org.sealpost.ratchet.v1", "org.sealpost.sender_key.v1"],
        "keys": {
            format!("ed25519:{device_id}"): to_base64(key.public().as_bytes()),
            format!("curve25519:{device_id}"): x25519,
        },
    });
    sign(&mut object, BOB, device_id, &key).unwrap();
    if let Some(by) = by {
        sign(&mut object, BOB, &to_base64(by.public().as_bytes()), by).unwrap();
    }
    object
}

/// Lists such devices of Bob's.
fn list_junk(world: &mut World, bob: &Device, ids: Vec<String>, is_vouched_for: bool) {
    let x25519 = to_base64(bob.machine.identity().x25519.as_bytes());
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let (_, key, _) = bob.identity.as_ref().unwrap();
    let key = ed25519::PrivateKey::from_bytes(key);
    let by = is_vouched_for.then_some(&key);
    let made_up: Map<String, Value> =
        ids.into_iter().map(|id| (id.clone(), junk(&id, &mut rng, &x25519, by))).collect();
    world.server.devices.get_mut(BOB).unwrap().extend(made_up);
    world.server.tell(BOB);
}

#[test]
fn devices_that_a_server_makes_up_keep_no_place() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let whole = world.server.devices[BOB].clone();
    let mut ids: Vec<String> = (0..300).map(|at| format!("JUNK{at}")).collect();
    ids.push("TABLET".to_owned());
    list_junk(&mut world, &bob, ids, false);
    world.settle(&mut [&mut alice]);
    assert!(alice.machine.user(BOB).unwrap().devices.len() <= 101);
    // The true one of that name, and another one.
    world.server.devices.insert(BOB.to_owned(), whole);
    let mut tablet = world.second(&bob, "TABLET");
    let mut phone = world.second(&bob, "PHONE");
    world.state(&mut tablet);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut tablet, &mut phone]);
    let view = alice.machine.user(BOB).unwrap();
    for device in [&tablet, &phone] {
        let key = to_base64(device.machine.identity().ed25519.as_bytes());
        assert!(view.devices.iter().any(|one| one.ed25519 == key && one.is_vouched_for));
    }
    let events = world.send(&mut alice, "for the tablet");
    world.settle(&mut [&mut alice, &mut bob, &mut tablet]);
    assert_eq!(world.text(&mut tablet, &events), "for the tablet");
    alice.restart();
}

#[test]
fn strangers_neither_fill_a_store_nor_block_a_verification() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let event = |kind: &str, sender: usize, content: Value| json!({ "type": kind, "sender": format!("@s{sender}:e.test"), "content": content });
    let events: Vec<Value> = (0..300)
        .map(|at| {
            let letter = json!({ "algorithm": "org.sealpost.ratchet.v1", "device_id": "X",
                "ciphertext": "AAAA" });
            event("m.room.encrypted", at, letter)
        })
        .chain((0..300).map(|at| {
            let request = json!({ "from_device": "X", "methods": ["m.sas.v1"],
                "timestamp": world.now, "transaction_id": format!("t{at}") });
            event("m.key.verification.request", at / 2, request)
        }))
        .collect();
    let sync = json!({ "to_device": { "events": events } });
    alice.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
    let rows = alice.written.scan(Table::Users, &[]).len();
    assert!(rows <= 110, "{rows}");
    world.settle(&mut [&mut alice, &mut bob]);
    for (one, other) in [(&mut bob, "@alice:a.test"), (&mut alice, BOB)] {
        let id = one
            .run(world.now, |machine, now| machine.request_verification(other, None, now))
            .unwrap();
        world.flush(one);
        assert!(one.machine.verification(&id).is_some());
    }
    let at = ("@alice:a.test".to_owned(), "ONE".to_owned());
    let request = world.server.inbox[&at].last().unwrap()["content"].clone();
    world.settle(&mut [&mut alice, &mut bob]);
    let id = request["transaction_id"].as_str().unwrap();
    assert!(alice.machine.verification(id).is_some());
    // In time they are forgotten.
    world.now += 3 * 24 * 60 * 60 * 1_000;
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(alice.written.scan(Table::Users, &[]).len(), 2);
    let events = world.send(&mut alice, "all is well");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(world.text(&mut bob, &events), "all is well");
}

#[test]
fn requests_that_nobody_answered_stand_in_the_way_of_none_that_comes_later() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let ask = |world: &mut World, alice: &mut Device, id: &str| {
        let content = json!({ "from_device": "ONE", "methods": ["m.sas.v1"],
            "timestamp": world.now, "transaction_id": id });
        let request =
            json!({ "type": "m.key.verification.request", "sender": BOB, "content": content });
        let sync = json!({ "to_device": { "events": [request] } });
        alice.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
        alice.machine.verification(id).is_some()
    };
    assert!(ask(&mut world, &mut alice, "1"));
    assert!(ask(&mut world, &mut alice, "2"));
    assert!(ask(&mut world, &mut alice, "3"));
    assert!(!ask(&mut world, &mut alice, "4"));
    world.now += 60 * 60 * 1_000;
    assert!(ask(&mut world, &mut alice, "5"));
    world.settle(&mut [&mut alice, &mut bob]);
}

#[test]
fn a_stranger_who_left_and_writes_again_stays_a_stranger() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let letter = |at: usize| {
        let content = json!({ "algorithm": "org.sealpost.ratchet.v1", "device_id": "X",
            "ciphertext": "AAAA" });
        json!({ "type": "m.room.encrypted", "sender": format!("@s{at}:e.test"),
            "content": content })
    };
    for round in 0..4 {
        let some = round * 100..(round + 1) * 100;
        let events: Vec<Value> = some.clone().map(letter).collect();
        let left: Vec<String> = some.map(|at| format!("@s{at}:e.test")).collect();
        for sync in [
            json!({ "to_device": { "events": events } }),
            json!({ "device_lists": { "left": left } }),
            json!({ "to_device": { "events": events } }),
        ] {
            alice.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
        }
    }
    let rows = alice.written.scan(Table::Users, &[]).len();
    assert!(rows <= 110, "{rows}");
    world.now += 3 * 24 * 60 * 60 * 1_000;
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(alice.written.scan(Table::Users, &[]).len(), 2);
}

const FOUR: [(&str, &str); 4] = [THREE[0], THREE[1], THREE[2], ("@dora:d.test", "join")];

fn shown(world: &mut World, device: &mut Device, events: &[Value]) -> Decrypted {
    let outcomes: Vec<Outcome> = events.iter().map(|event| world.read(device, event)).collect();
    match outcomes.into_iter().last() {
        Some(Outcome::Read(read)) => *read,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_comes_new_hears_of_every_removal() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let ids: Vec<String> = (0..40).map(|at| format!("OLD{at}")).collect();
    list_junk(&mut world, &bob, ids.clone(), true);
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    for id in &ids {
        bob.run(world.now, |machine, now| machine.remove_device(id, now)).unwrap();
    }
    world.settle(&mut [&mut bob, &mut alice, &mut carol]);
    let mut dora = world.person("@dora:d.test");
    world.room(GROUP, &FOUR, &mut [&mut alice, &mut bob, &mut carol, &mut dora]);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut dora]);
    let events = world.send(&mut alice, "for dora, too");
    world.settle(&mut [&mut alice, &mut dora]);
    assert_eq!(world.text(&mut dora, &events), "for dora, too");
    assert!(ids.iter().all(|id| is_removed(&dora, id)));
    // Once is enough.
    world.room(GROUP, &THREE, &mut [&mut alice]);
    assert_eq!(world.send(&mut alice, "without dora").len(), 2);
}

#[test]
fn a_list_that_is_not_known_is_said_to_be_and_warnings_are_those_of_now() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let ids: Vec<String> = (0..80).map(|at| format!("MANY{at}")).collect();
    list_junk(&mut world, &bob, ids, true);
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    world.send(&mut alice, "hello");
    let mut dora = world.person("@dora:d.test");
    world.room(GROUP, &FOUR, &mut [&mut alice, &mut bob, &mut carol, &mut dora]);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut dora]);
    // Dora was never told the list before hers.
    let events = world.send(&mut alice, "with dora");
    world.settle(&mut [&mut alice, &mut dora, &mut carol]);
    let read = shown(&mut world, &mut dora, &events);
    assert_eq!((read.audience_is_known, read.warnings), (true, Vec::new()));
    let withheld = shown(&mut world, &mut carol, &events[events.len() - 1..]);
    assert!(!withheld.audience_is_known);
    let audience = key_from_base64(&withheld.audience).unwrap();
    let warnings = |device: &mut Device, at: i64| {
        device.run(at, |machine, now| machine.warnings(ROOM, &audience, at, now)).unwrap()
    };
    assert_eq!(warnings(&mut carol, world.now), None);
    assert_eq!(warnings(&mut dora, world.now), Some(Vec::new()));
    // One who goes is told as a difference, and what is known later is warned of.
    bob.run(world.now, |machine, now| machine.remove_device("MANY7", now)).unwrap();
    world.settle(&mut [&mut bob, &mut alice, &mut dora]);
    let later = warnings(&mut dora, world.now).unwrap();
    let later: Vec<_> = later.iter().map(|one| (one.device_id.as_str(), one.reason)).collect();
    assert_eq!(later, [("MANY7", "removed")]);
    let events = world.send(&mut alice, "one fewer");
    assert_eq!(events.len(), 3);
    world.settle(&mut [&mut alice, &mut dora]);
    let read = shown(&mut world, &mut dora, &events);
    assert_eq!((read.audience_is_known, read.warnings), (true, Vec::new()));
}

/// A device that came later reads what was sealed before, and was never shown the devices of then.
#[test]
fn a_new_device_warns_of_no_former_ones_but_of_those_beside_it() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let mut former = world.second(&bob, "FORMER");
    world.state(&mut former);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut former]);
    let events = world.send(&mut alice, "while it was there");
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut former]);
    assert_eq!(shown(&mut world, &mut bob, &events).warnings, []);
    world.server.devices.get_mut(BOB).unwrap().remove("FORMER");
    world.server.tell(BOB);
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let mut phone = world.second(&alice, "PHONE");
    world.state(&mut phone);
    world.settle(&mut [&mut phone, &mut alice, &mut bob, &mut carol]);
    let history = bob.run(world.now, |machine, now| machine.history(ROOM, now)).unwrap();
    phone.run(world.now, |machine, now| machine.take_history(BOB, ROOM, &history, now)).unwrap();
    let read = shown(&mut world, &mut phone, &events);
    assert!(read.audience_is_known);
    assert_eq!(read.warnings, [], "nobody told the phone of that device");
    // Where it reads itself, it warns of whoever it was not shown.
    let mut new = world.second(&bob, "NEW");
    world.state(&mut new);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut new]);
    let events = world.send(&mut alice, "to the phone, too");
    let listed = world.server.devices.get_mut(BOB).unwrap().remove("NEW").unwrap();
    world.settle(&mut [&mut alice, &mut phone]);
    let warned = shown(&mut world, &mut phone, &events).warnings;
    assert_eq!(warned.len(), 1);
    assert_eq!((warned[0].device_id.as_str(), warned[0].reason), ("NEW", "not_vouched_for"));
    world.server.devices.get_mut(BOB).unwrap().insert("NEW".to_owned(), listed);
    world.server.tell(BOB);
    world.settle(&mut [&mut alice, &mut phone]);
    assert_eq!(shown(&mut world, &mut phone, &events).warnings, []);
}
