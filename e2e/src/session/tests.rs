use rand_chacha::ChaCha20Rng;

use super::*;
use crate::{
    prekeys::Kind,
    tests::{device, rng},
};

struct Device {
    own: OwnDevice,
    sessions: Sessions,
    prekeys: Vec<Prekey>,
    accepted: Vec<[u8; 32]>,
    rng: ChaCha20Rng,
}

impl Device {
    fn new(name: &str) -> Self {
        Self {
            own: device(name, "DEVICE"),
            sessions: Sessions::default(),
            prekeys: Vec::new(),
            accepted: Vec::new(),
            rng: rng(name.len() as u64),
        }
    }

    fn begin(&mut self, other: &mut Self, now: i64) {
        let (prekey, object) = Prekey::generate(&other.own, Kind::OneTime, &mut other.rng).unwrap();
        let (identity, name) = (other.own.identity(), prekey.id.name());
        let claimed = ClaimedPrekey::verify(&identity, &name, &object).unwrap();
        other.prekeys.push(prekey);
        self.sessions =
            self.sessions.begin(&self.own, &identity, &claimed, now, &mut self.rng).unwrap();
    }

    fn write(&mut self, text: &str, now: i64) -> Vec<u8> {
        let (envelope, sessions) =
            self.sessions.encrypt(text.as_bytes(), now, &mut self.rng).unwrap();
        self.sessions = Sessions::from_bytes(&sessions.to_bytes()).unwrap();
        envelope
    }

    fn read(&mut self, from: &Self, envelope: &[u8], now: i64) -> Result<(String, bool), Error> {
        let envelope = Envelope::from_bytes(envelope)?;
        let read = match (self.sessions.decrypt(&envelope, now)?, &envelope) {
            (Some(read), _) => read,
            (None, Envelope::Prekey(header, message)) => {
                let prekey = self.prekeys.iter().find(|prekey| prekey.id == header.prekey);
                let prekey = prekey.ok_or(Error::NoKey)?;
                let (other, first) = (from.own.identity(), (header, message.as_slice()));
                let (read, ad) =
                    self.sessions.accept(&self.own, &other, prekey, &self.accepted, first, now)?;
                self.accepted.push(ad);
                read
            }
            _ => unreachable!(),
        };
        self.sessions = Sessions::from_bytes(&read.sessions.to_bytes()).unwrap();
        Ok((String::from_utf8(read.plaintext.to_vec()).unwrap(), read.is_outdated))
    }
}

fn read(text: &str) -> Result<(String, bool), Error> {
    Ok((text.to_owned(), false))
}

#[test]
fn the_handshake_is_repeated_until_it_is_answered() {
    let (mut alice, mut bob) = (Device::new("@alice:a.test"), Device::new("@bob:b.test"));
    assert!(alice.sessions.needs_session(0));
    alice.begin(&mut bob, 0);
    let (lost, second) = (alice.write("lost", 1), alice.write("second", 2));
    assert_eq!(bob.read(&alice, &second, 3), read("second"));
    assert_eq!((bob.sessions.missing(), alice.sessions.missing()), (1, 0));
    assert!(bob.sessions.owes_message(3));
    let answer = bob.write("", 4);
    assert!(!bob.sessions.owes_message(4));
    assert!(answer.len() < 200 && second.len() > 1_088);
    assert_eq!(alice.read(&bob, &answer, 5), read(""));
    assert!(alice.write("third", 6).len() < 200);
    let passed_over = |time| bob.sessions.forget_before(time, 6).missing();
    assert_eq!((passed_over(3), passed_over(4)), (1, 0));
    assert_eq!(bob.read(&alice, &lost, 7), read("lost"));
    assert_eq!(bob.sessions.missing(), 0);
}

#[test]
fn sessions_begun_at_once_converge() {
    let (mut alice, mut bob) = (Device::new("@alice:a.test"), Device::new("@bob:b.test"));
    alice.begin(&mut bob, 0);
    bob.begin(&mut alice, 0);
    let (from_alice, from_bob) = (alice.write("a", 1), bob.write("b", 1));
    assert_eq!(alice.read(&bob, &from_bob, 2), read("b"));
    assert_eq!(bob.read(&alice, &from_alice, 2), read("a"));
    let (from_alice, from_bob) = (alice.write("a2", 3), bob.write("b2", 3));
    assert_eq!(alice.read(&bob, &from_bob, 4), read("b2"));
    assert_eq!(bob.read(&alice, &from_alice, 4), read("a2"));
    assert_eq!(alice.sessions.current_id(), bob.sessions.current_id());
    let more = alice.write("a3", 5);
    assert_eq!(bob.read(&alice, &more, 6), read("a3"));
}

