//! What is kept, here and in the backup, whatever others put among it.

use sealpost_e2e::{
    Error,
    audience::{self, EVENT_TYPE, Reader},
    backup::{MAC_SECRET, PrivateKeys, PublicKeys},
    changes::{Change, Changes, Table},
    encoding::encode,
    identity::OwnDevice,
    machine::Outcome,
    sender_key::{HeldChain, OwnChain, Provenance},
    signed_json::to_base64,
    store::Store as _,
};
use serde_json::{Value, json};

use crate::{
    theft::wrapped,
    trust::backed_up,
    world::{Device, ROOM, World, master_of, pair, three},
};

/// One operation of a device's that writes any event.
pub fn event(world: &mut World, device: &mut Device, kind: &str, content: &Value) -> Value {
    let now = world.now;
    let sealed =
        device.run(now, |machine, now| machine.encrypt(ROOM, kind, content, None, now)).unwrap();
    let events = sealed.events.iter();
    let user = &device.user;
    events.map(|event| world.server.send(user, &event.content, now)).last().unwrap()
}

#[test]
fn chains_that_others_shared_do_not_hold_up_the_backup_of_proven_ones() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    world.send(&mut alice, "hello");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    // More than one request takes, of a room that comes before all others.
    let (earlier, count) = ("!a:a.test", 150);
    let mut history = vec![1, 0x98, count];
    for _ in 0..count {
        let own = OwnDevice::generate("@carol:c.test", "OLD", &mut carol.rng);
        let chain = OwnChain::begin(&own, earlier, 0, &mut carol.rng);
        let held = HeldChain::new(&chain.distribution(), Provenance::Owner);
        history.extend([&[0x82, 0, 0x81][..], &encode(&held)].concat());
    }
    let taken = alice.run(world.now, |machine, now| {
        machine.take_history("@carol:c.test", earlier, &history, now)
    });
    assert_eq!(taken, Ok(count.into()));
    alice.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
    let mut of_kind = |kind: &str| {
        let requests = alice.run(world.now, |machine, now| machine.requests(now)).unwrap();
        let request = requests.into_iter().find(|request| request.kind == kind).unwrap();
        let answer = json!({ "version": "1" });
        alice.run(world.now, |machine, now| machine.mark_sent(request.id, &answer, now)).unwrap();
        request.body
    };
    of_kind("backup_version");
    let rows = of_kind("backup_keys");
    assert!(rows["rooms"].get(ROOM).is_some(), "a proven chain is in the backup");
    assert!(rows["rooms"].get(earlier).is_none(), "and no other");
    assert!(alice.written.scan(Table::Unsaved, b"c").is_empty());
}

#[test]
fn a_message_that_is_read_long_after_its_key_came_is_in_the_backup() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    world.send(&mut alice, "hello");
    world.settle(&mut [&mut alice, &mut bob]);
    let content = wrapped(&world, "@alice:a.test", &mut alice, &mut bob);
    bob.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
    let before = backed_up(&mut world, &mut bob);
    assert!(before["rooms"].get(ROOM).is_none(), "nobody knows its room yet");
    let event = world.server.send("@alice:a.test", &content, world.now);
    assert!(matches!(world.read(&mut bob, &event), Outcome::Read(_)));
    let after = backed_up(&mut world, &mut bob);
    assert!(after["rooms"].get(ROOM).is_some());
}

