//! Random schedules of sending, losing and reordering go through both libraries and deliver the same messages.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use sealpost_e2e::{
    Error,
    content::{pad, unpad},
    envelope::Envelope,
    identity::OwnDevice,
    prekeys::{ClaimedPrekey, Kind, Prekey},
    room_message::Context,
    sender_key::{HeldChain, OwnChain, Provenance, Received},
    session::Sessions,
};
use vodozemac::{
    megolm::{GroupSession, InboundGroupSession, SessionConfig as MegolmConfig},
    olm::{Account, OlmMessage, Session, SessionConfig},
};

/// How many receiving chains Olm keeps.
const OLM_CHAINS: usize = 5;
const UNDERWAY: usize = 16;

struct Side {
    ours: Sessions,
    olm: Session,
    /// How often it turned, and whether it does before it writes next.
    turn: usize,
    turns: bool,
    /// The newest turn of the other's that it has seen.
    seen: usize,
}

struct Underway {
    to: usize,
    turn: usize,
    text: String,
    ours: Vec<u8>,
    olm: OlmMessage,
}

/// Alice has written first, and Bob has read it, in both.
fn pair(rng: &mut ChaCha20Rng) -> [Side; 2] {
    let alice = OwnDevice::generate("@alice:a.test", "ONE", rng);
    let bob = OwnDevice::generate("@bob:b.test", "ONE", rng);
    let (prekey, object) = Prekey::generate(&bob, Kind::OneTime, rng).unwrap();
    let claimed = ClaimedPrekey::verify(&bob.identity(), &prekey.id.name(), &object).unwrap();
    let begun = Sessions::default().begin(&alice, &bob.identity(), &claimed, 0, rng).unwrap();
    let (first, begun) = begun.encrypt(b"first", 0, rng).unwrap();
    let Envelope::Prekey(header, message) = Envelope::from_bytes(&first).unwrap() else { panic!() };
    let first = (&header, message.as_slice());
    let none = Sessions::default();
    let (read, _) = none.accept(&bob, &alice.identity(), &prekey, &[], first, 0).unwrap();

    let (olm_alice, mut olm_bob) = (Account::new(), Account::new());
    olm_bob.generate_one_time_keys(1);
    let one_time = *olm_bob.one_time_keys().values().next().unwrap();
    let config = SessionConfig::version_1();
    let mut of_alice =
        olm_alice.create_outbound_session(config, olm_bob.curve25519_key(), one_time).unwrap();
    let OlmMessage::PreKey(message) = of_alice.encrypt("first").unwrap() else { panic!() };
    let created =
        olm_bob.create_inbound_session(config, olm_alice.curve25519_key(), &message).unwrap();
    let side = |ours, olm, turns| Side { ours, olm, turn: 0, turns, seen: 0 };
    [side(begun, of_alice, false), side(read.sessions, created.session, true)]
}

impl Side {
    fn read(&mut self, message: &Underway) -> [Option<Vec<u8>>; 2] {
        let ours = Envelope::from_bytes(&message.ours).unwrap();
        let ours = match self.ours.decrypt(&ours, 1) {
            Ok(Some(read)) => {
                self.ours = read.sessions;
                Some(read.plaintext.to_vec())
            }
            _ => None,
        };
        let olm = self.olm.decrypt(&message.olm).ok();
        if ours.is_some() && message.turn > self.seen {
            (self.seen, self.turns) = (message.turn, true);
        }
        [ours, olm]
    }
}

#[test]
fn two_devices_read_what_olm_delivers() {
    let mut delivered = 0;
    for seed in 0..20 {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut sides = pair(&mut rng);
        // Bob answers once, so that both are past the handshake.
        sides[1].turn = 1;
        let mut underway: Vec<Underway> = Vec::new();
        for step in 0..400 {
            let at = rng.next_u32() as usize % underway.len().max(1);
            match rng.next_u32() % 6 {
                0..=2 => {
                    let from = (rng.next_u32() % 2) as usize;
                    let text = format!("{seed} {step}");
                    let side = &mut sides[from];
                    if std::mem::take(&mut side.turns) {
                        side.turn += 1;
                    }
                    let (ours, next) = side.ours.encrypt(text.as_bytes(), 1, &mut rng).unwrap();
                    side.ours = next;
                    let olm = side.olm.encrypt(&text).unwrap();
                    let (to, turn) = (1 - from, side.turn);
                    underway.push(Underway { to, turn, text, ours, olm });
                    if underway.len() > UNDERWAY {
                        underway.remove(0);
                    }
                }
                3 if !underway.is_empty() && rng.next_u32().is_multiple_of(3) => {
                    underway.swap_remove(at);
                }
                _ if !underway.is_empty() => {
                    let message = underway.swap_remove(at);
                    let side = &mut sides[message.to];
                    let is_old = side.seen >= message.turn + OLM_CHAINS;
                    let [ours, olm] = side.read(&message);
                    let text = message.text.as_bytes();
                    assert_eq!(ours.as_deref(), Some(text), "{seed} {step}");
                    assert!(is_old || olm.as_deref() == Some(text), "{seed} {step}: {olm:?}");
                    delivered += 1;
                    let again = side.read(&message);
                    assert_eq!(again, [None, None], "{seed} {step}: twice");
                }
                _ => {}
            }
        }
    }
    assert!(delivered > 2_000, "{delivered}");
}

#[test]
fn a_group_reads_what_megolm_delivers() {
    let audience = [5; 32];
    for seed in 0..10 {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let owner = OwnDevice::generate("@alice:a.test", "ONE", &mut rng);
        let mut own = OwnChain::begin(&owner, "!room:a.test", 0, &mut rng);
        let mut megolm = GroupSession::new(MegolmConfig::version_1());
        let skipped = rng.next_u32() % 5;
        let mut messages = Vec::new();
        let mut held = None;
        for number in 0..80_u32 {
            if number == skipped {
                let chain = HeldChain::new(&own.distribution(), Provenance::Owner);
                let of_megolm =
                    InboundGroupSession::new(&megolm.session_key(), MegolmConfig::version_1());
                held = Some((chain, of_megolm));
            }
            let text = format!("{seed} {number}");
            let (ours, _, next) =
                own.seal(&audience, &pad(text.as_bytes()).unwrap(), &mut rng).unwrap();
            own = next;
            messages.push((text.clone(), number, ours, megolm.encrypt(&text)));
        }
        let (mut chain, mut of_megolm) = held.unwrap();
        let context = Context {
            room_id: "!room:a.test",
            sender: "@alice:a.test",
            device_id: "ONE",
            audience: &audience,
        };
        for _ in 0..200 {
            let (text, number, ours, theirs) = &messages[rng.next_u32() as usize % 80];
            let received = Received::from_bytes(ours).unwrap();
            let ours = chain.open(&context, &received).map(|(opened, next)| {
                chain = next;
                unpad(&opened.padded).unwrap().to_vec()
            });
            let theirs = of_megolm.decrypt(theirs).map(|message| message.plaintext);
            assert_eq!(ours.is_ok(), theirs.is_ok(), "{text}");
            match ours {
                Ok(ours) => {
                    assert_eq!(ours, text.as_bytes());
                    assert_eq!(Some(ours), theirs.ok());
                }
                Err(error) => {
                    assert!(*number < skipped, "{text}");
                    assert_eq!(error, Error::NoKey);
                }
            }
        }
    }
}
