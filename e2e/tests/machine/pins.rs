//! Pins on other own devices and in the backup; keys in a file.

use sealpost_e2e::{
    Error,
    backup::{MAC_SECRET, Place, PrivateKeys},
    encoding::{Bytes32, encode},
    export,
    identity::Removal,
    machine::Outcome,
    passphrase::Cost,
    pins::{PinnedUser, Pins},
    primitives::ed25519,
};
use serde_json::{Value, json};

use crate::{
    trust::backed_up,
    world::{Device, GROUP, ROOM, THREE, World, body, master_of, pair, three},
};

const BOB: &str = "@bob:b.test";

/// From now on the server tells of another Bob, whose keys are its own.
fn replace_bob(world: &mut World) {
    let mut other = World::new();
    other.device(BOB, "EVIL", 66);
    let mut evil = other.device(BOB, "ONE", 67);
    evil.run(other.now, |machine, now| machine.bootstrap(now)).unwrap();
    other.flush(&mut evil);
    world.server.identities.insert(BOB.to_owned(), other.server.identities[BOB].clone());
    world.server.devices.insert(BOB.to_owned(), other.server.devices[BOB].clone());
    world.server.tell(BOB);
}

/// Alice compares Bob's identity.
fn verify_bob(world: &World, alice: &mut Device, bob: &Device) {
    let master = master_of(alice, &bob.user);
    alice.run(world.now, |machine, now| machine.verify_identity(BOB, &master, now)).unwrap();
}

#[test]
fn a_new_device_is_told_whom_to_believe_and_no_server_says_otherwise() {
    let mut world = World::new();
    let (mut alice, bob) = pair(&mut world);
    let removed = world.device("@alice:a.test", "LOST", 5);
    world.settle(&mut [&mut alice]);
    alice.run(world.now, |machine, now| machine.remove_device("LOST", now)).unwrap();
    verify_bob(&world, &mut alice, &bob);
    world.settle(&mut [&mut alice]);
    replace_bob(&mut world);
    // Without what the other device knows, the phone takes what the server shows it.
    let mut phone = world.second(&alice, "PHONE");
    world.state(&mut phone);
    world.sync(&mut phone);
    let view = phone.machine.user(BOB).unwrap();
    assert_eq!((view.has_changed, view.is_verified), (false, false));
    assert!(world.seal(&mut phone, "x").is_ok());
    for device in [&mut alice, &mut phone] {
        world.sync(device);
    }
    assert_eq!(
        alice.run(world.now, |machine, now| machine.share_pins("LOST", now)),
        Err(Error::Identity)
    );
    alice.run(world.now, |machine, now| machine.share_pins("PHONE", now)).unwrap();
    world.settle(&mut [&mut alice, &mut phone]);
    let view = phone.machine.user(BOB).unwrap();
    assert_eq!((view.has_changed, view.is_verified), (true, true));
    assert_eq!(world.seal(&mut phone, "x").unwrap_err(), Error::Identity);
    let own = phone.machine.user("@alice:a.test").unwrap();
    let lost = own.devices.iter().find(|one| one.device_id == "LOST").unwrap();
    assert!(lost.is_removed);
    // What its person decides on the phone later is not undone by what the other device says again.
    world.now += 1;
    let shown = master_of(&phone, BOB);
    phone.run(world.now, |machine, now| machine.accept_identity(BOB, &shown, now)).unwrap();
    alice.run(world.now, |machine, now| machine.share_pins("PHONE", now)).unwrap();
    world.settle(&mut [&mut alice, &mut phone]);
    assert!(!phone.machine.user(BOB).unwrap().has_changed);
    drop(removed);
}

