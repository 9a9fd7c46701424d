//! What one member sends does not fill another's store, and keeps nobody else out.

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use sealpost_e2e::{
    audience::{self, EVENT_TYPE, Reader},
    changes::{Change, Changes, Table},
    direct::Wrap,
    identity::OwnDevice,
    inside::Inside,
    machine::Outcome,
    sender_key::OwnChain,
    session::Sessions,
    signed_json::to_base64,
    store::Store as _,
};
use serde_json::{Value, json};

use crate::{
    kept::event,
    world::{DIRECT, Device, GROUP, THREE, World, history_file, pair, three},
};

fn rows(device: &Device, table: Table) -> usize {
    device.written.scan(table, b"").len()
}

/// Letters of whatever a member wants, in the session that its device has with another.
fn letters(from: &mut Device, to: &Device, now: i64, all: &[Inside]) -> Vec<Value> {
    let key = [to.user.as_bytes(), to.device.as_bytes()].join(&0);
    let mut sessions =
        Sessions::from_bytes(&from.written.get(Table::Sessions, &key).unwrap()).unwrap();
    let mut events = Vec::new();
    for inside in all {
        let plaintext = inside.to_bytes().unwrap();
        let (envelope, next) = sessions.encrypt(&plaintext, now, &mut from.rng).unwrap();
        sessions = next;
        let content = json!({
            "algorithm": DIRECT, "device_id": from.device, "ciphertext": to_base64(&envelope),
        });
        events.push(json!({ "type": "m.room.encrypted", "sender": from.user, "content": content }));
    }
    let value = Some(sessions.to_bytes());
    from.written.apply(&Changes(vec![Change { table: Table::Sessions, key, value }]));
    from.open(from.written.clone());
    events
}

#[test]
fn chains_and_wraps_of_a_hostile_member_are_bounded_and_push_out_nobody_s() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let read = world.send(&mut bob, "read before");
    let carols = world.send(&mut carol, "not read yet");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(world.text(&mut alice, &read), "read before");
    let identity = bob.machine.identity();
    // Whose keys they are is what counts; a chain's own keys are made here.
    let own = OwnDevice {
        user_id: identity.user_id.clone(),
        device_id: identity.device_id.clone(),
        ed25519: account_key(&bob),
        x25519: OwnDevice::generate("@x:x.test", "X", &mut bob.rng).x25519,
    };
    let mut all = Vec::new();
    for at in 0..700_u32 {
        let chain = OwnChain::begin(&own, &format!("!{at}:b.test"), 0, &mut bob.rng);
        all.push(Inside::Distribution(Box::new(chain.distribution())));
        let mut wrap = [7; 64];
        wrap[32..36].copy_from_slice(&at.to_be_bytes());
        all.push(Inside::Wrap(Wrap::from_bytes(&wrap)));
    }
    let before = rows(&alice, Table::Chains) + rows(&alice, Table::Wraps);
    let events = letters(&mut bob, &alice, world.now, &all);
    for some in events.chunks(100) {
        world.now += 1_000;
        let sync = json!({ "to_device": { "events": some } });
        alice.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
    }
    let after = rows(&alice, Table::Chains) + rows(&alice, Table::Wraps);
    assert!(after > before + 900, "they came from Bob: {after}");
    assert!(after <= before + 1_000, "{after} rows");
    assert!(rows(&alice, Table::Unread) <= 1_000 + 4);
    alice.restart();
    assert_eq!(world.text(&mut alice, &read), "read before");
    let more = world.send(&mut bob, "and on in this chain");
    assert_eq!(world.text(&mut alice, &more), "and on in this chain");
    assert_eq!(world.text(&mut alice, &carols), "not read yet");
}