#[test]
fn a_device_that_lost_its_store_is_reached_again() {
    let (mut alice, mut bob) = (Device::new("@alice:a.test"), Device::new("@bob:b.test"));
    alice.begin(&mut bob, 0);
    let first = alice.write("first", 1);
    bob.read(&alice, &first, 1).unwrap();
    let answer = bob.write("answer", 2);
    alice.read(&bob, &answer, 2).unwrap();
    // Bob knows nothing any more, and begins with generation 1 again.
    bob.sessions = Sessions::default();
    let lost = alice.write("lost", 3);
    assert_eq!(bob.read(&alice, &lost, 3), Err(Error::NoKey));
    bob.begin(&mut alice, 4);
    let anew = bob.write("anew", 4);
    let (text, is_outdated) = alice.read(&bob, &anew, 5).unwrap();
    assert_eq!(text, "anew");
    // Equal generations converge by the lower id; a lower generation would be answered by a higher one.
    assert!(!is_outdated);
    alice.begin(&mut bob, 6);
    let healed = alice.write("healed", 6);
    assert_eq!(bob.read(&alice, &healed, 7), read("healed"));
    let (mine, yours) = (alice.sessions.current_id(), bob.sessions.current_id());
    assert_eq!(mine, yours);
}

#[test]
fn a_lower_generation_is_read_and_reported() {
    let (mut alice, mut bob) = (Device::new("@alice:a.test"), Device::new("@bob:b.test"));
    alice.begin(&mut bob, 0);
    alice.begin(&mut bob, 0);
    let second = alice.write("second", 1);
    bob.read(&alice, &second, 1).unwrap();
    let mut restored = Device::new("@alice:a.test");
    restored.begin(&mut bob, 2);
    let old = restored.write("from generation 1", 2);
    assert_eq!(bob.read(&alice, &old, 3), Ok(("from generation 1".to_owned(), true)));
    // And Bob does not go back to it.
    let answer = bob.write("in generation 2", 4);
    assert_eq!(alice.read(&bob, &answer, 4), read("in generation 2"));
}

#[test]
fn an_accepted_handshake_that_is_replayed_makes_no_session() {
    let (mut alice, mut bob) = (Device::new("@alice:a.test"), Device::new("@bob:b.test"));
    alice.begin(&mut bob, 0);
    let first = alice.write("first", 1);
    bob.read(&alice, &first, 1).unwrap();
    assert_eq!(bob.read(&alice, &first, 2), Err(Error::NoKey), "it reaches its session only");
    bob.sessions = Sessions::default();
    assert_eq!(bob.read(&alice, &first, 3), Err(Error::NoKey), "nor without one");
    assert_eq!(bob.sessions.count(), 0);
}

#[test]
fn a_generation_that_nothing_follows_stops_nobody() {
    let (mut alice, mut bob) = (Device::new("@alice:a.test"), Device::new("@bob:b.test"));
    alice.sessions.highest = u32::MAX - 1;
    alice.begin(&mut bob, 0);
    let first = alice.write("the last of all generations", 1);
    bob.read(&alice, &first, 1).unwrap();
    let (prekey, object) = Prekey::generate(&alice.own, Kind::OneTime, &mut rng(9)).unwrap();
    let identity = alice.own.identity();
    let claimed = ClaimedPrekey::verify(&identity, &prekey.id.name(), &object).unwrap();
    let refused = bob.sessions.begin(&bob.own, &identity, &claimed, 2, &mut rng(9));
    assert_eq!(refused.map(|_| ()), Err(Error::TooLong));
    let answer = bob.write("still in it", 3);
    assert_eq!(alice.read(&bob, &answer, 3).map(|read| read.0), Ok("still in it".to_owned()));
}

