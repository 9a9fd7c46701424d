//! What people do.

use sealpost_e2e::{
    Error,
    machine::{Outcome, Relation},
};
use serde_json::json;

use crate::world::{DIRECT, Device, GROUP, ROOM, THREE, World, body, pair, three};

#[test]
fn two_people_talk_and_each_event_is_read_as_often_as_it_is_asked_for() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let first = world.send(&mut alice, "hello");
    assert_eq!(first.len(), 2, "the list of readers goes first");
    assert_eq!(world.text(&mut bob, &first), "hello");
    assert_eq!(world.text(&mut alice, &first), "hello");
    bob.restart();
    assert_eq!(world.text(&mut bob, &first), "hello");
    for round in 0..4 {
        let events = world.send(&mut bob, &format!("to alice {round}"));
        assert_eq!(world.text(&mut alice, &events), format!("to alice {round}"));
        let events = world.send(&mut alice, &format!("to bob {round}"));
        assert_eq!(world.text(&mut bob, &events), format!("to bob {round}"));
        world.settle(&mut [&mut alice, &mut bob]);
        alice.restart();
    }
    let Outcome::Read(read) = world.read(&mut bob, first.last().unwrap()) else { panic!() };
    assert!(read.sender.is_proven && read.audience_is_known && read.warnings.is_empty());
}

#[test]
fn a_group_talks_through_joins_new_devices_and_leaves() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let hello = world.send(&mut alice, "hello");
    world.settle(&mut [&mut alice, &mut bob, &mut carol]);
    for device in [&mut alice, &mut bob, &mut carol] {
        assert_eq!(world.text(device, &hello), "hello");
    }
    let mut phone = world.second(&bob, "PHONE");
    world.state(&mut phone);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut phone]);
    let second = world.send(&mut alice, "with a phone");
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut phone]);
    for device in [&mut bob, &mut carol, &mut phone] {
        assert_eq!(world.text(device, &second), "with a phone");
    }
    assert_eq!(world.read(&mut phone, &hello[1]), Outcome::MissingKey, "it came later");
    let mut members = THREE;
    members[2].1 = "leave";
    members[0].1 = "join";
    let four = [members[0], members[1], members[2], ("@dora:d.test", "join")];
    let mut dora = world.person("@dora:d.test");
    world.room(GROUP, &four, &mut [&mut alice, &mut bob, &mut carol, &mut phone, &mut dora]);
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut phone, &mut dora]);
    let third = world.send(&mut alice, "without carol");
    world.settle(&mut [&mut alice, &mut bob, &mut carol, &mut phone, &mut dora]);
    for device in [&mut bob, &mut phone, &mut dora] {
        assert_eq!(world.text(device, &third), "without carol");
    }
    assert_eq!(world.read(&mut carol, &third[1]), Outcome::MissingKey);
    world.settle(&mut [&mut alice, &mut carol]);
    assert_eq!(world.read(&mut carol, &third[1]), Outcome::MissingKey, "nor when it asks");
    assert_eq!(world.read(&mut dora, &second[1]), Outcome::MissingKey, "before dora joined");
}

#[test]
fn a_lost_distribution_is_asked_for_and_answered() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    world.server.lose = true;
    let lost = world.send(&mut alice, "lost keys");
    world.server.lose = false;
    world.settle(&mut [&mut bob, &mut carol]);
    assert_eq!(world.read(&mut bob, &lost[1]), Outcome::MissingKey);
    world.settle(&mut [&mut bob]);
    world.settle(&mut [&mut alice]);
    let synced = world.sync(&mut bob);
    assert_eq!(synced.rooms_with_keys, [ROOM]);
    assert_eq!(world.text(&mut bob, &lost), "lost keys");
}

#[test]
fn a_wrap_without_a_session_comes_later() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    // Nothing to claim: the message goes out all the same.
    world.server.one_time.clear();
    let fallback = std::mem::take(&mut world.server.fallback);
    let sealed = world.seal(&mut alice, "later").unwrap();
    assert_eq!(sealed.not_reached, [("@bob:b.test".to_owned(), "ONE".to_owned())]);
    let event = world.server.send("@alice:a.test", &sealed.events[1].content, world.now);
    assert_eq!(world.read(&mut bob, &event), Outcome::MissingKey);
    world.server.fallback = fallback;
    world.now += 11 * 60 * 1_000;
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(world.text(&mut bob, &[event]), "later");
}

#[test]
fn a_device_that_lost_its_store_is_heard_again() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let first = world.send(&mut alice, "one");
    assert_eq!(world.text(&mut bob, &first), "one");
    let copy = bob.written.clone();
    for round in 0..3 {
        let events = world.send(&mut alice, &format!("{round}"));
        world.text(&mut bob, &events);
        let events = world.send(&mut bob, &format!("{round}"));
        world.text(&mut alice, &events);
    }
    world.settle(&mut [&mut alice, &mut bob]);
    bob.open(copy);
    let unread = world.send(&mut alice, "to a copy");
    world.read(&mut bob, &unread[0]);
    world.settle(&mut [&mut bob]);
    world.settle(&mut [&mut alice, &mut bob]);
    assert_eq!(world.text(&mut bob, &unread), "to a copy");
    let events = world.send(&mut bob, "healed");
    assert_eq!(world.text(&mut alice, &events), "healed");
}