/// The signing key of a device, from its store.
fn account_key(device: &Device) -> sealpost_e2e::primitives::ed25519::PrivateKey {
    let row = device.written.get(Table::Account, b"").unwrap();
    let public = *device.machine.identity().ed25519.as_bytes();
    let mut seeds = row.windows(34).filter(|window| window[..2] == [0x58, 32]);
    seeds
        .find_map(|window| {
            let seed = window[2..].try_into().unwrap();
            let key = sealpost_e2e::primitives::ed25519::PrivateKey::from_bytes(&seed);
            (*key.public().as_bytes() == public).then_some(key)
        })
        .unwrap()
}

#[test]
fn handshakes_that_one_device_begins_with_a_fallback_prekey_are_bounded() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let fresh = alice.written.clone();
    let accepted = |bob: &Device| {
        let lengths = bob.written.scan(Table::Prekeys, b"").into_iter().map(|(_, row)| row.len());
        lengths.max().unwrap()
    };
    let none = accepted(&bob);
    for round in 0..60 {
        // She knows of no session, and begins one.
        alice.open(fresh.clone());
        alice.rng = ChaCha20Rng::seed_from_u64(round);
        world.server.one_time.clear();
        world.now += 1_000;
        world.send(&mut alice, "again");
        world.sync(&mut bob);
    }
    let of_alice = accepted(&bob) - none;
    assert!((30 * 34..=41 * 34).contains(&of_alice), "{of_alice} bytes");
    // Whoever else begins one is heard.
    let events = world.send(&mut carol, "from carol");
    world.settle(&mut [&mut carol, &mut bob]);
    assert_eq!(world.text(&mut bob, &events), "from carol");
    // And Alice, too: Bob began a session with her.
    world.now += 11 * 60 * 1_000;
    world.settle(&mut [&mut bob, &mut alice]);
    let events = world.send(&mut alice, "from alice");
    for event in &events {
        world.read(&mut bob, event);
    }
    world.settle(&mut [&mut bob, &mut alice]);
    assert_eq!(world.text(&mut bob, &events), "from alice");
}

#[test]
fn lists_of_readers_are_forgotten_but_for_the_last_ones_of_each_device() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let first = world.send(&mut carol, "under a list that alice tells, too");
    let same = world.send(&mut alice, "hello");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    for events in [&first, &same] {
        world.text(&mut bob, events);
    }
    let before = rows(&bob, Table::Audiences);
    let one = alice.machine.identity();
    let reader = |number: u32| Reader {
        user_id: format!("@made-up-{number}:a.test"),
        master: one.ed25519.into(),
        device_id: "ONE".to_owned(),
        ed25519: one.ed25519.into(),
        x25519: one.x25519,
    };
    let known = |bob: &Device, number: u32| {
        let hash = audience::hash(&[reader(number)]);
        bob.written.scan(Table::Audiences, b"").iter().any(|(at, _)| at.ends_with(&hash))
    };
    let tell = |world: &mut World, alice: &mut Device, bob: &mut Device, number: u32, at: i64| {
        let content = &audience::tell(&[reader(number)], None)[0];
        let mut event = event(world, alice, EVENT_TYPE, content);
        event["origin_server_ts"] = at.into();
        world.now += 1_000;
        world.settle(&mut [&mut *alice, &mut *bob]);
        assert!(matches!(world.read(bob, &event), Outcome::Read(_)));
    };
    for number in 0..40 {
        let now = world.now;
        tell(&mut world, &mut alice, &mut bob, number, now);
    }
    let after = rows(&bob, Table::Audiences);
    assert!((before + 10..=before + 16).contains(&after), "{after} lists");
    // The one that Carol told is known as ever, although Alice told it long ago.
    let Outcome::Read(read) = world.read(&mut bob, &first[1]) else { panic!() };
    assert!(read.audience_is_known);
    // What is read of a room's past does not push out the present.
    let last = world.seal(&mut alice, "present").unwrap();
    let present = world.server.send("@alice:a.test", &last.events[0].content, world.now);
    let now = world.now;
    tell(&mut world, &mut alice, &mut bob, 40, now);
    for number in 41..80 {
        tell(&mut world, &mut alice, &mut bob, number, 1_000 + i64::from(number));
    }
    let told = [40, 79].map(|number| known(&bob, number));
    assert_eq!(told, [true, true], "the newest, and the one that was read last");
    let Outcome::Read(read) = world.read(&mut bob, &present) else { panic!() };
    assert!(read.audience_is_known);
}

