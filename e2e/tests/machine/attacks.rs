//! Attacks that are carried out and fail. Here are those that want whole machines; `docs/protocol.md` says in section 10
//! which test, here or elsewhere, carries out which.

use sealpost_e2e::{Error, machine::Outcome};
use serde_json::{Value, json};

use crate::world::{GROUP, ROOM, THREE, World, pair, three};

#[test]
fn a_ghost_device_gets_nothing() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    // The server adds a device of Bob's, which signs itself and which Bob does not vouch for.
    let mut ghost = world.device("@bob:b.test", "GHOST", 3);
    world.state(&mut ghost);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut ghost]);
    let events = world.send(&mut alice, "secret");
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut ghost]);
    assert_eq!(world.text(&mut bob, &events), "secret");
    assert_eq!(world.read(&mut ghost, &events[1]), Outcome::MissingKey);
    world.settle(&mut [&mut ghost, &mut alice, &mut bob]);
    assert_eq!(world.read(&mut ghost, &events[1]), Outcome::MissingKey);
    let view = alice.machine.user("@bob:b.test").unwrap();
    assert!(view.devices.iter().any(|one| one.device_id == "GHOST" && !one.is_vouched_for));
}

#[test]
fn keys_that_replace_a_device_s_are_not_taken() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let mut other = world.device("@bob:b.test", "ONE", 55);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut other]);
    let events = world.send(&mut alice, "secret");
    world.settle(&mut [&mut alice, &mut other]);
    assert_eq!(world.read(&mut other, &events[1]), Outcome::MissingKey);
    let known = &alice.machine.user("@bob:b.test").unwrap().devices[0];
    let key = *bob.machine.identity().ed25519.as_bytes();
    assert_eq!(known.ed25519, sealpost_e2e::signed_json::to_base64(&key));
}

#[test]
fn a_swapped_identity_stops_what_was_verified_and_leaves_others_out() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let before = world.server.identities["@bob:b.test"].clone();
    // An attacker with Bob's server makes a new identity with a device of its own.
    let mut mallory = world.device("@bob:b.test", "EVIL", 77);
    mallory.run(world.now, |machine, now| machine.bootstrap(now)).unwrap();
    world.flush(&mut mallory);
    world.state(&mut mallory);
    world.settle(&mut [&mut alice, &mut carol, &mut mallory]);
    assert!(alice.machine.user("@bob:b.test").unwrap().has_changed);
    let sealed = world.seal(&mut alice, "secret").unwrap();
    assert_eq!(sealed.left_out, ["@bob:b.test"]);
    world.settle(&mut [&mut alice, &mut mallory]);
    let content = &sealed.events.last().unwrap().content;
    let event = world.server.send("@alice:a.test", content, world.now);
    assert_ne!(std::mem::discriminant(&world.read(&mut mallory, &event)), read());
    // Bob himself: his identity is not the one that he pinned, so he stops.
    world.settle(&mut [&mut bob]);
    assert_eq!(world.seal(&mut bob, "x").unwrap_err(), Error::Identity);
    // Had it been verified, nothing would be sent at all.
    world.server.identities.insert("@bob:b.test".to_owned(), before);
    world.server.tell("@bob:b.test");
    world.settle(&mut [&mut alice, &mut carol]);
    let master = carol.machine.user("@bob:b.test").unwrap().pinned_key.unwrap();
    let master = sealpost_e2e::signed_json::key_from_base64(&master).unwrap();
    carol
        .run(world.now, |machine, now| machine.verify_identity("@bob:b.test", &master, now))
        .unwrap();
    world.flush(&mut carol);
    mallory.run(world.now, |machine, now| machine.bootstrap(now)).unwrap();
    world.flush(&mut mallory);
    world.settle(&mut [&mut carol]);
    assert_eq!(world.seal(&mut carol, "x").unwrap_err(), Error::Identity);
}

fn read() -> std::mem::Discriminant<Outcome> {
    let value = Outcome::Read(Box::new(sealpost_e2e::machine::Decrypted {
        event_type: String::new(),
        content: Value::Null,
        sender: sealpost_e2e::machine::Sender {
            user_id: String::new(),
            device_id: String::new(),
            is_verified: false,
            is_proven: false,
            shared_by: None,
        },
        message_id: String::new(),
        audience: String::new(),
        audience_is_known: false,
        warnings: Vec::new(),
        relation: sealpost_e2e::machine::Relation::None,
    }));
    std::mem::discriminant(&value)
}

