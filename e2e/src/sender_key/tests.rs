//! What a group reads, and what nobody can make it read.

use super::*;
use crate::{
    content::{pad, unpad},
    tests::{device, rng},
};

const ROOM: &str = "!room:a.test";
const AUDIENCE: [u8; 32] = [5; 32];

struct Setting {
    chain: OwnChain,
    held: HeldChain,
    owner: OwnDevice,
}

fn setting() -> Setting {
    let owner = device("@alice:a.test", "LAPTOP");
    let chain = OwnChain::begin(&owner, ROOM, 0, &mut rng(1));
    let bytes = chain.distribution().to_bytes().unwrap();
    let distribution = Distribution::from_bytes(&bytes).unwrap();
    let held = HeldChain::new(&distribution, Provenance::Owner);
    Setting { chain, held, owner }
}

fn context(owner: &OwnDevice) -> Context<'_> {
    Context {
        room_id: ROOM,
        sender: &owner.user_id,
        device_id: &owner.device_id,
        audience: &AUDIENCE,
    }
}

impl Setting {
    fn send(&mut self, text: &str) -> (Vec<u8>, MessageId) {
        let padded = pad(text.as_bytes()).unwrap();
        let (message, id, next) = self.chain.seal(&AUDIENCE, &padded, &mut rng(7)).unwrap();
        self.chain = OwnChain::from_bytes(&next.to_bytes().unwrap()).unwrap();
        (message, id)
    }

    fn read(&mut self, message: &[u8]) -> Result<(String, MessageId), Error> {
        let received = Received::from_bytes(message)?;
        let (opened, held) = self.held.open(&context(&self.owner), &received)?;
        self.held = HeldChain::from_bytes(&held.to_bytes().unwrap()).unwrap();
        Ok((String::from_utf8(unpad(&opened.padded)?.to_vec()).unwrap(), opened.id))
    }
}

#[test]
fn a_group_reads_in_any_order_and_again() {
    let mut setting = setting();
    let sent: Vec<_> = (0..5).map(|n| setting.send(&n.to_string())).collect();
    for at in [2, 0, 4, 4, 1, 3] {
        let (message, id) = &sent[at];
        assert_eq!(setting.read(message), Ok((at.to_string(), *id)));
    }
}

#[test]
fn overhead_stays_small() {
    let mut setting = setting();
    let text = "x".repeat(1_020);
    let (message, _) = setting.send(&text);
    assert!(message.len() - 1_024 <= 220, "{}", message.len() - 1_024);
    assert!(setting.held.to_bytes().unwrap().len() < 512);
}

#[test]
fn whatever_is_changed_is_refused() {
    let mut setting = setting();
    let (message, _) = setting.send("hello");
    for at in 0..message.len() {
        let mut changed = message.clone();
        changed[at] ^= 1;
        assert!(setting.read(&changed).is_err(), "{at}");
    }
}

#[test]
fn a_message_is_bound_to_room_sender_device_and_audience() {
    let mut setting = setting();
    let (message, _) = setting.send("hello");
    let received = Received::from_bytes(&message).unwrap();
    let right = context(&setting.owner);
    for wrong in [
        Context { room_id: "!other:a.test", ..right },
        Context { sender: "@mallory:a.test", ..right },
        Context { device_id: "TABLET", ..right },
        Context { audience: &[6; 32], ..right },
    ] {
        let refused = setting.held.open(&wrong, &received).map(|_| ());
        assert_eq!(refused, Err(Error::Authentication), "{wrong:?}");
    }
    assert!(setting.held.open(&right, &received).is_ok());
}

/// A member holds the chain key, and so knows every message key: only the signature tells them from the owner.
#[test]
fn a_member_cannot_write_in_the_owner_s_name() {
    let mut setting = setting();
    let distribution = setting.chain.distribution();
    let forger = OwnChain {
        id: distribution.id(),
        signing: ed25519::PrivateKey::generate(&mut rng(9)),
        chain: distribution.chain.clone(),
        ..setting.chain.clone()
    };
    let (forged, ..) = forger.seal(&AUDIENCE, &pad(b"forged").unwrap(), &mut rng(8)).unwrap();
    assert_eq!(setting.read(&forged), Err(Error::Authentication));
}

#[test]
fn who_joins_reads_from_then_on_only() {
    let mut setting = setting();
    let (before, _) = setting.send("before");
    let late = HeldChain::new(&setting.chain.distribution(), Provenance::Owner);
    let (after, id) = setting.send("after");
    setting.held = late;
    assert_eq!(setting.read(&before), Err(Error::NoKey));
    assert_eq!(setting.read(&after), Ok(("after".to_owned(), id)));
}

#[test]
fn an_earlier_iteration_is_taken_only_if_it_leads_to_the_held_key() {
    let mut setting = setting();
    let early = setting.chain.distribution();
    let (first, id) = setting.send("first");
    setting.held = HeldChain::new(&setting.chain.distribution(), Provenance::Owner);
    let mut planted = early.clone();
    planted.chain.key = Secret::new([1; 32]);
    let refused = setting.held.learn(&planted, Provenance::Owner).map(|_| ());
    assert_eq!(refused, Err(Error::Authentication));
    setting.held = setting.held.learn(&early, Provenance::Owner).unwrap();
    assert_eq!(setting.read(&first), Ok(("first".to_owned(), id)));
}

#[test]
fn the_owner_s_key_replaces_a_shared_one_and_never_the_reverse() {
    let setting = setting();
    let distribution = setting.chain.distribution();
    let shared = Provenance::Shared("@mallory:m.test".to_owned());
    assert!(setting.held.learn(&distribution, shared.clone()).is_err());
    let mut bogus = distribution.clone();
    bogus.chain.key = Secret::new([1; 32]);
    let held = HeldChain::new(&bogus, shared);
    let learnt = held.learn(&distribution, Provenance::Owner).unwrap();
    assert_eq!(learnt.provenance(), &Provenance::Owner);
    assert!(learnt.distribution(0).unwrap().chain.key == distribution.chain.key);
}

#[test]
fn a_chain_is_spent_by_messages_and_by_age() {
    let mut setting = setting();
    assert!(!setting.chain.is_spent(AGE_MAX_MS - 1));
    assert!(setting.chain.is_spent(AGE_MAX_MS));
    for _ in 0..MESSAGES_MAX {
        setting.send("hello");
    }
    assert!(setting.chain.is_spent(0));
}

#[test]
fn an_iteration_too_far_ahead_is_refused() {
    let mut setting = setting();
    for _ in 0..=GAP_MAX {
        setting.chain.chain = setting.chain.chain.next().unwrap();
    }
    let (message, _) = setting.send("far ahead");
    assert_eq!(setting.read(&message), Err(Error::Gap));
    assert_eq!(setting.held.distribution(GAP_MAX + 1).map(|_| ()), Err(Error::Gap));
    assert_eq!(setting.held.distribution(9).unwrap().iteration(), 9);
}