#[test]
fn nobody_states_that_somebody_else_s_device_is_removed() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    world.send(&mut carol, "hello");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    // Carol signs that a device of hers is removed, and names the key of Bob's, then Alice's own.
    for victim in [bob.machine.identity(), alice.machine.identity()] {
        let (_, self_signing, _) = carol.identity.clone().unwrap();
        let key = sealpost_e2e::primitives::ed25519::PrivateKey::from_bytes(&self_signing);
        let removal = sealpost_e2e::identity::Removal::sign(
            &sealpost_e2e::identity::DeviceIdentity {
                user_id: "@carol:c.test".to_owned(),
                ..victim
            },
            &key,
        );
        let events = letters(&mut carol, &alice, world.now, &[Inside::Removals(vec![removal])]);
        let sync = json!({ "to_device": { "events": events } });
        alice.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
    }
    let devices = alice.machine.user("@bob:b.test").unwrap().devices;
    assert!(devices.iter().all(|device| !device.is_removed));
    let events = world.send(&mut alice, "to bob");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(world.text(&mut bob, &events), "to bob");
    let events = world.send(&mut bob, "to alice");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(world.text(&mut alice, &events), "to alice");
}

#[test]
fn a_key_under_another_s_message_s_name_does_not_keep_it_from_being_read() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let mut carol = world.person("@carol:c.test");
    let elsewhere = "!elsewhere:a.test";
    let state: Vec<Value> = [("@bob:b.test", "join"), ("@carol:c.test", "join")]
        .map(|(user, membership)| {
            json!({ "type": "m.room.member", "state_key": user,
                "content": { "membership": membership } })
        })
        .into_iter()
        .chain([json!({ "type": "m.room.encryption", "state_key": "",
            "content": { "algorithm": DIRECT } })])
        .collect();
    for device in [&mut bob, &mut carol] {
        device
            .run(world.now, |machine, now| machine.push_state(elsewhere, &state, true, now))
            .unwrap();
        world.flush(device);
    }
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    while !carol.run(world.now, |machine, now| machine.prepare(elsewhere, now)).unwrap() {
        world.flush(&mut carol);
    }
    // The server shows Carol what Alice wrote before Bob has it.
    let sealed = world.seal(&mut alice, "hello").unwrap();
    for event in &sealed.events {
        let mut wrap = [9; 64];
        let id = sealpost_e2e::signed_json::from_base64(&event.message_id).unwrap();
        wrap[32..].copy_from_slice(&id);
        let inside = Inside::Wrap(Wrap::from_bytes(&wrap));
        let events = letters(&mut carol, &bob, world.now, &[inside]);
        let sync = json!({ "to_device": { "events": events } });
        bob.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
        assert!(!bob.written.scan(Table::Wraps, &id).is_empty());
        let event = world.server.send("@alice:a.test", &event.content, world.now);
        let outcome = world.read(&mut bob, &event);
        assert!(matches!(outcome, Outcome::Read(_)), "{outcome:?}");
        // Afterwards it changes nothing either.
        let events = letters(&mut carol, &bob, world.now, &[Inside::Wrap(Wrap::from_bytes(&wrap))]);
        let sync = json!({ "to_device": { "events": events } });
        bob.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
        assert_eq!(world.read(&mut bob, &event), outcome);
    }
}

