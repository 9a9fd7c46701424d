//! Verification, backup, shared history.

use sealpost_e2e::{
    Error,
    backup::{MAC_SECRET, PRIVATE_SECRET},
    machine::{Machine, Now, Outcome},
    secret_storage::RecoveryKey,
};
use serde_json::{Value, json};

use crate::world::{
    Device, GROUP, ROOM, THREE, World, agreed, body, history_file, master_of, pair, three,
};

/// Two devices go through a verification; answers what both saw.
fn compare(world: &mut World, one: &mut Device, two: &mut Device) -> String {
    let id = agreed(world, one, two);
    two.run(world.now, |machine, now| machine.start_sas(&id, now)).unwrap();
    world.settle(&mut [two, one]);
    let seen = [&*one, &*two].map(|side| side.machine.verification(&id).unwrap());
    assert_eq!(seen.each_ref().map(|view| view.state), ["compare"; 2]);
    assert!(seen[0].emoji.is_some() && seen[0].emoji == seen[1].emoji);
    assert_eq!(seen[0].decimal, seen[1].decimal);
    for side in [&mut *one, &mut *two] {
        side.run(world.now, |machine, now| machine.confirm_sas(&id, now)).unwrap();
    }
    world.settle(&mut [one, two]);
    let states = [&*one, &*two].map(|side| side.machine.verification(&id).unwrap().state);
    assert_eq!(states, ["done"; 2]);
    id
}

#[test]
fn people_compare_emoji_and_their_other_devices_know_it() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let mut phone = world.second(&alice, "PHONE");
    world.state(&mut phone);
    world.settle(&mut [&mut alice, &mut bob, &mut phone]);
    assert!(!alice.machine.user("@bob:b.test").unwrap().is_verified);
    compare(&mut world, &mut alice, &mut bob);
    assert!(alice.machine.user("@bob:b.test").unwrap().is_verified);
    assert!(bob.machine.user("@alice:a.test").unwrap().is_verified);
    world.settle(&mut [&mut alice, &mut bob, &mut phone]);
    assert!(phone.machine.user("@bob:b.test").unwrap().is_verified, "by Alice's signature");
    let events = world.send(&mut bob, "hello");
    let Outcome::Read(read) = world.read(&mut phone, events.last().unwrap()) else { panic!() };
    assert!(read.sender.is_verified);
}

#[test]
fn a_new_device_is_vouched_for_by_emoji_and_gets_the_secrets() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let mut phone = world.device("@alice:a.test", "PHONE", 5);
    world.state(&mut phone);
    world.settle(&mut [&mut alice, &mut bob, &mut phone]);
    assert_eq!(world.seal(&mut phone, "x").unwrap_err(), Error::Identity);
    compare(&mut world, &mut phone, &mut alice);
    world.settle(&mut [&mut alice, &mut phone, &mut bob]);
    for name in ["m.cross_signing.self_signing", "m.cross_signing.user_signing"] {
        alice.run(world.now, |machine, now| machine.share_secret("PHONE", name, now)).unwrap();
    }
    world.flush(&mut alice);
    assert_eq!(world.sync(&mut phone).secrets.len(), 2);
    let events = world.send(&mut phone, "from the phone");
    assert_eq!(world.text(&mut bob, &events), "from the phone");
    assert_eq!(world.text(&mut alice, &events), "from the phone");
}