#[test]
fn a_removed_device_that_a_server_still_lists_gets_nothing_and_is_not_believed() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let mut phone = world.second(&bob, "PHONE");
    world.state(&mut phone);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut phone]);
    let events = world.send(&mut phone, "from the phone");
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut phone]);
    assert_eq!(world.text(&mut alice, &events), "from the phone");
    bob.run(world.now, |machine, now| machine.remove_device("PHONE", now)).unwrap();
    world.settle(&mut [&mut bob, &mut alice, &mut carol]);
    assert!(world.server.devices["@bob:b.test"].contains_key("PHONE"));
    let events = world.send(&mut alice, "without the phone");
    world.settle(&mut [&mut alice, &mut bob]);
    let stolen = world.sync(&mut phone);
    assert!(stolen.rooms_with_keys.is_empty());
    assert_eq!(world.read(&mut phone, &events[1]), Outcome::MissingKey);
    assert_eq!(world.text(&mut bob, &events), "without the phone");
    let events = world.send(&mut phone, "from a thief");
    world.settle(&mut [&mut alice, &mut phone]);
    let outcome = world.read(&mut alice, events.last().unwrap());
    assert!(matches!(outcome, Outcome::Removed | Outcome::MissingKey), "{outcome:?}");
}

#[test]
fn events_that_are_sent_again_moved_or_changed_are_refused() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let events = world.send(&mut alice, "once");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(world.text(&mut bob, &events), "once");
    let event = &events[1];
    let change = |path: &[&str], value: Value| {
        let mut changed = event.clone();
        let mut at = &mut changed;
        for key in path {
            at = &mut at[*key];
        }
        *at = value;
        changed
    };
    let again = change(&["event_id"], json!("$again"));
    let first = event["event_id"].as_str().unwrap().to_owned();
    assert_eq!(world.read(&mut bob, &again), Outcome::Duplicate { event_id: first });
    for changed in [
        change(&["sender"], json!("@carol:c.test")),
        change(&["content", "device_id"], json!("TWO")),
        change(&["content", "audience"], json!("A".repeat(43))),
        change(&["content", "ciphertext"], json!("AAAA")),
    ] {
        assert_eq!(world.read(&mut bob, &changed), Outcome::Refused, "{changed}");
    }
    let elsewhere =
        bob.run(world.now, |machine, now| machine.decrypt("!other:a.test", event, now)).unwrap();
    assert_eq!(elsewhere, Outcome::MissingKey, "chains belong to a room");
    let megolm = change(&["content", "algorithm"], json!("m.megolm.v1.aes-sha2"));
    assert_eq!(world.read(&mut bob, &megolm), Outcome::Foreign);
    assert_eq!(world.text(&mut bob, &events), "once", "and nothing of it did harm");
}

#[test]
fn no_state_takes_encryption_away() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let members = world.server.state.clone().split_off(1);
    let encryption = |content: Value| {
        let event = json!({ "type": "m.room.encryption", "state_key": "", "content": content });
        [&[event], members.as_slice()].concat()
    };
    for state in [
        members.clone(),
        encryption(json!({})),
        encryption(json!(null)),
        encryption(json!({ "algorithm": "m.megolm.v1.aes-sha2" })),
        encryption(json!({ "algorithm": "org.sealpost.sender_key.v0" })),
        encryption(json!({ "algorithm": 7 })),
    ] {
        world.server.state = state;
        world.state(&mut alice);
        assert!(alice.machine.room(ROOM).unwrap().is_encrypted);
        let events = world.send(&mut alice, "sealed as before");
        assert!(events.iter().all(|event| event["content"]["algorithm"] == GROUP));
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
        assert_eq!(world.text(&mut bob, &events), "sealed as before");
    }
    // Of a room whose algorithm is another's, nothing is sent at all.
    let elsewhere = encryption(json!({ "algorithm": "m.megolm.v1.aes-sha2" }));
    let (now, room) = (world.now, "!other:a.test");
    alice.run(now, |machine, now| machine.push_state(room, &elsewhere, true, now)).unwrap();
    let sealed = alice.run(now, |machine, now| {
        machine.encrypt(room, "m.room.message", &json!({ "body": "x" }), None, now)
    });
    assert_eq!(sealed.unwrap_err(), Error::Unencrypted);
}

