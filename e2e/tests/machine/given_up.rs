//! Messages that were sealed and then given up: nobody misses them.

use sealpost_e2e::{
    machine::Outcome,
    sender_key::{ChainId, Received},
    signed_json::from_base64,
};
use serde_json::Value;

use crate::world::{Device, GROUP, ROOM, THREE, World, three};

/// Where an event stands: its chain and its number in it.
fn place(content: &Value) -> (ChainId, u32) {
    let message = from_base64(content["ciphertext"].as_str().unwrap()).unwrap();
    let received = Received::from_bytes(&message).unwrap();
    (received.chain(), received.iteration())
}

/// What is sent next begins a chain and tells the list of readers, so it reads as if nothing had been before.
fn reads_as_the_first(world: &mut World, alice: &mut Device, bob: &mut Device, before: ChainId) {
    let events = world.send(alice, "sent");
    world.settle(&mut [alice, bob]);
    let places: Vec<_> = events.iter().map(|event| place(&event["content"])).collect();
    let chain = places[0].0;
    assert_ne!(chain, before);
    assert_eq!(places, [(chain, 0), (chain, 1)], "the list of readers, and the message");
    assert_eq!(world.text(bob, &events), "sent");
    let Outcome::Read(read) = world.read(bob, &events[1]) else { panic!() };
    assert!(read.audience_is_known && read.warnings.is_empty());
}

#[test]
fn a_message_that_is_cancelled_leaves_no_gap() {
    let mut world = World::new();
    let (mut alice, mut bob, _carol) = three(&mut world);
    // Neither it nor the list of readers beside it is ever sent.
    let cancelled = world.seal(&mut alice, "cancelled").unwrap();
    let (chain, _) = place(&cancelled.events[0].content);
    alice.run(world.now, |machine, now| machine.rotate(ROOM, now)).unwrap();
    alice.restart();
    reads_as_the_first(&mut world, &mut alice, &mut bob, chain);
}

#[test]
fn a_message_that_may_not_be_sent_again_leaves_no_gap() {
    let mut world = World::new();
    let (mut alice, mut bob, mut carol) = three(&mut world);
    let sealed = world.seal(&mut alice, "before carol left").unwrap();
    let (chain, _) = place(&sealed.events[0].content);
    let audience = sealpost_e2e::signed_json::key_from_base64(&sealed.audience).unwrap();
    let mut members = THREE;
    for (membership, may) in [("join", true), ("leave", false)] {
        members[2].1 = membership;
        world.room(GROUP, &members, &mut [&mut alice, &mut bob, &mut carol]);
        let again =
            alice.run(world.now, |machine, now| machine.may_send_again(ROOM, &audience, now));
        assert_eq!(again, Ok(may));
    }
    // She comes back before anything else is sealed: the readers are the same.
    world.room(GROUP, &THREE, &mut [&mut alice, &mut bob, &mut carol]);
    reads_as_the_first(&mut world, &mut alice, &mut bob, chain);
}