#[test]
fn a_server_between_two_people_does_not_pass_for_either() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let id = alice
        .run(world.now, |machine, now| machine.request_verification("@bob:b.test", None, now))
        .unwrap();
    world.settle(&mut [&mut alice, &mut bob]);
    bob.run(world.now, |machine, now| machine.accept_verification(&id, now)).unwrap();
    world.settle(&mut [&mut bob, &mut alice]);
    alice.run(world.now, |machine, now| machine.start_sas(&id, now)).unwrap();
    world.flush(&mut alice);
    // Bob commits; the server puts a key of its own in the place of his.
    world.sync(&mut bob);
    world.sync(&mut alice);
    world.sync(&mut bob);
    let inbox = ("@alice:a.test".to_owned(), "ONE".to_owned());
    for event in world.server.inbox.get_mut(&inbox).unwrap() {
        if event["type"] == "m.key.verification.key" {
            event["content"]["key"] = json!("A".repeat(42) + "E");
        }
    }
    world.settle(&mut [&mut alice, &mut bob]);
    let view = alice.machine.verification(&id).unwrap();
    assert_eq!((view.state, view.code.as_deref()), ("cancelled", Some("m.mismatched_commitment")));
    assert_eq!(bob.machine.verification(&id).unwrap().state, "cancelled");
    assert!(!alice.machine.user("@bob:b.test").unwrap().is_verified);
    // Messages out of order cancel, and those of strangers do nothing.
    let events: Vec<Value> = ["accept", "key", "mac", "done", "start", "ready"]
        .map(|kind| {
            json!({ "type": format!("m.key.verification.{kind}"), "sender": "@eve:e.test",
            "content": { "transaction_id": id } })
        })
        .to_vec();
    let sync = json!({ "to_device": { "events": events } });
    alice.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap();
    assert_eq!(alice.machine.verification(&id).unwrap().state, "cancelled");
}

/// The rows that a device wrote to its backup.
pub fn backed_up(world: &mut World, device: &mut Device) -> Value {
    let mut rooms = json!({});
    for _ in 0..5 {
        for request in device.run(world.now, |machine, now| machine.requests(now)).unwrap() {
            let answer = match request.kind {
                "backup_version" => json!({ "version": "1" }),
                "backup_keys" => {
                    assert_eq!(request.path, "/_matrix/client/v3/room_keys/keys?version=1");
                    for (room, body) in request.body["rooms"].as_object().unwrap() {
                        for (session, row) in body["sessions"].as_object().unwrap() {
                            rooms[room]["sessions"][session] = row.clone();
                        }
                    }
                    json!({})
                }
                kind => {
                    let from = (device.user.as_str(), device.device.as_str());
                    world.server.answer(from, kind, &request.path, &request.body)
                }
            };
            device
                .run(world.now, |machine, now| machine.mark_sent(request.id, &answer, now))
                .unwrap();
        }
        world.now += 61 * 60 * 1_000;
    }
    json!({ "rooms": rooms })
}

#[test]
fn the_recovery_key_brings_everything_back() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let direct = world.send(&mut bob, "in the direct chat");
    world.text(&mut alice, &direct);
    let mut carol = world.person("@carol:c.test");
    world.room(GROUP, &THREE, &mut [&mut alice, &mut bob, &mut carol]);
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    let group = world.send(&mut carol, "in the group");
    world.settle(&mut [&mut carol, &mut alice]);
    world.text(&mut alice, &group);

    let private = alice.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
    let mac = alice.run(world.now, |machine, now| machine.secret(MAC_SECRET, now)).unwrap();
    let key = RecoveryKey::generate(&mut alice.rng);
    let (id, _) = key.describe(&mut alice.rng);
    let stored = key.encrypt(&id, PRIVATE_SECRET, &*private, &mut alice.rng);
    let rows = backed_up(&mut world, &mut alice);
    assert!(!rows.to_string().contains("@carol"), "nobody is named to the server");

    let mut phone = world.second(&alice, "PHONE");
    world.state(&mut phone);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut phone]);
    let written = RecoveryKey::parse(&key.encode()).unwrap();
    let private = written.decrypt(&id, PRIVATE_SECRET, &stored).unwrap();
    let count = phone
        .run(world.now, |machine, now| machine.restore(&private, Some(&mac), &rows, now))
        .unwrap();
    assert!(count >= 3, "{count}");
    for (events, text) in [(&direct, "in the direct chat"), (&group, "in the group")] {
        let Outcome::Read(read) = world.read(&mut phone, events.last().unwrap()) else { panic!() };
        assert_eq!((body(&read).as_str(), read.sender.is_proven), (text, true));
    }
    // Without the MAC key, as of an older version, they are imports.
    let mut laptop = world.second(&alice, "LAPTOP");
    world.state(&mut laptop);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut laptop]);
    laptop.run(world.now, |machine, now| machine.restore(&private, None, &rows, now)).unwrap();
    let Outcome::Read(read) = world.read(&mut laptop, group.last().unwrap()) else { panic!() };
    assert!(!read.sender.is_proven);
    // A version that no own device made is not written to.
    let planted = json!({ "algorithm": "org.sealpost.backup.v1", "version": "2",
        "auth_data": { "public_key": "AAAA", "mac": "AAAA" } });
    assert!(alice.run(world.now, |machine, now| machine.use_backup(&planted, now)).is_err());
}