#[test]
fn garbage_in_a_sync_does_no_harm() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let ours = |content: Value| {
        json!({ "type": "m.room.encrypted", "sender": "@bob:b.test",
        "content": content })
    };
    let letter = |device: &str, text: &str| {
        ours(json!({ "algorithm": "org.sealpost.ratchet.v1", "device_id": device,
            "ciphertext": text }))
    };
    let sync = json!({
        "device_lists": { "changed": [1, "", "@x\u{0}:y", "@bob:b.test"], "left": "all" },
        "device_one_time_keys_count": { "org.sealpost.pqxdh.v1": -3 },
        "device_unused_fallback_key_types": {},
        "to_device": { "events": [1, {}, ours(json!(null)), letter("ONE", "!"),
            letter("ONE", "AAAA"), letter("NOBODY", "AAAA"), letter("", "AAAA")] },
    });
    let now = world.now;
    let synced = alice.run(now, |machine, now| machine.push_sync(&sync, now)).unwrap();
    assert_eq!((synced.unhandled.len(), synced.unread), (3, 3));
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let events = world.send(&mut alice, "all is well");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(world.text(&mut carol, &events), "all is well");
    for answer in [
        json!(null),
        json!([]),
        json!({ "device_keys": { "@bob:b.test": { "ONE": 7 } },
        "master_keys": { "@bob:b.test": { "usage": "master", "keys": [] } } }),
    ] {
        world.server.tell("@bob:b.test");
        let sync = world.server.sync("@alice:a.test", "ONE");
        alice.run(now, |machine, now| machine.push_sync(&sync, now)).unwrap();
        for request in alice.run(now, |machine, now| machine.requests(now)).unwrap() {
            alice.run(now, |machine, now| machine.mark_sent(request.id, &answer, now)).unwrap();
        }
        assert!(alice.run(now, |machine, now| machine.mark_sent(9_999, &answer, now)).is_ok());
    }
    assert!(alice.machine.user("@bob:b.test").unwrap().pinned_key.is_some());
    assert!(alice.machine.room(ROOM).unwrap().is_encrypted);
}

#[test]
fn a_ghost_member_is_warned_of_and_not_written_to_when_it_was_not_shown() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let mut eve = world.person("@eve:e.test");
    // Alice's server shows her a member that nobody else is shown.
    let ghosts = [THREE[0], THREE[1], THREE[2], ("@eve:e.test", "join")];
    world.room(GROUP, &ghosts, &mut [&mut alice, &mut eve]);
    world.room(GROUP, &THREE, &mut [&mut bob, &mut carol]);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut eve]);
    let shown: Vec<String> = THREE.iter().map(|(user, _)| (*user).to_owned()).collect();
    let content = json!({ "body": "not for ghosts" });
    let sealed = alice
        .run(world.now, |machine, now| {
            machine.encrypt(ROOM, "m.room.message", &content, Some(&shown), now)
        })
        .unwrap();
    world.settle(&mut [&mut alice, &mut bob, &mut eve]);
    let content = &sealed.events.last().unwrap().content;
    let event = world.server.send("@alice:a.test", content, world.now);
    assert_eq!(world.read(&mut eve, &event), Outcome::MissingKey);
    assert_eq!(world.text(&mut bob, &[event]), "not for ghosts");
    // Shown to Alice, it reads: and everybody else is warned.
    let events = world.send(&mut alice, "with a ghost");
    world.settle(&mut [&mut alice, &mut bob, &mut eve]);
    assert_eq!(world.text(&mut eve, &events), "with a ghost");
    world.text(&mut bob, &events[..1]);
    let Outcome::Read(read) = world.read(&mut bob, &events[1]) else { panic!() };
    let warned: Vec<&str> = read.warnings.iter().map(|one| one.user_id.as_str()).collect();
    assert_eq!(warned, ["@eve:e.test"]);
}

#[test]
fn somebody_else_s_prekeys_are_not_written_to() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let at = |user: &str| (user.to_owned(), "ONE".to_owned());
    let carols = world.server.one_time[&at("@carol:c.test")].clone();
    let bobs = world.server.one_time.insert(at("@bob:b.test"), carols).unwrap();
    let sealed = world.seal(&mut alice, "for bob").unwrap();
    assert_eq!(sealed.not_reached, [at("@bob:b.test")]);
    let event = world.server.send("@alice:a.test", &sealed.events[1].content, world.now);
    world.settle(&mut [&mut alice, &mut carol, &mut bob]);
    assert_eq!(world.read(&mut bob, &event), Outcome::MissingKey);
    // The right ones come back, and so does the message.
    world.server.one_time.insert(at("@bob:b.test"), bobs);
    world.now += 11 * 60 * 1_000;
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(world.text(&mut bob, &[event]), "for bob");
}

