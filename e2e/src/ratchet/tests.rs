//! What a session must deliver, and what must not move it.

use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

use super::*;
use crate::{
    handshake,
    prekeys::{ClaimedPrekey, Kind, Prekey},
    tests::{device, rng},
};

struct Party {
    state: Ratchet,
    rng: ChaCha20Rng,
}

impl Party {
    fn send(&mut self, text: &str, now: i64) -> Vec<u8> {
        let (message, state) = self.state.encrypt(text.as_bytes(), now, &mut self.rng).unwrap();
        // What is stored is what goes on.
        self.state = Ratchet::from_bytes(&state.to_bytes()).unwrap();
        message
    }

    fn read(&mut self, message: &[u8], now: i64) -> Result<String, Error> {
        let (plaintext, state) = self.state.decrypt(message, now)?;
        self.state = Ratchet::from_bytes(&state.to_bytes()).unwrap();
        Ok(String::from_utf8(plaintext.to_vec()).unwrap())
    }
}

/// A handshake, as each of both comes out of it.
fn handshakes() -> [Handshake; 2] {
    let (alice, bob) = (device("@alice:a.test", "LAPTOP"), device("@bob:b.test", "PHONE"));
    let (prekey, object) = Prekey::generate(&bob, Kind::OneTime, &mut rng(1)).unwrap();
    let claimed = ClaimedPrekey::verify(&bob.identity(), &prekey.id.name(), &object).unwrap();
    let (handshake, header): (_, handshake::Header) =
        Handshake::initiate(&alice, &bob.identity(), &claimed, 1, &mut rng(2)).unwrap();
    let accepted = Handshake::accept(&bob, &alice.identity(), &prekey, &header).unwrap();
    [handshake, accepted]
}

/// Alice has written, Bob has read.
fn pair() -> (Party, Party) {
    let [handshake, accepted] = handshakes();
    let mut rng_alice = rng(3);
    let state = Ratchet::initiate(&handshake, 0, &mut rng_alice);
    let mut sender = Party { state, rng: rng_alice };
    let first = sender.send("first", 0);
    let (plaintext, state) = Ratchet::accept(&accepted, &first, 0).unwrap();
    assert_eq!(*plaintext, b"first");
    (sender, Party { state, rng: rng(4) })
}

#[test]
fn messages_go_both_ways_in_and_out_of_order() {
    let (mut alice, mut bob) = pair();
    let [one, two, three] = ["one", "two", "three"].map(|text| alice.send(text, 1));
    assert_eq!(bob.read(&three, 1).unwrap(), "three");
    let answer = bob.send("answer", 2);
    assert_eq!(alice.read(&answer, 2).unwrap(), "answer");
    let four = alice.send("four", 3);
    assert_eq!(bob.read(&four, 3).unwrap(), "four");
    // Of a chain that is over.
    assert_eq!(bob.read(&one, 4).unwrap(), "one");
    assert_eq!(bob.state.missing(), 1);
    assert!(bob.read(&one, 4).is_err());
    assert_eq!(bob.read(&two, 4).unwrap(), "two");
    assert_eq!(bob.state.missing(), 0);
}

#[test]
fn what_is_forged_or_replayed_leaves_the_state_as_it_was() {
    let (mut alice, mut bob) = pair();
    let message = alice.send("hello", 1);
    let before = bob.state.to_bytes();
    for at in 0..message.len() {
        let mut forged = message.clone();
        forged[at] ^= 1;
        assert!(bob.read(&forged, 1).is_err(), "{at}");
    }
    for end in 0..message.len() {
        assert!(bob.read(&message[..end], 1).is_err(), "{end}");
    }
    assert!(bob.state.to_bytes() == before);
    assert_eq!(bob.read(&message, 1).unwrap(), "hello");
    let after = bob.state.to_bytes();
    assert_eq!(bob.read(&message, 1), Err(Error::NoKey));
    assert!(bob.state.to_bytes() == after);
}

/// It would be agreed with at the next turn only, when everybody waits for the message.
#[test]
fn a_first_chain_whose_key_is_of_low_order_is_refused() {
    let ([handshake, accepted], mut rng) = (handshakes(), rng(3));
    for key in [0, 1] {
        let mut bytes = [0; 32];
        bytes[0] = key;
        let mut state = Ratchet::initiate(&handshake, 1, &mut rng);
        let Sending::Open(sending) = &mut state.sending else { panic!() };
        sending.public = x25519::PublicKey::unchecked(bytes);
        let (message, _) = state.encrypt(b"hello", 1, &mut rng).unwrap();
        assert!(Ratchet::accept(&accepted, &message, 1).is_err());
    }
}