#[test]
fn keys_below_a_master_key_that_is_believed_make_a_new_device_ones_own() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let (me, master) = ("@alice:a.test", master_of(&alice, "@alice:a.test"));
    let mut phone = world.device(me, "PHONE", 5);
    world.state(&mut phone);
    world.settle(&mut [&mut alice, &mut bob, &mut phone]);
    let names = ["m.cross_signing.self_signing", "m.cross_signing.user_signing"];
    let keys = names.map(|name| {
        (name, alice.run(world.now, |machine, now| machine.secret(name, now)).unwrap())
    });
    let keep = |phone: &mut Device, name: &str, key: &[u8; 32]| {
        phone.run(world.now, |machine, now| machine.keep_secret(name, key, now))
    };
    for (name, key) in &keys {
        assert_eq!(keep(&mut phone, name, key), Err(Error::Identity), "nobody is believed yet");
    }
    let other = [1; 32];
    let believe = |phone: &mut Device, master: &[u8; 32]| {
        phone.run(world.now, |machine, now| machine.verify_identity(me, master, now))
    };
    assert_eq!(believe(&mut phone, &other), Err(Error::Identity));
    believe(&mut phone, &master).unwrap();
    for (name, key) in &keys {
        assert_eq!(keep(&mut phone, name, &other), Err(Error::Identity));
        keep(&mut phone, name, key).unwrap();
    }
    assert_eq!(keep(&mut phone, "m.cross_signing.master", &keys[0].1), Err(Error::Identity));
    let own = *phone.machine.identity().ed25519.as_bytes();
    phone.run(world.now, |machine, now| machine.vouch_for("PHONE", &own, now)).unwrap();
    world.settle(&mut [&mut phone, &mut alice, &mut bob]);
    let events = world.send(&mut phone, "from the phone");
    assert_eq!(world.text(&mut bob, &events), "from the phone");
    assert_eq!(world.text(&mut alice, &events), "from the phone");
}

