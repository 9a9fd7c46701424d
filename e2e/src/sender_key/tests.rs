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
    assert_eq!(setting.held.distribution(GAP_MAX).unwrap().iteration(), GAP_MAX);
}

#[test]
fn what_a_chain_says_of_itself_is_what_its_messages_name() {
    let mut setting = setting();
    for _ in 0..3 {
        setting.send("before");
    }
    let (message, _) = setting.send("the fourth");
    let received = Received::from_bytes(&message).unwrap();
    assert_eq!((received.chain(), received.iteration()), (setting.chain.id(), 3));
    assert_eq!(setting.chain.iteration(), 4);
    let distribution = setting.chain.distribution();
    assert_eq!((distribution.id(), distribution.iteration()), (setting.chain.id(), 4));
    let held = HeldChain::new(&distribution, Provenance::Import);
    assert_eq!((held.id(), held.earliest(), held.room_id()), (setting.chain.id(), 4, ROOM));
    assert_eq!(held.owner(), &Owner::of(&setting.owner.identity()));
    // The id as the protocol has it.
    let (owner, signing) = (setting.owner.identity(), setting.chain.signing.public());
    let fields: [&[u8]; 5] = [
        ROOM.as_bytes(),
        b"@alice:a.test",
        b"LAPTOP",
        owner.ed25519.as_bytes(),
        signing.as_bytes(),
    ];
    let hash = kdf::hash("org.sealpost.sender_key.v1 chain", &fields);
    assert_eq!(held.id().0, hash[..16]);
}

#[test]
fn a_chain_that_is_held_learns_only_what_is_earlier_and_its_own() {
    let mut setting = setting();
    let early = setting.chain.distribution();
    setting.send("first");
    let late = setting.chain.distribution();
    let order = Err(Error::Order);
    let learn = |held: &HeldChain, distribution, provenance| {
        held.learn(distribution, provenance).map(|held| held.earliest())
    };
    let shared = Provenance::Shared("@mallory:m.test".to_owned());
    for (first, again) in [
        (Provenance::Owner, Provenance::Owner),
        (shared.clone(), shared.clone()),
        (Provenance::Import, shared.clone()),
    ] {
        let held = HeldChain::new(&late, first);
        assert_eq!(learn(&held, &late, again.clone()), order, "nothing new");
        assert_eq!(learn(&held, &early, again.clone()), Ok(0));
        let learnt = held.learn(&early, again).unwrap();
        assert_eq!(learn(&learnt, &late, shared.clone()), order, "later");
        assert!(learnt.distribution(1).unwrap().chain.key == late.chain.key);
    }
    assert_eq!(learn(&setting.held, &early, shared.clone()), order);
    // What leads to the owner's is as good as the owner's, whoever it is from, and whichever came first.
    let mut bogus = early.clone();
    bogus.chain.key = Secret::new([1; 32]);
    let owners = HeldChain::new(&late, Provenance::Owner);
    let refused = Err(Error::Authentication);
    assert_eq!(learn(&owners, &bogus, shared.clone()), refused);
    for learnt in [
        owners.learn(&early, shared.clone()),
        HeldChain::new(&early, shared.clone()).learn(&late, Provenance::Owner),
    ] {
        let learnt = learnt.unwrap();
        assert_eq!((learnt.earliest(), learnt.provenance()), (0, &Provenance::Owner));
    }
    // The owner's replaces another's although it begins later.
    assert_eq!(learn(&HeldChain::new(&bogus, shared), &late, Provenance::Owner), Ok(1));
    assert!(owners.leads_to(&late) && !owners.leads_to(&early) && !owners.leads_to(&bogus));
    let other = OwnChain::begin(&setting.owner, ROOM, 0, &mut rng(2)).distribution();
    assert_eq!(learn(&HeldChain::new(&late, Provenance::Owner), &other, Provenance::Owner), order);
    assert!(!setting.held.leads_to(&other));
}

/// With a wrong key a message is told from one that the owner did not sign.
#[test]
fn a_signature_is_checked_without_the_right_key() {
    let mut setting = setting();
    let mut bogus = setting.chain.distribution();
    bogus.chain.key = Secret::new([1; 32]);
    let (message, _) = setting.send("hello");
    let received = Received::from_bytes(&message).unwrap();
    let right = context(&setting.owner);
    let held = HeldChain::new(&bogus, Provenance::Import);
    let refused = Err(Error::Authentication);
    assert_eq!(held.open(&right, &received).map(|_| ()), refused);
    assert_eq!(held.check(&right, &received), Ok(()));
    assert_eq!(held.check(&Context { audience: &[6; 32], ..right }, &received), refused);
}