#[test]
fn a_gap_is_bounded_and_so_is_what_is_kept() {
    let (mut alice, mut bob) = pair();
    let mut messages: Vec<_> = (0..GAP_MAX + 2).map(|n| alice.send(&n.to_string(), 1)).collect();
    assert_eq!(bob.read(&messages[GAP_MAX as usize + 1], 1), Err(Error::Gap));
    assert_eq!(bob.read(&messages[GAP_MAX as usize], 1).unwrap(), GAP_MAX.to_string());
    assert_eq!(bob.state.missing(), GAP_MAX as usize);
    // One more is missing: the oldest is given up.
    let _lost = messages.pop();
    let later = alice.send("later", 2);
    assert_eq!(bob.read(&later, 2).unwrap(), "later");
    assert_eq!(bob.state.missing(), GAP_MAX as usize);
    assert_eq!(bob.read(&messages[0], 3), Err(Error::NoKey));
    assert_eq!(bob.read(&messages[1], 3).unwrap(), "1");
    bob.state = bob.state.clone().forget_before(2);
    assert_eq!(bob.state.missing(), 1);
}

/// Writes and reads in turn until a re-key is due; answers the message that offers.
fn until_offer(alice: &mut Party, bob: &mut Party) -> Vec<u8> {
    for _ in 0..REKEY_MESSAGES {
        let message = alice.send("a", 1);
        assert!(message.len() < 200);
        bob.read(&message, 1).unwrap();
        let message = bob.send("b", 1);
        if message.len() > 1_184 {
            return message;
        }
        alice.read(&message, 1).unwrap();
    }
    panic!("no re-key");
}

#[test]
fn a_re_key_is_offered_and_answered_and_then_rests() {
    let (mut alice, mut bob) = pair();
    let offer = until_offer(&mut alice, &mut bob);
    let again = bob.send("same chain", 1);
    assert!(again.len() > 1_184, "every header of the chain carries the key");
    alice.read(&again, 1).unwrap();
    let answer = alice.send("answer", 1);
    assert!(answer.len() > 1_088);
    bob.read(&answer, 1).unwrap();
    assert_eq!(alice.read(&offer, 1).unwrap(), "b", "what offered may come late");
    let message = bob.send("rest", 1);
    assert!(message.len() < 200);
    alice.read(&message, 1).unwrap();
    // After a day it is due again, however little was said.
    let message = alice.send("a day later", 1 + REKEY_AFTER_MS);
    assert!(message.len() > 1_184);
}

#[test]
fn an_answer_that_is_missing_foreign_or_uncalled_for_is_refused() {
    let (mut alice, mut bob) = pair();
    let offer = until_offer(&mut alice, &mut bob);
    alice.read(&offer, 1).unwrap();
    let unmoved = bob.state.to_bytes();

    // Alice turns as if she had not seen the offer.
    let mut silent = Party { state: alice.state.clone(), rng: rng(9) };
    silent.state.receiving.as_mut().unwrap().offer = None;
    silent.state.rekeyed = Rekeyed { at: 1, messages: 0 };
    let message = silent.send("no answer", 1);
    assert_eq!(bob.read(&message, 1), Err(Error::Order));
    // She answers a key of her own.
    let mut foreign = Party { state: alice.state.clone(), rng: rng(9) };
    let other = kem::PrivateKey::generate(&mut rng(10)).public();
    foreign.state.receiving.as_mut().unwrap().offer = Some(other.clone());
    let message = foreign.send("foreign", 1);
    assert_eq!(bob.read(&message, 1), Err(Error::Order));
    assert!(bob.state.to_bytes() == unmoved);

    // A second answer, where nothing is open.
    let answer = alice.send("answer", 1);
    bob.read(&answer, 1).unwrap();
    let turned = bob.send("turned", 1);
    alice.read(&turned, 1).unwrap();
    alice.state.receiving.as_mut().unwrap().offer = Some(other);
    let message = alice.send("again", 1);
    assert_eq!(bob.read(&message, 1), Err(Error::Order));
}

#[test]
fn a_stored_state_is_small() {
    let (mut alice, mut bob) = pair();
    let offer = until_offer(&mut alice, &mut bob);
    alice.read(&offer, 1).unwrap();
    for party in [&alice, &bob] {
        assert!(party.state.to_bytes().len() <= 2_048);
    }
    alice.send("answer", 1);
    assert!(alice.state.to_bytes().len() <= 2_048);
}