#[test]
fn a_session_without_an_answer_is_followed_by_a_new_one() {
    let (mut alice, mut bob) = (Device::new("@alice:a.test"), Device::new("@bob:b.test"));
    alice.begin(&mut bob, 0);
    alice.write("one", 1);
    assert!(!alice.sessions.needs_session(1));
    assert!(alice.sessions.needs_session(1 + UNANSWERED_FOR_MS));
    for _ in 1..UNANSWERED_MAX {
        alice.write("more", 2);
    }
    assert!(alice.sessions.needs_session(2));
    alice.begin(&mut bob, 3);
    assert!(!alice.sessions.needs_session(3));
}

#[test]
fn however_many_sessions_are_begun_few_are_kept() {
    let (mut alice, mut bob) = (Device::new("@alice:a.test"), Device::new("@bob:b.test"));
    for now in 0..10 {
        alice.begin(&mut bob, now);
        let message = alice.write("hello", now);
        bob.read(&alice, &message, now).unwrap();
    }
    assert_eq!(alice.sessions.count(), SUPERSEDED_MAX + 1);
    assert_eq!(bob.sessions.count(), SUPERSEDED_MAX + 1);
    let later = bob.sessions.forget_before(0, 9 + SUPERSEDED_FOR_MS);
    assert_eq!(later.count(), 1);
}

/// Alice began, both have written and read.
fn confirmed() -> (Device, Device) {
    let (mut alice, mut bob) = (Device::new("@alice:a.test"), Device::new("@bob:b.test"));
    alice.begin(&mut bob, 0);
    let first = alice.write("first", 1);
    bob.read(&alice, &first, 1).unwrap();
    let answer = bob.write("", 1);
    alice.read(&bob, &answer, 1).unwrap();
    (alice, bob)
}

const A_DAY: i64 = 86_400_000;

#[test]
fn an_empty_message_is_owed_after_twenty_that_were_read_or_after_a_day() {
    assert!(!Sessions::default().owes_message(A_DAY));
    let (mut alice, mut bob) = confirmed();
    // What the first message owed is paid, on both sides; silence owes nothing, nor does an empty message.
    assert!(!bob.sessions.owes_message(9 * A_DAY));
    assert!(!alice.sessions.owes_message(9 * A_DAY));
    for count in 1..=20 {
        assert!(!bob.sessions.owes_message(2), "{count}");
        let message = alice.write("more", 2);
        bob.read(&alice, &message, 2).unwrap();
    }
    assert!(bob.sessions.owes_message(2));
    bob.write("", 3);
    assert!(!bob.sessions.owes_message(3));
    let message = alice.write("again", 3);
    bob.read(&alice, &message, 3).unwrap();
    assert!(!bob.sessions.owes_message(2 + A_DAY));
    let message = alice.write("and again", 9);
    bob.read(&alice, &message, 9).unwrap();
    assert!(!bob.sessions.owes_message(2 + A_DAY));
    assert!(bob.sessions.owes_message(3 + A_DAY), "from the first that was read");
    let empty = bob.write("\0", 3 + A_DAY);
    alice.read(&bob, &empty, 3 + A_DAY).unwrap();
    assert!(!bob.sessions.owes_message(9 * A_DAY) && !alice.sessions.owes_message(9 * A_DAY));
}

#[test]
fn a_session_is_unanswered_after_thirty_days_or_a_thousand_messages() {
    let (mut alice, mut bob) = confirmed();
    assert!(!alice.sessions.needs_session(99 * A_DAY), "nothing waits for an answer");
    alice.write("one", 10);
    alice.write("two", 10 + A_DAY);
    assert!(!alice.sessions.needs_session(30 * A_DAY + 9));
    assert!(alice.sessions.needs_session(30 * A_DAY + 10));
    let answer = bob.write("", 11);
    alice.read(&bob, &answer, 12).unwrap();
    for _ in 0..999 {
        alice.write("more", 13);
    }
    assert!(!alice.sessions.needs_session(13));
    alice.write("the thousandth", 13);
    assert!(alice.sessions.needs_session(13));
}