#[test]
fn a_message_of_another_chain_is_refused() {
    let mut setting = setting();
    let mut other = OwnChain::begin(&setting.owner, ROOM, 0, &mut rng(2));
    other.signing = setting.chain.signing.clone();
    other.chain = setting.chain.chain.clone();
    let (message, ..) = other.seal(&AUDIENCE, &pad(b"x").unwrap(), &mut rng(3)).unwrap();
    assert_eq!(setting.read(&message), Err(Error::Authentication));
}

/// What is read moves the place that the gap is counted from, and nothing before it is lost.
#[test]
fn a_long_chain_is_read_step_by_step() {
    let mut setting = setting();
    let (first, id) = setting.send("first");
    let mut sent = Vec::new();
    for _ in 0..2 {
        for _ in 0..1_500 {
            setting.chain.chain = setting.chain.chain.next().unwrap();
        }
        sent.push(setting.send("far"));
    }
    for (message, id) in &sent {
        assert_eq!(setting.read(message), Ok(("far".to_owned(), *id)));
    }
    assert_eq!(setting.read(&first), Ok(("first".to_owned(), id)));
}

#[test]
fn messages_and_names_have_a_length() {
    let setting = setting();
    let length = |padded: usize| {
        let sealed = setting.chain.seal(&AUDIENCE, &vec![0; padded], &mut rng(7));
        sealed.map(|(message, ..)| {
            assert!(Received::from_bytes(&message).is_ok());
            message.len()
        })
    };
    let fixed = length(30_000).unwrap() - 30_000;
    assert_eq!(length(32 * 1024 - fixed), Ok(32 * 1024));
    assert_eq!(length(32 * 1024 - fixed + 1), Err(Error::TooLong));
    // Names of 255 bytes, and a long id of a device.
    let name = |first: &str| format!("{first}{}", "x".repeat(254));
    let owner = device(&name("@"), &"D".repeat(500));
    let chain = OwnChain::begin(&owner, &name("!"), 0, &mut rng(1));
    assert!(OwnChain::from_bytes(&chain.to_bytes().unwrap()).is_ok());
    let bytes = chain.distribution().to_bytes().unwrap();
    let distribution = Distribution::from_bytes(&bytes).unwrap();
    let held = HeldChain::new(&distribution, Provenance::Shared(name("@")));
    assert!(HeldChain::from_bytes(&held.to_bytes().unwrap()).is_ok());
    let long = device("@a", &"D".repeat(2_000));
    let chain = OwnChain::begin(&long, ROOM, 0, &mut rng(1));
    assert_eq!(chain.to_bytes().map(|_| ()), Err(Error::TooLong));
    assert_eq!(chain.distribution().to_bytes().map(|_| ()), Err(Error::TooLong));
}

#[test]
fn a_chain_is_spent_after_seven_days() {
    let chain = OwnChain::begin(&device("@a", "ONE"), ROOM, 5, &mut rng(1));
    assert!(!chain.is_spent(5 + 604_799_999));
    assert!(chain.is_spent(5 + 604_800_000));
}

/// The signature is right: whoever owns a chain can sign anything with it.
#[test]
fn an_owner_cannot_write_in_another_s_name_or_for_another_room() {
    let setting = setting();
    let (own, owner) = (&setting.chain, &setting.chain.owner);
    let named = |user_id: &str, device_id: &str| Owner {
        user_id: user_id.to_owned(),
        device_id: device_id.to_owned(),
        ..owner.clone()
    };
    for forger in [
        OwnChain { owner: named("@bob:b.test", "LAPTOP"), ..own.clone() },
        OwnChain { owner: named("@alice:a.test", "TABLET"), ..own.clone() },
        OwnChain { room_id: "!other:a.test".to_owned(), ..own.clone() },
    ] {
        let (message, ..) = forger.seal(&AUDIENCE, &pad(b"x").unwrap(), &mut rng(3)).unwrap();
        let context = Context {
            room_id: &forger.room_id,
            sender: &forger.owner.user_id,
            device_id: &forger.owner.device_id,
            audience: &AUDIENCE,
        };
        let received = Received::from_bytes(&message).unwrap();
        let refused = setting.held.open(&context, &received).map(|_| ());
        assert_eq!(refused, Err(Error::Authentication), "{context:?}");
    }
}

#[test]
fn a_message_is_bound_to_its_chain_and_iteration() {
    let header = Header { id: ChainId([8; 16]), iteration: 0x0102_0304, random: [9; 16] };
    assert_eq!(header.place(), [&[8; 16][..], &[1, 2, 3, 4]].concat());
}