/// A row of pins in a backup: of a version, under a MAC key.
fn planted(
    private: &PrivateKeys,
    mac: &[u8; 32],
    room_id: &str,
    pins: &Pins,
    alice: &mut Device,
) -> Value {
    let plaintext = [&[1, 0x82, 2, 0x81][..], &encode(pins)].concat();
    let place = Place { room_id, session_id: "s", first_index: 0 };
    let row = private.public().seal(mac, &place, &plaintext, &mut alice.rng).unwrap();
    json!({ "rooms": { room_id: { "sessions": { "s": row } } } })
}

#[test]
fn the_backup_brings_pins_back_and_takes_none_from_the_server() {
    let mut world = World::new();
    let (mut alice, bob) = pair(&mut world);
    verify_bob(&world, &mut alice, &bob);
    let private = alice.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
    let mac = alice.run(world.now, |machine, now| machine.secret(MAC_SECRET, now)).unwrap();
    let rows = backed_up(&mut world, &mut alice);
    assert!(rows["rooms"].get("!org.sealpost.pins:a.test").is_some());
    replace_bob(&mut world);

    let mut phone = world.second(&alice, "PHONE");
    let restore = |phone: &mut Device, mac: &[u8; 32], rows: &Value| {
        phone.run(1, |machine, now| machine.restore(&*private, Some(mac), rows, now)).unwrap()
    };
    // Planted by the server, which knows the public keys: under another MAC key, or moved to a place of its own.
    let keys = PrivateKeys::from_bytes(&*private).unwrap();
    let evil = Pins {
        users: vec![PinnedUser {
            user_id: BOB.to_owned(),
            master: Bytes32([9; 32]),
            is_verified: true,
            looked_at: Some(i64::MAX),
            replaced: None,
        }],
        rooms: vec!["!other:a.test".to_owned()],
        removals: vec![],
    };
    let place = "!org.sealpost.pins:a.test";
    let wrong_key = planted(&keys, &[6; 32], place, &evil, &mut alice);
    restore(&mut phone, &mac, &wrong_key);
    let elsewhere = planted(&keys, &mac, "!room:a.test", &evil, &mut alice);
    restore(&mut phone, &mac, &elsewhere);
    assert_eq!(phone.machine.user(BOB).unwrap().pinned_key, None);
    assert!(!phone.machine.room("!other:a.test").unwrap().is_encrypted);
    // The own identity is not pinned so, even by an own device.
    let mut own = evil.clone();
    own.users[0].user_id = "@alice:a.test".to_owned();
    let before = phone.machine.user("@alice:a.test").unwrap().pinned_key;
    let row = planted(&keys, &mac, place, &own, &mut alice);
    restore(&mut phone, &mac, &row);
    assert_eq!(phone.machine.user("@alice:a.test").unwrap().pinned_key, before);
    assert!(phone.machine.room("!other:a.test").unwrap().is_encrypted);

    assert!(!phone.machine.room(ROOM).unwrap().is_encrypted);
    restore(&mut phone, &mac, &rows);
    assert!(phone.machine.room(ROOM).unwrap().is_encrypted, "whatever its state says");
    world.state(&mut phone);
    world.sync(&mut phone);
    let view = phone.machine.user(BOB).unwrap();
    assert_eq!((view.has_changed, view.is_verified), (true, true));
    assert_eq!(world.seal(&mut phone, "x").unwrap_err(), Error::Identity);
    phone.restart();
}

#[test]
fn a_removal_that_its_user_did_not_sign_is_not_taken_from_pins() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let private = alice.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
    let mac = alice.run(world.now, |machine, now| machine.secret(MAC_SECRET, now)).unwrap();
    let mut phone = world.second(&alice, "PHONE");
    world.state(&mut phone);
    let anybody = ed25519::PrivateKey::generate(&mut alice.rng);
    let removals = vec![Removal::sign(&bob.machine.identity(), &anybody)];
    let keys = PrivateKeys::from_bytes(&*private).unwrap();
    let evil = Pins { removals, ..Pins::default() };
    let row = planted(&keys, &mac, "!org.sealpost.pins:a.test", &evil, &mut alice);
    phone.run(world.now, |machine, now| machine.restore(&*private, Some(&mac), &row, now)).unwrap();
    world.server.tell(BOB);
    world.settle(&mut [&mut alice, &mut bob, &mut phone]);
    assert!(!phone.machine.user(BOB).unwrap().devices[0].is_removed);
    let events = world.send(&mut phone, "to bob");
    world.settle(&mut [&mut phone, &mut bob]);
    assert_eq!(world.text(&mut bob, &events), "to bob");
    phone.restart();
}

