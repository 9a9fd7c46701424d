//! Stores that earlier versions wrote are read. A fixture is never changed; a new version of rows adds one:
//! `SEALPOST_WRITE_FIXTURE=1 cargo test -p sealpost-e2e --test machine -- stored`.

use sealpost_e2e::{
    Error,
    changes::{Changes, Table},
    machine::{Machine, Outcome},
    signed_json::{from_base64, to_base64},
    store::{MemoryStore, Store as _},
};
use serde_json::{Value, json};

use crate::world::{DIRECT, GROUP, ROOM, THREE, World, body, three};

const PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/machine/store_1.json");
const FIXTURE: &str = include_str!("store_1.json");

#[test]
fn a_store_of_version_1_reads_and_writes_on() {
    if std::env::var_os("SEALPOST_WRITE_FIXTURE").is_some() {
        std::fs::write(PLACE, written().to_string()).unwrap();
    }
    let fixture: Value = serde_json::from_str(FIXTURE).unwrap();
    let rows = from_base64(fixture["rows"].as_str().unwrap()).unwrap();
    let mut store = MemoryStore::default();
    store.apply(&Changes::from_bytes(&rows).unwrap());
    let mut world = World::new();
    let mut bob = world.person("@bob:b.test");
    bob.open(store);
    for event in fixture["events"].as_array().unwrap() {
        let Outcome::Read(read) = world.read(&mut bob, event) else { panic!("{event}") };
        assert_eq!(body(&read), "from version 1");
    }
    assert_eq!(world.seal(&mut bob, "and on").unwrap().left_out, [""; 0]);
    bob.restart();
}

/// A store with rows in every table that talking fills.
fn written() -> Value {
    let mut world = World::new();
    let mut devices =
        ["@alice:a.test", "@bob:b.test", "@carol:c.test"].map(|user| world.person(user));
    let [alice, bob, carol] = &mut devices;
    let mut events = Vec::new();
    for (algorithm, third) in
        [("org.sealpost.ratchet.v1", "leave"), ("org.sealpost.sender_key.v1", "join")]
    {
        let members =
            [("@alice:a.test", "join"), ("@bob:b.test", "join"), ("@carol:c.test", third)];
        world.room(algorithm, &members, &mut [alice, bob, carol]);
        world.settle(&mut [alice, bob, carol]);
        let sent = world.send(alice, "from version 1");
        world.settle(&mut [alice, bob, carol]);
        world.text(bob, &sent);
        world.send(bob, "an answer");
        world.settle(&mut [alice, bob, carol]);
        events.extend(sent.last().cloned());
    }
    json!({ "rows": to_base64(&bob.written.rows().to_bytes()), "events": events })
}

const WHOLE_PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/machine/store_1_whole.json");
const WHOLE: &str = include_str!("store_1_whole.json");

/// Of every kind of row that version 1 has, some are read and gone on with.
#[test]
fn every_table_of_version_1_is_read() {
    if std::env::var_os("SEALPOST_WRITE_FIXTURE").is_some() {
        std::fs::write(WHOLE_PLACE, whole().to_string()).unwrap();
    }
    let fixture: Value = serde_json::from_str(WHOLE).unwrap();
    let rows = from_base64(fixture["rows"].as_str().unwrap()).unwrap();
    let rows = Changes::from_bytes(&rows).unwrap();
    let mut store = MemoryStore::default();
    store.apply(&rows);
    for number in 0..25 {
        let table = Table::from_number(number).unwrap();
        assert!(!store.scan(table, b"").is_empty(), "{table:?}");
    }
    let mut world = World::new();
    let mut bob = world.person("@bob:b.test");
    bob.open(store);
    // What the rows say is still there.
    let view = bob.machine.user("@bob:b.test").unwrap();
    let phone = view.devices.iter().find(|one| one.device_id == "PHONE").unwrap();
    assert!(phone.is_removed && view.is_verified);
    assert!(bob.machine.room(ROOM).unwrap().is_encrypted);
    let Outcome::Read(read) = world.read(&mut bob, &fixture["events"][0]) else { panic!() };
    assert_eq!((body(&read).as_str(), read.audience_is_known), ("from version 1", true));
    let late = &fixture["events"][1];
    assert_eq!(world.read(&mut bob, late), Outcome::MissingKey);
    // Everything is looked through: what is to be sent, to be saved, to be forgotten.
    let now = world.now;
    let asked = bob.run(now, |machine, now| machine.requests(now)).unwrap();
    assert!(asked.len() >= 3);
    assert!(bob.run(now, |machine, now| machine.export_keys(now)).unwrap().len() > 500);
    bob.run(now, |machine, now| machine.create_backup(now)).unwrap();
    for days in [2, 91] {
        let then = now + days * 24 * 60 * 60 * 1_000;
        bob.run(then, |machine, now| machine.requests(now)).unwrap();
    }
    assert!(bob.written.scan(Table::Given, b"").is_empty() && !asked.is_empty());
    bob.restart();
}