#[test]
fn rooms_whose_keys_are_not_in_the_backup_yet_are_told() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let direct = world.send(&mut bob, "in the direct chat");
    world.text(&mut alice, &direct);
    let unsaved = |alice: &Device| alice.machine.unsaved_rooms().unwrap();
    assert_eq!(unsaved(&alice), [ROOM], "before there is a backup");
    // What a new version is to hold, it holds at once.
    alice.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
    let write = |world: &mut World, alice: &mut Device| {
        for _ in 0..3 {
            for request in alice.run(world.now, |machine, now| machine.requests(now)).unwrap() {
                assert_eq!(unsaved(alice), [ROOM], "under way");
                let from = (alice.user.as_str(), alice.device.as_str());
                let answer = match request.kind {
                    "backup_version" => json!({ "version": "1" }),
                    "backup_keys" => json!({}),
                    kind => world.server.answer(from, kind, &request.path, &request.body),
                };
                alice
                    .run(world.now, |machine, now| machine.mark_sent(request.id, &answer, now))
                    .unwrap();
            }
        }
    };
    write(&mut world, &mut alice);
    assert_eq!(unsaved(&alice), [] as [&str; 0]);
    let direct = world.send(&mut bob, "once more");
    world.text(&mut alice, &direct);
    write(&mut world, &mut alice);
    assert_eq!(unsaved(&alice), [ROOM], "it waits for more");
    // Whoever logs out does not.
    alice.run(world.now, |machine, now| machine.hurry_backup(now)).unwrap();
    write(&mut world, &mut alice);
    assert_eq!(unsaved(&alice), [] as [&str; 0]);
    // Another version is begun: of the one before nothing counts, nor of one that refuses what is written to it.
    alice.run(world.now, |machine, now| machine.create_backup(now)).unwrap();
    assert_eq!(unsaved(&alice), [ROOM], "begun");
    write(&mut world, &mut alice);
    assert_eq!(unsaved(&alice), [] as [&str; 0]);
    let direct = world.send(&mut bob, "and again");
    world.text(&mut alice, &direct);
    alice.run(world.now, |machine, now| machine.hurry_backup(now)).unwrap();
    let requests = alice.run(world.now, |machine, now| machine.requests(now)).unwrap();
    let refused = requests.into_iter().find(|request| request.kind == "backup_keys").unwrap();
    alice.run(world.now, |machine, now| machine.mark_refused(refused.id, 403, now)).unwrap();
    assert_eq!(unsaved(&alice), [ROOM], "refused");
}

#[test]
fn shared_history_reads_but_proves_no_author() {
    let mut world = World::new();
    let (alice, bob, carol) = &mut three(&mut world);
    let events = world.send(alice, "before dora came");
    world.settle(&mut [alice, bob, carol]);
    let mut dora = world.person("@dora:d.test");
    let members = [THREE[0], THREE[1], THREE[2], ("@dora:d.test", "join")];
    world.room(GROUP, &members, &mut [alice, bob, carol, &mut dora]);
    world.settle(&mut [alice, bob, carol, &mut dora]);
    assert_eq!(world.read(&mut dora, &events[1]), Outcome::MissingKey);
    let history = bob.run(world.now, |machine, now| machine.history(ROOM, now)).unwrap();
    let description = history_file();
    let now = world.now;
    let mut share = |description: &Value| {
        let share = |machine: &mut Machine<_>, now: Now<'_>| {
            machine.share_history("@dora:d.test", description, now)
        };
        bob.run(now, share)
    };
    share(&description).unwrap();
    for (at, value) in
        [("v", json!("v0")), ("url", json!(7)), ("key", json!("AA")), ("size", json!(-1))]
    {
        let mut other = description.clone();
        other["file"][at] = value;
        assert_eq!(share(&other), Err(Error::Encoding), "{at}");
    }
    world.settle(&mut [bob]);
    let mut told = Vec::new();
    for _ in 0..3 {
        world.flush(bob);
        let sync = world.server.sync("@dora:d.test", "ONE");
        told.extend(
            dora.run(world.now, |machine, now| machine.push_sync(&sync, now)).unwrap().history,
        );
    }
    assert_eq!(told, [("@bob:b.test".to_owned(), description)]);
    let count = dora
        .run(world.now, |machine, now| machine.take_history("@bob:b.test", ROOM, &history, now))
        .unwrap();
    assert!(count >= 1);
    let Outcome::Read(read) = world.read(&mut dora, &events[1]) else { panic!() };
    assert_eq!(body(&read), "before dora came");
    assert_eq!(
        (read.sender.is_proven, read.sender.shared_by.as_deref()),
        (false, Some("@bob:b.test"))
    );
    // The owner's own key replaces a shared one, and a shared one never the owner's.
    let count = bob
        .run(world.now, |machine, now| machine.take_history("@dora:d.test", ROOM, &history, now))
        .unwrap();
    assert_eq!(count, 0);
}