#[test]
fn a_hostile_member_neither_fills_a_store_with_lists_nor_spoils_another_s() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    for device in [&mut alice, &mut carol] {
        let event = event(&mut world, device, "m.room.message", &json!({ "body": "hello" }));
        world.settle(&mut [&mut *device, &mut bob]);
        world.read(&mut bob, &event);
    }
    let one = alice.machine.identity();
    let mut readers: Vec<Reader> = (0..100)
        .map(|at| Reader {
            user_id: "@many:a.test".to_owned(),
            master: one.ed25519.into(),
            device_id: format!("D{at:03}"),
            ed25519: one.ed25519.into(),
            x25519: one.x25519,
        })
        .collect();
    audience::sort(&mut readers);
    let told = audience::tell(&readers, None);
    let mut tell = |device: &mut Device, content: &Value| {
        let event = event(&mut world, device, EVENT_TYPE, content);
        assert!(matches!(world.read(&mut bob, &event), Outcome::Read(_)));
        bob.written.scan(Table::Parts, b"").len()
    };
    assert_eq!(tell(&mut alice, &told[0]), 1);
    // Carol begins lists that she never ends, and gives out other parts for Alice's list.
    let mut begun = told[0].clone();
    for at in 0..20 {
        begun["audience"] = json!(to_base64(&[at; 32]));
        assert_eq!(tell(&mut carol, &begun), 2);
    }
    let mut spoilt = told[0].clone();
    spoilt["readers"] = json!([]);
    assert_eq!(tell(&mut carol, &spoilt), 2);
    spoilt["parts"] = json!(1);
    tell(&mut carol, &spoilt);
    // Alice's own is complete in two parts.
    tell(&mut alice, &told[1]);
    let rows = bob.written.scan(Table::Audiences, b"");
    let hash = audience::hash(&readers);
    assert!(rows.iter().any(|(at, _)| at.ends_with(&hash)), "her list is known");
}

#[test]
fn what_changes_in_the_millisecond_of_a_backup_s_request_is_written_later() {
    let mut world = World::new();
    let (mut alice, bob) = pair(&mut world);
    alice.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
    backed_up(&mut world, &mut alice);
    let requests = |alice: &mut Device, now: i64| {
        let requests = alice.run(now, |machine, now| machine.requests(now)).unwrap();
        requests.into_iter().find(|request| request.kind == "backup_keys")
    };
    let master = master_of(&alice, &bob.user);
    alice.run(world.now, |machine, now| machine.accept_identity(&bob.user, &master, now)).unwrap();
    world.now += 61 * 60 * 1_000;
    let request = requests(&mut alice, world.now).unwrap();
    // In the same millisecond, and while it is under way.
    alice.run(world.now, |machine, now| machine.verify_identity(&bob.user, &master, now)).unwrap();
    alice.run(world.now, |machine, now| machine.mark_sent(request.id, &json!({}), now)).unwrap();
    world.now += 61 * 60 * 1_000;
    assert!(requests(&mut alice, world.now).is_some(), "that he was compared is not in it");
}

#[test]
fn a_refusal_of_a_version_that_was_followed_does_not_stop_the_next() {
    let mut world = World::new();
    let (mut alice, bob) = pair(&mut world);
    alice.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
    backed_up(&mut world, &mut alice);
    let master = master_of(&alice, &bob.user);
    alice.run(world.now, |machine, now| machine.accept_identity(&bob.user, &master, now)).unwrap();
    world.now += 61 * 60 * 1_000;
    let requests = alice.run(world.now, |machine, now| machine.requests(now)).unwrap();
    let old = requests.into_iter().find(|request| request.kind == "backup_keys").unwrap();
    alice.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
    let requests = alice.run(world.now, |machine, now| machine.requests(now)).unwrap();
    let version = requests.into_iter().find(|one| one.kind == "backup_version").unwrap();
    let answer = json!({ "version": "2" });
    alice.run(world.now, |machine, now| machine.mark_sent(version.id, &answer, now)).unwrap();
    alice.run(world.now, |machine, now| machine.mark_refused(old.id, 403, now)).unwrap();
    world.now += 61 * 60 * 1_000;
    let requests = alice.run(world.now, |machine, now| machine.requests(now)).unwrap();
    let next = requests.into_iter().find(|request| request.kind == "backup_keys").unwrap();
    assert!(next.path.ends_with("version=2"));
}