/// A store with rows in every table, and an event that it reads, and one whose key it asked for.
fn whole() -> Value {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let mut phone = world.second(&bob, "PHONE");
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut phone]);
    bob.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
    bob.run(world.now, |machine, now| machine.remove_device("PHONE", now)).unwrap();
    world.settle(&mut [&mut bob, &mut alice, &mut carol]);
    // Two messages to Carol alone, for wraps and pins of their own.
    let pair = [("@alice:a.test", "join"), ("@bob:b.test", "join"), ("@carol:c.test", "leave")];
    world.room(DIRECT, &pair, &mut [&mut alice, &mut bob]);
    let direct = world.send(&mut alice, "direct");
    world.text(&mut bob, &direct);
    world.send(&mut bob, "direct");
    world.room(GROUP, &THREE, &mut [&mut alice, &mut bob, &mut carol]);
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let sent = world.send(&mut alice, "from version 1");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    world.text(&mut bob, &sent);
    world.send(&mut bob, "an answer");
    // A part of a list whose other part never came.
    let part = json!({ "audience": to_base64(&[7; 32]), "part": 0, "parts": 2, "readers": [] });
    let sealed = alice
        .run(world.now, |machine, now| {
            machine.encrypt(ROOM, "org.sealpost.audience", &part, None, now)
        })
        .unwrap();
    let event = world.server.send("@alice:a.test", &sealed.events[0].content, world.now);
    world.read(&mut bob, &event);
    // A key that was lost, and one with which nothing was read yet.
    world.server.lose = true;
    alice.run(world.now, |machine, now| machine.rotate(ROOM, now)).unwrap();
    let lost = world.send(&mut alice, "lost");
    world.server.lose = false;
    let at = ("@bob:b.test".to_owned(), "ONE".to_owned());
    world.server.inbox.remove(&at);
    world.read(&mut bob, lost.last().unwrap());
    world.send(&mut carol, "not read yet");
    let sync = world.server.sync("@bob:b.test", "ONE");
    bob.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
    // A letter of somebody unknown, whose keys are to be asked for; one that waits for a session.
    let letter = json!({ "type": "m.room.encrypted", "sender": "@dora:d.test", "content": {
        "algorithm": DIRECT, "device_id": "ONE", "ciphertext": "AAAA" } });
    let sync = json!({ "to_device": { "events": [letter] } });
    bob.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
    world.person("@dora:d.test");
    let garbage = json!({ "type": "m.room.encrypted", "sender": "@carol:c.test", "content": {
        "algorithm": DIRECT, "device_id": "ONE", "ciphertext": to_base64(&garbled()) } });
    let sync = json!({ "to_device": { "events": [garbage] } });
    bob.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
    bob.run(world.now, |machine, now| machine.requests(now)).unwrap();
    json!({ "rows": to_base64(&bob.written.rows().to_bytes()),
        "events": [sent.last().unwrap(), lost.last().unwrap()] })
}

/// An envelope of a session that nobody has.
fn garbled() -> Vec<u8> {
    [&[1, 0x82, 1, 0x82, 0x50][..], &[5; 16], &[0x41, 1]].concat()
}

#[test]
fn a_row_of_a_later_version_is_an_error_and_no_loss() {
    let mut rows = World::new().person("@bob:b.test").written.rows();
    rows.0[0].value.as_mut().unwrap()[0] = 2;
    let mut store = MemoryStore::default();
    store.apply(&rows);
    assert_eq!(Machine::open(store).err(), Some(Error::Store));
    assert_eq!(Machine::open(MemoryStore::default()).err(), Some(Error::Unknown));
}