#[test]
fn a_removed_device_s_keys_forge_nothing_in_the_backup_any_more() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let mut stolen = world.second(&alice, "STOLEN");
    let mut laptop = world.second(&alice, "LAPTOP");
    for device in [&mut stolen, &mut laptop] {
        world.state(device);
    }
    world.settle(&mut [&mut alice, &mut bob, &mut stolen, &mut laptop]);
    let secret = |device: &mut Device| {
        device.run(0, |machine, now| machine.secret(MAC_SECRET, now)).unwrap()
    };
    alice.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
    backed_up(&mut world, &mut alice);
    let known = secret(&mut alice);
    world.sync(&mut stolen);
    let private = alice.run(world.now, |machine, now| machine.remove_device("STOLEN", now));
    let private = private.unwrap().unwrap();
    let rows = backed_up(&mut world, &mut alice);
    let mac = secret(&mut alice);
    assert!(*mac != *known);
    assert_eq!(world.sync(&mut laptop).secrets, [MAC_SECRET]);
    assert!(*secret(&mut laptop) == *mac);
    assert!(world.sync(&mut stolen).secrets.is_empty());

    let mut phone = world.second(&alice, "PHONE");
    let mut restore = |mac: &[u8; 32], rows: &Value| {
        phone.run(1, |machine, now| machine.restore(&*private, Some(mac), rows, now)).unwrap();
        phone.machine.room("!other:a.test").unwrap().is_encrypted
            || phone.machine.room(ROOM).unwrap().is_encrypted
    };
    let keys = PrivateKeys::from_bytes(&*private).unwrap();
    let evil = Pins { rooms: vec!["!other:a.test".to_owned()], ..Pins::default() };
    let row = planted(&keys, &known, "!org.sealpost.pins:a.test", &evil, &mut alice);
    assert!(!restore(&mac, &row));
    assert!(restore(&mac, &rows), "what it holds was written again");
}

#[test]
fn exported_keys_open_what_they_opened_but_prove_no_author() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let group = world.send(&mut carol, "in the group");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    world.text(&mut alice, &group);
    let keys = alice.run(world.now, |machine, now| machine.export_keys(now)).unwrap();
    let cost = Cost { memory: 64, passes: 1, lanes: 1 };
    let file = export::seal("correct horse", cost, &keys, &mut alice.rng).unwrap();
    let mut phone = world.second(&alice, "PHONE");
    world.room(GROUP, &THREE, &mut [&mut alice, &mut bob, &mut carol, &mut phone]);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut phone]);
    let opened = export::open("correct horse", &file).unwrap();
    assert!(opened == keys);
    let count = phone.run(world.now, |machine, now| machine.import_keys(&opened, now)).unwrap();
    assert!(count > 0);
    let Outcome::Read(read) = world.read(&mut phone, group.last().unwrap()) else { panic!() };
    assert_eq!(body(&read), "in the group");
    assert_eq!((read.sender.is_proven, read.sender.shared_by), (false, None));
    // An import never takes the place of what its owner gave.
    let again = alice.run(world.now, |machine, now| machine.import_keys(&opened, now)).unwrap();
    assert_eq!(again, 0);
    let Outcome::Read(read) = world.read(&mut alice, group.last().unwrap()) else { panic!() };
    assert!(read.sender.is_proven);
    let garbage = phone.run(world.now, |machine, now| machine.import_keys(&opened[1..], now));
    assert_eq!(garbage, Err(Error::Encoding));
}
