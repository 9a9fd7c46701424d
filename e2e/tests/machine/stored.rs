//! Stores that earlier versions wrote are read. A fixture is never changed; a new version of rows adds one:
//! `SEALPOST_WRITE_FIXTURE=1 cargo test -p sealpost-e2e --test machine -- stored`.

use sealpost_e2e::{
    Error,
    changes::Changes,
    machine::{Machine, Outcome},
    signed_json::{from_base64, to_base64},
    store::{MemoryStore, Store as _},
};
use serde_json::{Value, json};

use crate::world::{World, body};

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

#[test]
fn a_row_of_a_later_version_is_an_error_and_no_loss() {
    let mut rows = World::new().person("@bob:b.test").written.rows();
    rows.0[0].value.as_mut().unwrap()[0] = 2;
    let mut store = MemoryStore::default();
    store.apply(&rows);
    assert_eq!(Machine::open(store).err(), Some(Error::Store));
    assert_eq!(Machine::open(MemoryStore::default()).err(), Some(Error::Unknown));
}