#[test]
fn one_letter_that_is_too_long_does_not_spoil_a_claim() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let at = [bob.user.as_bytes(), bob.device.as_bytes()].join(&0);
    let long = 30 * 1024_u16;
    let mut row = vec![1, 0x81, 0x59];
    row.extend(long.to_be_bytes());
    row.resize(5 + usize::from(long), 0);
    let change = Change { table: Table::Waiting, key: at, value: Some(row.into()) };
    alice.written.apply(&Changes(vec![change]));
    alice.open(alice.written.clone());
    let events = world.send(&mut alice, "hello");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    for device in [&mut bob, &mut carol] {
        assert_eq!(world.text(device, &events), "hello");
    }
}

#[test]
fn of_two_versions_of_a_backup_that_are_begun_the_second_is_made() {
    let mut world = World::new();
    let (mut alice, _bob) = pair(&mut world);
    let versions = |alice: &mut Device, now: i64| {
        let requests = alice.run(now, |machine, now| machine.requests(now)).unwrap();
        let mut versions = requests.into_iter().filter(|one| one.kind == "backup_version");
        (versions.next().unwrap(), versions.count())
    };
    alice.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
    let (first, _) = versions(&mut alice, world.now);
    let private = alice.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
    let (second, others) = versions(&mut alice, world.now);
    assert_eq!(others, 0);
    let mac = alice.run(world.now, |machine, now| machine.secret(MAC_SECRET, now)).unwrap();
    let public = PublicKeys::from_auth_data(&second.body["auth_data"], &mac).unwrap();
    assert_eq!(encode(&public), encode(&PrivateKeys::from_bytes(&*private).unwrap().public()));
    // The server made the first one all the same: nothing is written to it.
    let mut answered = |id: u64, version: &str| {
        let answer = json!({ "version": version });
        alice.run(world.now, |machine, now| machine.mark_sent(id, &answer, now)).unwrap();
        world.now += 61 * 60 * 1_000;
        let requests = alice.run(world.now, |machine, now| machine.requests(now)).unwrap();
        requests.into_iter().find(|request| request.kind == "backup_keys")
    };
    assert_eq!(answered(first.id, "1"), None);
    assert!(answered(second.id, "2").unwrap().path.ends_with("version=2"));
}

#[test]
fn removing_a_device_replaces_no_backup_of_another_client() {
    let mut world = World::new();
    let (mut alice, bob) = pair(&mut world);
    for name in ["LOST", "STOLEN"] {
        world.second(&alice, name);
    }
    world.settle(&mut [&mut alice]);
    alice.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
    backed_up(&mut world, &mut alice);
    let remove = |alice: &mut Device, name: &str, now: i64| {
        alice.run(now, |machine, now| machine.remove_device(name, now)).unwrap()
    };
    // Another client makes a version of its own, and what is written to ours is refused.
    let master = master_of(&alice, &bob.user);
    alice.run(world.now, |machine, now| machine.accept_identity(&bob.user, &master, now)).unwrap();
    world.now += 61 * 60 * 1_000;
    let requests = alice.run(world.now, |machine, now| machine.requests(now)).unwrap();
    let refused = requests.into_iter().find(|request| request.kind == "backup_keys").unwrap();
    alice.run(world.now, |machine, now| machine.mark_refused(refused.id, 403, now)).unwrap();
    assert!(remove(&mut alice, "LOST", world.now).is_none());
    let requests = alice.run(world.now, |machine, now| machine.requests(now)).unwrap();
    assert!(requests.iter().all(|request| request.kind != "backup_version"));
    // What the lost device knew proves no version any more.
    let known = alice.run(world.now, |machine, now| machine.secret(MAC_SECRET, now));
    assert_eq!(known.err(), Some(Error::Unknown));
    // Once the user agreed to a version of ours, it is followed by another.
    alice.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
    assert!(remove(&mut alice, "STOLEN", world.now).is_some());
}
