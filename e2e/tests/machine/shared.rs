//! Keys that somebody shared: false ones keep nobody from the right ones, in whatever order they come.

use sealpost_e2e::{
    changes::Table, direct::Wrap, inside::Inside, machine::Outcome, store::Store as _,
};
use serde_json::{Value, json};

use crate::{
    theft::chain_keys,
    world::{Device, GROUP, ROOM, THREE, World, letter, pair, three},
};

fn history(of: &mut Device, now: i64) -> Vec<u8> {
    of.run(now, |machine, now| machine.history(ROOM, now)).unwrap().to_vec()
}

/// Answers how many keys were new.
fn take(device: &mut Device, from: &str, history: &[u8], now: i64) -> u32 {
    device.run(now, |machine, now| machine.take_history(from, ROOM, history, now)).unwrap()
}

/// Who is said to have shared what opens an event; none: its author is proven.
fn shared_by(world: &mut World, device: &mut Device, event: &Value) -> Option<String> {
    match world.read(device, event) {
        Outcome::Read(read) => {
            assert_eq!(read.sender.is_proven, read.sender.shared_by.is_none());
            read.sender.shared_by
        }
        other => panic!("{other:?}"),
    }
}

/// How many rows are in a table.
fn rows(device: &Device, table: Table) -> usize {
    device.written.scan(table, b"").len()
}

#[test]
fn false_keys_of_a_chain_that_came_first_do_not_keep_the_right_one_out() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    world.server.lose = true;
    let events = world.send(&mut alice, "hello");
    world.server.lose = false;
    let right = history(&mut alice, world.now);
    let before = rows(&bob, Table::Chains);
    for round in 1..=30 {
        let mut bogus = right.clone();
        chain_keys(&right).iter().for_each(|at| bogus[*at] ^= round);
        assert_eq!(take(&mut bob, "@carol:c.test", &bogus, world.now), 1);
        assert_eq!(take(&mut bob, "@carol:c.test", &bogus, world.now), 0, "nothing new");
    }
    assert_eq!(rows(&bob, Table::Chains), before + 8);
    assert_eq!(world.read(&mut bob, &events[1]), Outcome::MissingKey, "its author is asked");
    let mut forged = events[1].clone();
    forged["content"]["audience"] = json!("A".repeat(43));
    assert_eq!(world.read(&mut bob, &forged), Outcome::Refused, "the owner did not sign this");
    assert_eq!(take(&mut bob, "@dora:d.test", &right, world.now), 1);
    // However many more come.
    for round in 31..=60 {
        let mut bogus = right.clone();
        chain_keys(&right).iter().for_each(|at| bogus[*at] ^= round);
        take(&mut bob, "@carol:c.test", &bogus, world.now);
    }
    bob.restart();
    assert_eq!(shared_by(&mut world, &mut bob, &events[1]).as_deref(), Some("@dora:d.test"));
    assert_eq!(rows(&bob, Table::Chains), before + 1, "the others are gone");
    assert_eq!(world.text(&mut bob, &events), "hello");
    // The author's answer comes, and counts.
    world.settle(&mut [&mut bob, &mut alice, &mut carol]);
    assert_eq!(shared_by(&mut world, &mut bob, &events[1]), None);
}

/// In a direct chat, which becomes a group later, so that others have sessions with its devices.
#[test]
fn false_keys_of_a_message_that_came_first_do_not_keep_the_right_one_out() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let events = world.send(&mut alice, "hello");
    world.seal(&mut alice, "x").unwrap();
    let mut carol = world.person("@carol:c.test");
    let mut phone = world.second(&bob, "PHONE");
    world.room(GROUP, &THREE, &mut [&mut alice, &mut bob, &mut carol, &mut phone]);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut phone]);
    world.send(&mut carol, "a session with the phone");
    world.settle(&mut [&mut carol, &mut phone, &mut alice, &mut bob]);
    assert_eq!(world.read(&mut phone, &events[1]), Outcome::MissingKey);
    let right = history(&mut alice, world.now);
    // Keys of messages are 32 bytes before their ids.
    let wraps = right.windows(2).enumerate().filter(|(_, head)| *head == [0x58, 64]);
    let wraps: Vec<usize> = wraps.map(|(at, _)| at + 2).collect();
    assert!(wraps.len() >= 3);
    let before = rows(&phone, Table::Wraps);
    for round in 1..=30 {
        let mut bogus = right.clone();
        wraps.iter().for_each(|at| bogus[*at] ^= round);
        take(&mut phone, "@carol:c.test", &bogus, world.now);
    }
    assert_eq!(rows(&phone, Table::Wraps), before + 8 * wraps.len());
    assert_eq!(world.read(&mut phone, &events[1]), Outcome::MissingKey);
    take(&mut phone, "@dora:d.test", &right, world.now);
    // Another member names a key for each of these messages, as its own.
    for at in &wraps {
        let mut bytes: [u8; 64] = right[*at..*at + 64].try_into().unwrap();
        bytes[0] ^= 1;
        let inside = Inside::Wrap(Wrap::from_bytes(&bytes)).to_bytes().unwrap();
        let came = letter(&mut carol, &phone, &inside, world.now).unwrap();
        let sync = json!({ "to_device": { "events": [came] } });
        phone.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
    }
    phone.restart();
    assert_eq!(shared_by(&mut world, &mut phone, &events[1]).as_deref(), Some("@dora:d.test"));
    assert_eq!(world.text(&mut phone, &events), "hello");
}

/// Whether the owner's own key comes before the history or after it.
#[test]
fn a_newcomer_is_given_the_beginning_of_chains_in_use() {
    for is_first in [true, false] {
        let mut world = World::new();
        let (alice, bob, carol) = &mut three(&mut world);
        let events = world.send(alice, "before dora came");
        world.settle(&mut [alice, bob, carol]);
        let mut dora = world.person("@dora:d.test");
        let members = [THREE[0], THREE[1], THREE[2], ("@dora:d.test", "join")];
        world.room(GROUP, &members, &mut [alice, bob, carol, &mut dora]);
        world.settle(&mut [alice, bob, carol, &mut dora]);
        let given = history(bob, world.now);
        if is_first {
            assert!(take(&mut dora, "@bob:b.test", &given, world.now) > 0);
            let by = shared_by(&mut world, &mut dora, &events[1]);
            assert_eq!(by.as_deref(), Some("@bob:b.test"));
        }
        // In the same chain.
        let more = world.send(alice, "to dora, too");
        world.settle(&mut [alice, bob, carol, &mut dora]);
        assert_eq!(world.text(&mut dora, &more), "to dora, too");
        if !is_first {
            assert_eq!(world.read(&mut dora, &events[1]), Outcome::MissingKey);
            let mut bogus = given.clone();
            chain_keys(&given).iter().for_each(|at| bogus[*at] ^= 1);
            assert_eq!(take(&mut dora, "@carol:c.test", &bogus, world.now), 0);
            assert_eq!(take(&mut dora, "@bob:b.test", &given, world.now), 1);
        }
        // It leads to the owner's own key, which nobody but the owner could have brought about.
        assert_eq!(shared_by(&mut world, &mut dora, &events[1]), None);
        assert_eq!(world.text(&mut dora, &events), "before dora came");
        assert_eq!(world.text(&mut dora, &more), "to dora, too");
    }
}