/// A handshake that is repeated, because no answer came, is answered by a new session when a later one is known.
#[test]
fn only_a_handshake_of_a_lower_generation_is_outdated() {
    let (mut alice, mut bob) = (Device::new("@alice:a.test"), Device::new("@bob:b.test"));
    alice.begin(&mut bob, 0);
    let (first, again) = (alice.write("first", 1), alice.write("again", 1));
    bob.read(&alice, &first, 2).unwrap();
    assert_eq!(bob.read(&alice, &again, 2), read("again"), "of the same generation");
    let repeated = alice.write("repeated", 3);
    let answer = bob.write("", 3);
    alice.read(&bob, &answer, 3).unwrap();
    let settled = alice.write("settled", 4);
    bob.begin(&mut alice, 5);
    assert_eq!(bob.read(&alice, &repeated, 6), Ok(("repeated".to_owned(), true)));
    assert_eq!(bob.read(&alice, &settled, 6), read("settled"), "no handshake");
}

#[test]
fn what_is_written_in_stays_and_the_superseded_go_after_thirty_days() {
    let (mut alice, mut bob) = confirmed();
    let old = alice.write("in the old one", 1);
    bob.begin(&mut alice, 100);
    let new = bob.write("in the new one", 100);
    alice.read(&bob, &new, 100).unwrap();
    let answer = alice.write("", 100);
    bob.read(&alice, &answer, 100).unwrap();
    assert_eq!(bob.read(&alice, &old, 20 * A_DAY), read("in the old one"));
    // Another took its place at 100, and whoever writes in it changes nothing about that.
    assert_eq!(bob.sessions.forget_before(0, 30 * A_DAY + 99).count(), 2);
    let later = bob.sessions.forget_before(0, 30 * A_DAY + 100);
    assert_eq!(later.count(), 1);
    assert_eq!(later.current_id(), bob.sessions.current_id());
    assert_eq!(later.forget_before(0, 99 * A_DAY).current_id(), later.current_id());
    // A clock that was ahead keeps nothing longer.
    let mut ahead = bob.sessions.clone();
    ahead.sessions[0].superseded_at = Some(999 * A_DAY);
    let ahead = ahead.forget_before(0, A_DAY);
    assert_eq!(ahead.forget_before(0, 31 * A_DAY).count(), 1);
}

#[test]
fn what_was_given_up_reads_on_and_is_written_in_no_more() {
    let (mut alice, mut bob) = confirmed();
    alice.sessions = alice.sessions.give_up(5);
    assert!(alice.sessions.needs_session(5) && !alice.sessions.owes_message(99 * A_DAY));
    let old = bob.write("in the old one", 6);
    assert_eq!(alice.read(&bob, &old, 6), read("in the old one"));
    assert!(alice.sessions.needs_session(6), "it does not come back");
    alice.begin(&mut bob, 7);
    let new = alice.write("in a new one", 7);
    assert_eq!(bob.read(&alice, &new, 7), read("in a new one"));
    let answer = bob.write("an answer", 8);
    assert_eq!(alice.read(&bob, &answer, 8), read("an answer"));
    assert_eq!(alice.sessions.current_id(), bob.sessions.current_id());
    // One that the other side begins will do as well.
    alice.sessions = alice.sessions.give_up(9);
    bob.begin(&mut alice, 10);
    let theirs = bob.write("from the other side", 10);
    assert_eq!(alice.read(&bob, &theirs, 10), read("from the other side"));
    assert!(!alice.sessions.needs_session(10));
}

/// Of too many, those go in which nothing was read for longest.
#[test]
fn the_sessions_that_were_used_last_are_kept() {
    let (mut alice, mut bob) = confirmed();
    let first = bob.sessions.current_id().unwrap();
    for now in 2..6 {
        alice.begin(&mut bob, now);
        let message = alice.write("hello", now);
        bob.read(&alice, &message, now).unwrap();
    }
    let second = bob.sessions.sessions[1].id;
    // In the first one something is read once more.
    let session = bob.sessions.get_mut(first).unwrap();
    session.was_read(b"more", 6);
    assert_eq!(bob.sessions.count(), 5);
    alice.begin(&mut bob, 7);
    let message = alice.write("hello", 7);
    bob.read(&alice, &message, 7).unwrap();
    let kept: Vec<_> = bob.sessions.sessions.iter().map(|session| session.id).collect();
    assert_eq!(kept.len(), 5);
    assert!(kept.contains(&first) && !kept.contains(&second));
}