#[test]
fn of_a_stranger_who_is_forgotten_nothing_is_left() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let mut mallory = world.person("@mallory:m.test");
    let tables = [Table::Unread, Table::Wraps, Table::Chains, Table::Sessions, Table::Users];
    let before = tables.map(|table| rows(&alice, table));
    mallory.run(world.now, |machine, now| machine.track("@alice:a.test", now)).unwrap();
    world.settle(&mut [&mut mallory]);
    mallory
        .run(world.now, |machine, now| machine.share_history("@alice:a.test", &history_file(), now))
        .unwrap();
    world.settle(&mut [&mut mallory, &mut alice]);
    let mut all = Vec::new();
    for at in 0..20_u8 {
        all.push(Inside::Wrap(Wrap::from_bytes(&[at; 64])));
    }
    let events = letters(&mut mallory, &alice, world.now, &all);
    let sync = json!({ "to_device": { "events": events } });
    alice.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
    assert_eq!(rows(&alice, Table::Wraps), before[1] + 20);
    world.now += 3 * 24 * 60 * 60 * 1_000;
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(tables.map(|table| rows(&alice, table)), before);
}

#[test]
fn statements_that_nobody_can_check_are_bounded_and_go_in_time() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    world.send(&mut carol, "hello");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let before = alice.written.get(Table::Users, b"@bob:b.test").unwrap().len();
    let made_up = sealpost_e2e::primitives::ed25519::PrivateKey::generate(&mut carol.rng);
    for round in 0..6 {
        let mut removals = Vec::new();
        for at in 0..50 {
            let mut device = bob.machine.identity();
            device.device_id = format!("D{round}.{at}");
            removals.push(sealpost_e2e::identity::Removal::sign(&device, &made_up));
        }
        world.now += 1_000;
        let events = letters(&mut carol, &alice, world.now, &[Inside::Removals(removals)]);
        let sync = json!({ "to_device": { "events": events } });
        alice.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
    }
    assert_eq!(rows(&alice, Table::Claims), 200);
    let after = alice.written.get(Table::Users, b"@bob:b.test").unwrap().len();
    assert!(after < before + 20, "what is read with each event stays small");
    // Keys of Bob's come again, and change nothing about them.
    world.server.tell("@bob:b.test");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(rows(&alice, Table::Claims), 200);
    world.now += 91 * 24 * 60 * 60 * 1_000;
    world.settle(&mut [&mut alice]);
    assert_eq!(rows(&alice, Table::Claims), 0);
}

#[test]
fn a_statement_with_an_id_that_no_device_has_stops_nothing() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    world.send(&mut carol, "hello");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let (_, self_signing, _) = carol.identity.clone().unwrap();
    let carols = sealpost_e2e::primitives::ed25519::PrivateKey::from_bytes(&self_signing);
    let made_up = sealpost_e2e::primitives::ed25519::PrivateKey::generate(&mut carol.rng);
    // One that nobody can check, of Alice herself, and some that are of Carol.
    let mut all = Vec::new();
    for (mut device, key) in
        [(alice.machine.identity(), &made_up), (carol.machine.identity(), &carols)]
    {
        for at in 0..5 {
            device.device_id = format!("{at}{}", "D".repeat(4_000));
            device.ed25519 =
                OwnDevice::generate("@x:x.test", "X", &mut carol.rng).identity().ed25519;
            all.push(sealpost_e2e::identity::Removal::sign(&device, key));
        }
    }
    for one in all {
        let events = letters(&mut carol, &alice, world.now, &[Inside::Removals(vec![one])]);
        let sync = json!({ "to_device": { "events": events } });
        alice.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
    }
    assert_eq!((rows(&alice, Table::Claims), rows(&alice, Table::Removals)), (0, 0));
    // Keys of both come again, and somebody new, to whom removals are told.
    world.server.tell("@alice:a.test");
    world.server.tell("@carol:c.test");
    let mut dora = world.person("@dora:d.test");
    let members = [THREE[0], THREE[1], THREE[2], ("@dora:d.test", "join")];
    world.room(GROUP, &members, &mut [&mut alice, &mut bob, &mut carol, &mut dora]);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut dora]);
    let events = world.send(&mut alice, "as ever");
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut dora]);
    assert_eq!(world.text(&mut dora, &events), "as ever");
}