#[test]
fn letters_that_are_played_again_do_nothing_and_break_nothing() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let mut recorded = Vec::new();
    for round in 0..3 {
        let events = world.send(&mut alice, &format!("round {round}"));
        let at = ("@bob:b.test".to_owned(), "ONE".to_owned());
        recorded.extend(world.server.inbox.get(&at).cloned().unwrap_or_default());
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
        assert_eq!(world.text(&mut bob, &events), format!("round {round}"));
        // A new chain each time, and an answer.
        world.now += 8 * 24 * 60 * 60 * 1_000;
        let events = world.send(&mut bob, "answer");
        world.settle(&mut [&mut alice, &mut bob, &mut carol]);
        assert_eq!(world.text(&mut alice, &events), "answer");
    }
    assert!(recorded.len() >= 3);
    let rows = bob.written.len();
    for _ in 0..20 {
        let sync = json!({ "to_device": { "events": recorded } });
        bob.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
    }
    assert!(bob.written.len() <= rows + 3, "{} rows after {rows}", bob.written.len());
    world.settle(&mut [&mut bob, &mut alice, &mut carol]);
    let events = world.send(&mut alice, "still well");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    assert_eq!(world.text(&mut bob, &events), "still well");
}

/// Whoever talks with a copy has read on: what it wrote where it stopped would not open.
#[test]
fn a_rewound_store_begins_new_sessions_before_it_writes() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    for _ in 0..2 {
        let events = world.send(&mut alice, "hello");
        assert_eq!(world.text(&mut bob, &events), "hello");
        let events = world.send(&mut bob, "and hello");
        assert_eq!(world.text(&mut alice, &events), "and hello");
        world.settle(&mut [&mut alice, &mut bob]);
    }
    let copy = alice.written.clone();
    let mut own = Vec::new();
    for _ in 0..3 {
        own = world.send(&mut alice, "after the copy");
        assert_eq!(world.text(&mut bob, &own), "after the copy");
    }
    alice.open(copy);
    // The sync of then tells of her own messages since.
    assert_eq!(world.read(&mut alice, own.last().unwrap()), Outcome::MissingKey);
    let events = world.send(&mut alice, "in a new session");
    assert_eq!(world.text(&mut bob, &events), "in a new session");
    world.settle(&mut [&mut bob, &mut alice]);
    // A server that makes up such events makes her begin no more than one in ten minutes.
    let at = ("@bob:b.test".to_owned(), "ONE".to_owned());
    let left = world.server.one_time[&at].len();
    for number in 0..5 {
        let mut forged = own[0].clone();
        forged["content"]["ciphertext"] = json!("AQ".repeat(20 + number));
        forged["event_id"] = json!(format!("$forged{number}"));
        world.read(&mut alice, &forged);
        let events = world.send(&mut alice, "on in it");
        assert_eq!(world.text(&mut bob, &events), "on in it");
    }
    assert_eq!(world.server.one_time[&at].len(), left);
    alice.restart();
}

/// Devices of which a copy knows nothing may hold the chain that it would go on with.
#[test]
fn a_rewound_store_writes_in_a_chain_that_nobody_else_was_given() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    world.send(&mut alice, "before the copy");
    let copy = alice.written.clone();
    let mut dora = world.person("@dora:d.test");
    let four = [THREE[0], THREE[1], THREE[2], ("@dora:d.test", "join")];
    world.room(GROUP, &four, &mut [&mut alice, &mut bob, &mut carol, &mut dora]);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut dora]);
    let with_dora = world.send(&mut alice, "with dora");
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut dora]);
    assert_eq!(world.text(&mut dora, &with_dora), "with dora");
    // Dora leaves, and Alice's store is set back to before she came.
    let before = world.server.sent.len();
    alice.open(copy);
    world.room(GROUP, &THREE, &mut [&mut alice, &mut bob, &mut carol]);
    // The sync of then tells of her own messages since.
    for event in &with_dora {
        world.read(&mut alice, event);
    }
    let events = world.send(&mut alice, "without dora");
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut dora]);
    assert_eq!(world.read(&mut dora, events.last().unwrap()), Outcome::MissingKey);
    assert_eq!(world.text(&mut bob, &events), "without dora");
    assert!(world.server.sent.len() > before, "no letter goes under the name of an earlier one");
}