#[test]
fn relations_carry_the_message_they_mean() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    world.send(&mut alice, "the list of readers");
    let first = world.seal(&mut alice, "hello").unwrap();
    let hello = world.server.send("@alice:a.test", &first.events[0].content, world.now);
    let other = world.send(&mut alice, "other").pop().unwrap();
    world.read(&mut bob, &hello);
    let content = json!({ "m.relates_to": { "rel_type": "m.annotation", "key": "x",
        "event_id": hello["event_id"] } });
    let sealed = bob
        .run(world.now, |machine, now| machine.encrypt(ROOM, "m.reaction", &content, None, now))
        .unwrap();
    let event = world.server.send("@bob:b.test", &sealed.events.last().unwrap().content, world.now);
    let Outcome::Read(read) = world.read(&mut alice, &event) else { panic!() };
    assert_eq!(read.event_type, "m.reaction");
    let meant = Relation::Unchecked { message_id: Some(first.events[0].message_id.clone()) };
    assert_eq!(read.relation, meant);
    // A server that hands out the events under each other's ids does not move the reaction.
    let mut swapped = other.clone();
    swapped["event_id"] = hello["event_id"].clone();
    let written = alice.written.clone();
    world.text(&mut alice, &[swapped]);
    let Outcome::Read(read) = world.read(&mut alice, &event) else { panic!() };
    assert_eq!(read.relation, Relation::Wrong);
    alice.open(written);
    world.text(&mut alice, &[hello]);
    let Outcome::Read(read) = world.read(&mut alice, &event) else { panic!() };
    assert_eq!((body(&read).as_str(), read.relation), ("m.reaction", Relation::Checked));
}

#[test]
fn nothing_is_sealed_before_everything_is_certain() {
    let mut world = World::new();
    let mut alice = world.person("@alice:a.test");
    assert_eq!(world.seal(&mut alice, "x").unwrap_err(), Error::Unencrypted);
    world.room("m.megolm.v1.aes-sha2", &[("@alice:a.test", "join")], &mut [&mut alice]);
    assert_eq!(world.seal(&mut alice, "x").unwrap_err(), Error::Unencrypted);
    world.room(DIRECT, &[("@alice:a.test", "join")], &mut [&mut alice]);
    world.seal(&mut alice, "x").unwrap();
    // Neither a foreign algorithm nor its absence undoes that.
    world.room("m.megolm.v1.aes-sha2", &[("@alice:a.test", "join")], &mut [&mut alice]);
    world.seal(&mut alice, "x").unwrap();
    alice.run(world.now, |machine, now| machine.forget_members(ROOM, now)).unwrap();
    assert_eq!(world.seal(&mut alice, "x").unwrap_err(), Error::NotReady);
    let mut second = world.device("@alice:a.test", "NEW", 5);
    world.room(DIRECT, &[("@alice:a.test", "join")], &mut [&mut second]);
    assert_eq!(world.seal(&mut second, "x").unwrap_err(), Error::Identity, "nobody vouches for it");
}

#[test]
fn secrets_go_to_own_devices_that_are_vouched_for() {
    let mut world = World::new();
    let mut alice = world.person("@alice:a.test");
    let mut phone = world.device("@alice:a.test", "PHONE", 5);
    world.settle(&mut [&mut alice, &mut phone]);
    let share = |alice: &mut Device, now| {
        let name = "m.cross_signing.self_signing";
        alice.run(now, |machine, now| machine.share_secret("PHONE", name, now))
    };
    assert_eq!(share(&mut alice, world.now), Err(Error::Identity));
    let key = *phone.machine.identity().ed25519.as_bytes();
    alice.run(world.now, |machine, now| machine.vouch_for("PHONE", &key, now)).unwrap();
    share(&mut alice, world.now).unwrap();
    world.flush(&mut alice);
    assert!(world.sync(&mut phone).secrets.is_empty(), "the phone knows no identity of its own");
    let master = alice.machine.user("@alice:a.test").unwrap().pinned_key.unwrap();
    let master = sealpost_e2e::signed_json::key_from_base64(&master).unwrap();
    phone
        .run(world.now, |machine, now| machine.verify_identity("@alice:a.test", &master, now))
        .unwrap();
    world.settle(&mut [&mut phone, &mut alice]);
    share(&mut alice, world.now).unwrap();
    world.flush(&mut alice);
    assert_eq!(world.sync(&mut phone).secrets, ["m.cross_signing.self_signing"]);
}