#[test]
fn a_device_is_asked_for_few_keys_at_once_whatever_a_server_makes_up() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let events = world.send(&mut alice, "hello");
    world.text(&mut bob, &events);
    world.settle(&mut [&mut bob, &mut alice]);
    let mut asked = Vec::new();
    for round in 0..3_u8 {
        for at in 0..600_u32 {
            let mut forged = events[1].clone();
            let ciphertext = [&[1, round], at.to_be_bytes().as_slice(), &[0; 60]].concat();
            forged["content"]["ciphertext"] = json!(to_base64(&ciphertext));
            assert_eq!(world.read(&mut bob, &forged), Outcome::MissingKey);
        }
        asked.push(rows(&bob, Table::Asked));
        world.now += 11 * 60 * 1_000;
    }
    assert_eq!(asked, [500, 1_000, 1_000]);
    // What is really missing is asked for, too.
    world.server.lose = true;
    let lost = world.seal(&mut alice, "lost").unwrap();
    world.server.lose = false;
    let mut content = lost.events[0].content.clone();
    content["wraps"] = json!({});
    let event = world.server.send("@alice:a.test", &content, world.now);
    assert_eq!(world.read(&mut bob, &event), Outcome::MissingKey);
    world.settle(&mut [&mut bob, &mut alice]);
    assert_eq!(world.text(&mut bob, &[event]), "lost");
}

/// Else a clock that was ahead for a moment would keep it from being asked for until then.
#[test]
fn what_was_asked_for_at_a_time_that_is_to_come_is_asked_for_again() {
    let mut world = World::new();
    let (mut alice, mut bob, _) = three(&mut world);
    world.server.lose = true;
    let events = world.send(&mut alice, "hello");
    world.now += 5 * 60 * 1_000;
    assert_eq!(world.read(&mut bob, &events[1]), Outcome::MissingKey);
    world.settle(&mut [&mut bob]);
    world.server.lose = false;
    world.now -= 5 * 60 * 1_000;
    assert_eq!(world.read(&mut bob, &events[1]), Outcome::MissingKey);
    world.settle(&mut [&mut bob, &mut alice]);
    assert_eq!(world.text(&mut bob, &events), "hello");
}

/// Neither another device's chain, nor a second answer, is taken for the one that was asked for.
#[test]
fn what_was_asked_for_is_answered_by_the_device_that_was_asked() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    world.server.lose = true;
    let events = world.send(&mut alice, "hello");
    world.server.lose = false;
    assert_eq!(world.read(&mut bob, &events[1]), Outcome::MissingKey);
    assert_eq!(rows(&bob, Table::Asked), 1);
    let carols = world.send(&mut carol, "a chain of carol's");
    world.settle(&mut [&mut carol, &mut bob]);
    assert_eq!(rows(&bob, Table::Asked), 1, "it was not Carol who was asked");
    assert_eq!(world.text(&mut bob, &carols), "a chain of carol's");
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(rows(&bob, Table::Asked), 0);
    let chains = bob.written.scan(Table::Chains, b"");
    assert_eq!(world.text(&mut bob, &events), "hello");
    // The same again, once it was read with.
    let held = bob.written.scan(Table::Chains, b"").len();
    assert_eq!(held, chains.len());
    let own = alice.written.scan(Table::OwnChains, b"");
    assert_eq!(own.len(), 1);
    let history =
        alice.run(world.now, |machine, now| machine.history(crate::world::ROOM, now)).unwrap();
    let again = bob.run(world.now, |machine, now| {
        machine.take_history("@alice:a.test", crate::world::ROOM, &history, now)
    });
    assert_eq!(again, Ok(0));
    assert_eq!(world.text(&mut bob, &events), "hello");
}
