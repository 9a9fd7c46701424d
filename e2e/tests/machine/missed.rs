//! News of devices that did not reach a machine.

use sealpost_e2e::machine::Outcome;

use crate::world::{Device, World, pair, three};

/// Loses what a device was to be told of changes.
fn lose_news(world: &mut World, of: &Device) {
    world.server.changed.remove(&(of.user.clone(), of.device.clone()));
}

fn queries(world: &World) -> usize {
    world.server.log.iter().filter(|body| body.contains("\"device_keys\":{\"@")).count()
}

#[test]
fn after_news_was_missed_everybody_s_devices_are_asked_for_at_once() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let mut phone = world.second(&bob, "PHONE");
    world.state(&mut phone);
    world.settle(&mut [&mut bob, &mut phone, &mut carol]);
    lose_news(&mut world, &alice);
    world.server.inbox.remove(&(alice.user.clone(), alice.device.clone()));
    let events = world.send(&mut alice, "before");
    world.settle(&mut [&mut alice, &mut phone]);
    assert_eq!(world.read(&mut phone, events.last().unwrap()), Outcome::MissingKey);

    let before = queries(&world);
    alice.run(world.now, |machine, now| machine.outdate_all(now)).unwrap();
    alice.restart();
    let events = world.send(&mut alice, "after");
    assert_eq!(queries(&world), before + 1);
    world.settle(&mut [&mut alice, &mut phone]);
    assert_eq!(world.text(&mut phone, &events), "after");
}

#[test]
fn a_message_of_a_device_of_which_no_news_came_has_it_asked_for() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let mut phone = world.second(&bob, "PHONE");
    world.state(&mut phone);
    world.settle(&mut [&mut bob, &mut phone]);
    lose_news(&mut world, &alice);
    world.server.inbox.remove(&(alice.user.clone(), alice.device.clone()));
    let events = world.send(&mut phone, "from the phone");
    assert_eq!(world.read(&mut alice, events.last().unwrap()), Outcome::MissingKey);
    world.flush(&mut alice);
    assert_eq!(world.text(&mut alice, &events), "from the phone");
}

#[test]
fn messages_of_a_device_that_nobody_vouches_for_ask_seldom() {
    let mut world = World::new();
    let (mut alice, mut bob) = pair(&mut world);
    let mut ghost = world.device("@bob:b.test", "GHOST", 21);
    world.state(&mut ghost);
    world.settle(&mut [&mut alice, &mut bob, &mut ghost]);
    let mut event = world.send(&mut bob, "x").pop().unwrap();
    event["content"]["device_id"] = "GHOST".into();
    let before = queries(&world);
    for _ in 0..5 {
        assert!(!matches!(world.read(&mut alice, &event), Outcome::Read(_)));
        world.flush(&mut alice);
    }
    assert_eq!(queries(&world), before + 1);
    world.now += 10 * 60 * 1_000;
    world.read(&mut alice, &event);
    world.flush(&mut alice);
    assert_eq!(queries(&world), before + 2);
}

#[test]
fn the_rooms_that_are_sealed_whatever_their_state_says_are_told() {
    let mut world = World::new();
    let (mut alice, ..) = pair(&mut world);
    let open = [serde_json::json!({ "type": "m.room.encryption", "state_key": "",
        "content": { "algorithm": "m.megolm.v1.aes-sha2" } })];
    for room in [crate::world::ROOM, "!other:a.test"] {
        alice.run(world.now, |machine, now| machine.push_state(room, &open, false, now)).unwrap();
    }
    assert_eq!(alice.machine.encrypted_rooms().unwrap(), [crate::world::ROOM]);
}
