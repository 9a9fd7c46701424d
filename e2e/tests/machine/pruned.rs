//! A store does not grow for ever.

use sealpost_e2e::{
    changes::{Change, Changes, Table},
    inside::Inside,
    session::Sessions,
    store::Store as _,
};
use serde_json::json;

use crate::world::{Device, ROOM, World, history_file, letter, pair, three};

const DAY: i64 = 24 * 60 * 60 * 1_000;

fn rows(device: &Device, table: Table) -> usize {
    device.machine.store().rows().0.iter().filter(|row| row.table == table).count()
}

/// How many letters want to be sent.
fn letters(device: &mut Device, now: i64) -> usize {
    let requests = device.run(now, |machine, now| machine.requests(now)).unwrap();
    requests.iter().filter(|request| request.kind == "to_device").count()
}

#[test]
fn what_is_old_is_forgotten() {
    let mut world = World::new();
    let (mut alice, bob, carol) = three(&mut world);
    world.send(&mut alice, "hello");
    assert!(rows(&alice, Table::Given) > 0);
    alice
        .run(world.now, |machine, now| machine.share_history(&bob.user, &history_file(), now))
        .unwrap();
    assert_eq!(letters(&mut alice, world.now + 29 * DAY), 1, "the server does not answer");
    assert_eq!(letters(&mut alice, world.now + 31 * DAY), 0);
    assert!(rows(&alice, Table::Given) > 0);
    let room = crate::world::ROOM.as_bytes();
    let new = [room, b"@bob:b.test", b"ONE", &[3; 36]].join(&0);
    let part = json!({ "at": world.now + 86 * DAY }).to_string();
    for (key, part) in [([room, &[3; 36]].join(&0), "{}"), (new, part.as_str())] {
        let head: &[u8] = if part.len() < 24 { &[0x60] } else { &[0x78, 0] };
        let mut value = [&[1][..], head, part.as_bytes()].concat();
        value[head.len()] |= part.len() as u8;
        alice.written.apply(&Changes(vec![Change {
            table: Table::Parts,
            key,
            value: Some(value.into()),
        }]));
    }
    alice.open(alice.written.clone());
    assert_eq!(rows(&alice, Table::Parts), 2);
    letters(&mut alice, world.now + 91 * DAY);
    assert_eq!(rows(&alice, Table::Parts), 1, "one of an earlier version is forgotten");
    letters(&mut alice, world.now + 94 * DAY);
    assert_eq!(rows(&alice, Table::Parts), 0);
    assert_eq!(rows(&alice, Table::Given), 0);
    alice.restart();
    drop(carol);
}

/// The sessions that a device has with another.
fn sessions(of: &Device, with: &Device) -> Sessions {
    let key = [with.user.as_bytes(), with.device.as_bytes()].join(&0);
    Sessions::from_bytes(&of.written.get(Table::Sessions, &key).unwrap()).unwrap()
}

/// What a client does while nobody writes.
fn wait(device: &mut Device, now: i64) {
    device.run(now, |machine, now| machine.requests(now)).unwrap();
}

#[test]
fn in_a_silent_pair_old_sessions_and_keys_that_were_passed_over_go_in_their_time() {
    for has_gap in [false, true] {
        let mut world = World::new();
        let (mut alice, mut bob) = pair(&mut world);
        let fresh = alice.written.clone();
        let events = world.send(&mut alice, "in a first session");
        world.text(&mut bob, &events);
        alice.open(fresh);
        let events = world.send(&mut alice, "in another one");
        world.text(&mut bob, &events);
        world.settle(&mut [&mut bob, &mut alice]);
        let empty = Inside::Empty.to_bytes().unwrap();
        letter(&mut alice, &bob, &empty, world.now).unwrap();
        let second = letter(&mut alice, &bob, &empty, world.now).unwrap();
        let sync = json!({ "to_device": { "events": [second] } });
        bob.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
        bob.run(world.now, |machine, now| machine.set_gap(ROOM, has_gap, now)).unwrap();
        let began = sessions(&bob, &alice);
        assert!(began.count() > 1 && began.missing() == 1, "{} {}", began.count(), began.missing());
        let mut after = |days: i64| {
            wait(&mut bob, world.now + days * DAY);
            bob.restart();
            let sessions = sessions(&bob, &alice);
            (sessions.count(), sessions.missing())
        };
        assert_eq!(after(29), (began.count(), 1));
        assert_eq!(after(31), (1, usize::from(has_gap)));
        assert_eq!(after(89), (1, usize::from(has_gap)));
        assert_eq!(after(91), (1, 0));
    }
}

#[test]
fn whoever_only_reads_says_so_once_a_day_so_that_the_ratchet_turns() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    for _ in 0..2 {
        for (from, to) in [(0, 1), (1, 0)] {
            let devices = [&mut alice, &mut bob];
            let events = world.send(devices[from], "hello");
            world.text([&mut alice, &mut bob][to], &events);
        }
        world.settle(&mut [&mut alice, &mut bob]);
    }
    let events = world.send(&mut alice, "nobody answers this");
    assert_eq!(world.text(&mut bob, &events), "nobody answers this");
    let id = [bob.user.as_bytes(), bob.device.as_bytes()].join(&0);
    let row = |alice: &Device| alice.written.get(Table::Sessions, &id).unwrap();
    let before = row(&alice);
    let sent = world.server.log.len();
    world.now += DAY - 1;
    world.settle(&mut [&mut bob, &mut alice]);
    assert!(row(&alice) == before, "not yet");
    world.now += DAY;
    world.settle(&mut [&mut bob, &mut alice]);
    assert!(row(&alice) != before, "her next chain has a key that is new on both sides");
    assert!(!sessions(&bob, &alice).owes_message(world.now + 9 * DAY));
    let letters = |world: &World, from: usize| {
        let log = world.server.log[from..].iter();
        log.filter(|body| body.contains("\"messages\"")).count()
    };
    assert_eq!(letters(&world, sent), 1);
    // And then they are silent.
    let sent = world.server.log.len();
    for _ in 0..5 {
        world.now += 2 * DAY;
        world.settle(&mut [&mut bob, &mut alice]);
    }
    assert_eq!(letters(&world, sent), 0);
}

#[test]
fn one_call_looks_at_few_rows_and_all_of_them_at_all() {
    let mut world = World::new();
    let mut alice = world.person("@alice:a.test");
    let rows_of = (0..1_000_u32).map(|at| {
        // An empty list, asked for long ago.
        let value = Some(vec![1, 0x82, 0x61, b'!', 1].into());
        Change { table: Table::Asked, key: at.to_be_bytes().to_vec(), value }
    });
    alice.written.apply(&Changes(rows_of.collect()));
    alice.open(alice.written.clone());
    let mut calls = 0;
    let later = world.now + 91 * DAY;
    while rows(&alice, Table::Asked) > 0 {
        let before = rows(&alice, Table::Asked);
        wait(&mut alice, later);
        assert!(before - rows(&alice, Table::Asked) <= 200);
        calls += 1;
        assert!(calls < 10);
        // Where it stands is written, too.
        alice.restart();
    }
    assert!(calls >= 5);
}