#[test]
fn a_stored_state_of_another_version_or_form_is_refused() {
    let (alice, _) = pair();
    let bytes = alice.state.to_bytes();
    assert!(Ratchet::from_bytes(&[&[2], &bytes[1..]].concat()).is_err());
    assert!(Ratchet::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    assert!(Ratchet::from_bytes(&[]).is_err());
}

/// Twenty schedules of sending, losing, delaying and reordering: what arrives is read, once.
#[test]
fn whatever_the_network_does_every_message_that_arrives_is_read_once() {
    for seed in 0..20 {
        let mut network = rng(1_000 + seed);
        let (mut alice, mut bob) = pair();
        let mut underway: Vec<(bool, String, Vec<u8>)> = Vec::new();
        let mut now = 1;
        for step in 0..600 {
            now += i64::from(network.next_u32() % 1_000_000);
            let to_bob = network.next_u32().is_multiple_of(2);
            match network.next_u32() % 5 {
                0 | 1 => {
                    let text = format!("{seed} {step}");
                    let from = if to_bob { &mut alice } else { &mut bob };
                    let message = from.send(&text, now);
                    underway.push((to_bob, text, message));
                }
                2 if !underway.is_empty() && network.next_u32().is_multiple_of(4) => {
                    let at = network.next_u32() as usize % underway.len();
                    underway.swap_remove(at);
                }
                _ if !underway.is_empty() => {
                    let at = network.next_u32() as usize % underway.len();
                    let (to_bob, text, message) = underway.swap_remove(at);
                    let party = if to_bob { &mut bob } else { &mut alice };
                    assert_eq!(party.read(&message, now).unwrap(), text, "{seed} {step}");
                    assert!(party.read(&message, now).is_err(), "{seed} {step}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn a_first_chain_of_the_other_side_follows_none() {
    let (mut alice, mut bob) = pair();
    bob.state.sending = Sending::Turn(3);
    let message = bob.send("as if others were lost", 1);
    assert_eq!(alice.read(&message, 1), Err(Error::Order));
}

#[test]
fn who_has_only_read_has_not_written() {
    let (mut alice, mut bob) = pair();
    assert!(!alice.state.has_not_written() && bob.state.has_not_written());
    let answer = bob.send("answer", 1);
    assert!(!bob.state.has_not_written());
    alice.read(&answer, 1).unwrap();
    let more = alice.send("more", 1);
    bob.read(&more, 1).unwrap();
    assert!(!bob.state.has_not_written());
}

#[test]
fn a_re_key_is_due_after_fifty_messages_or_a_day() {
    let rekeyed = |messages| Rekeyed { at: 5, messages };
    assert!(!rekeyed(49).is_due(5 + 86_399_999));
    assert!(rekeyed(49).is_due(5 + 86_400_000));
    assert!(rekeyed(50).is_due(5));
}

#[test]
fn the_longest_message_is_read_and_a_longer_one_is_not_written() {
    let (mut alice, mut bob) = pair();
    let fixed = alice.send(&"x".repeat(1_000), 1).len() - 1_000;
    let longest = "x".repeat(28 * 1024 - fixed);
    let message = alice.send(&longest, 1);
    assert_eq!(message.len(), 28 * 1024);
    assert_eq!(bob.read(&message, 1).unwrap(), longest);
    let longer = alice.state.encrypt(format!("{longest}x").as_bytes(), 1, &mut rng(5));
    assert_eq!(longer.map(|_| ()), Err(Error::TooLong));
}

#[test]
fn keys_that_were_passed_over_are_kept_by_chain_number_and_time() {
    let [one, other] = [1, 2].map(|seed| x25519::PrivateKey::from_bytes(&[seed; 32]).public());
    let mut kept = SkippedKeys::default();
    for (chain, number, at) in [(one, 0, 10), (one, 1, 20), (other, 0, 30)] {
        kept.keep(chain, number, Secret::new([at as u8; 32]), at);
    }
    let found = |kept: &SkippedKeys| {
        [(one, 0), (one, 1), (other, 0), (other, 1)]
            .map(|(chain, number)| kept.find(&chain, number).map(|key| key[0]))
    };
    assert_eq!(found(&kept), [Some(10), Some(20), Some(30), None]);
    let mut removed = kept.clone();
    removed.remove(&one, 0);
    assert_eq!(found(&removed), [None, Some(20), Some(30), None]);
    kept.forget_before(20);
    assert_eq!(found(&kept), [None, Some(20), Some(30), None]);
}
