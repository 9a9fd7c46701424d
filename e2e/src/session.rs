//! The sessions of this device with another one, and which of them to write in. (After [Sesame][1].)
//!
//! Two devices may begin sessions at once, lose their stores, or be set back. So there may be several, each
//! with a **generation**, one more than the highest that its initiator knew:
//!
//! ```text
//!            ┌─ of those at least as new as the last one written in:
//! write in ──┤   the confirmed one of the highest generation, among equals that of the lower id;
//!            └─  with none confirmed, the own newest
//! read in  ──── any that is kept
//! ```
//!
//! A session is *confirmed* when a message of the other side was read in it. Both sides come to the same one
//! as soon as each has read what the other wrote. Superseded sessions only read: four at most, for 30 days.
//!
//! [1]: https://signal.org/docs/specifications/sesame/

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    Error,
    encoding::{self, coded},
    envelope::Envelope,
    handshake::{Handshake, Header, SessionId},
    identity::{DeviceIdentity, OwnDevice},
    prekeys::{ClaimedPrekey, Prekey},
    ratchet::Ratchet,
};

/// After so many messages without an answer, a new session is begun.
pub const UNANSWERED_MAX: u32 = 1_000;
/// Or after so many milliseconds: 30 days.
pub const UNANSWERED_FOR_MS: i64 = 30 * DAY_MS;
/// An empty message is owed after so many that were read and none written.
pub const READ_MAX: u32 = 20;
/// How many superseded sessions are kept to read in.
pub const SUPERSEDED_MAX: usize = 4;
/// And for how many milliseconds: 30 days.
pub const SUPERSEDED_FOR_MS: i64 = 30 * DAY_MS;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const VERSION: u8 = 1;
const STATE_MAX: usize = 4 * 1024 * 1024;

/// All sessions with one other device. A value: operations answer the next one.
#[derive(Clone, Default)]
pub struct Sessions {
    sessions: Vec<Session>,
    /// The highest generation that was written in or begun.
    floor: u32,
    /// The highest generation that was seen.
    highest: u32,
}

coded!(Sessions { sessions, floor, highest });

#[derive(Clone)]
struct Session {
    id: SessionId,
    generation: u32,
    side: Side,
    ratchet: Ratchet,
    begun_at: i64,
    /// When a message was last read in it.
    read_at: Option<i64>,
    /// How many messages were read since the last one was written.
    read: u32,
    /// How many messages were written since the last one was read, and when the first of them was.
    unanswered: u32,
    unanswered_since: i64,
}

coded!(Session {
    id,
    generation,
    side,
    ratchet,
    begun_at,
    read_at,
    read,
    unanswered,
    unanswered_since
});

/// Who began a session, and the header of the handshake: to repeat it, or to know it again.
#[derive(Clone)]
enum Side {
    Initiator(Option<Header>),
    Responder(HeaderHash),
}

coded!(enum Side {
    0 Initiator(first),
    1 Responder(first),
});

#[derive(Clone, Copy, PartialEq)]
struct HeaderHash([u8; 32]);

coded!(HeaderHash = 0);

/// What was read, and what is to be done about it.
#[derive(Clone)]
pub struct Read {
    /// What the other device wrote.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// The state to go on with.
    pub sessions: Sessions,
    /// The handshake's generation is lower than one that is known: a new session is to be begun.
    pub is_outdated: bool,
}

impl Sessions {
    /// Begins a session: the next message is written in it.
    ///
    /// # Errors
    /// [`Error::Key`]: a key of the other device forces the result.
    pub fn begin(
        &self,
        own: &OwnDevice,
        other: &DeviceIdentity,
        prekey: &ClaimedPrekey,
        now: i64,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, Error> {
        let generation = self.highest.checked_add(1).ok_or(Error::TooLong)?;
        let (handshake, header) = Handshake::initiate(own, other, prekey, generation, rng)?;
        let ratchet = Ratchet::initiate(&handshake, now, rng);
        let side = Side::Initiator(Some(header));
        let session = Session::new(handshake.session_id(), generation, side, ratchet, now);
        let mut sessions = self.clone();
        (sessions.highest, sessions.floor) = (generation, generation);
        sessions.sessions.push(session);
        sessions.prune(now);
        Ok(sessions)
    }

    /// Whether there is no session to write in, or the one there is went unanswered for too long.
    pub fn needs_session(&self, now: i64) -> bool {
        self.current().is_none_or(|session| session.is_unanswered(now))
    }

    /// Whether an empty message is owed, so that the other side knows its session confirmed: the first one
    /// was read, or many, or a day has passed, and nothing was written.
    pub fn owes_message(&self, now: i64) -> bool {
        self.current().is_some_and(|session| {
            // So only of a session that the other side began and whose first message was read.
            let never_wrote = session.ratchet.has_not_written();
            let waits = session.read_at.is_some_and(|at| now.saturating_sub(at) >= DAY_MS);
            never_wrote || session.read >= READ_MAX || (session.read > 0 && waits)
        })
    }

    /// Writes to the other device. The envelope may leave when the state is stored.
    ///
    /// # Errors
    /// [`Error::NoKey`]: there is no session; [`Error::TooLong`].
    pub fn encrypt(
        &self,
        plaintext: &[u8],
        now: i64,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Vec<u8>, Self), Error> {
        let id = self.current().ok_or(Error::NoKey)?.id;
        let mut sessions = self.clone();
        let session = sessions.get_mut(id)?;
        let message = session.ratchet.write(plaintext, now, rng)?;
        session.read = 0;
        if session.unanswered == 0 {
            session.unanswered_since = now;
        }
        session.unanswered = session.unanswered.saturating_add(1);
        let envelope = match &session.side {
            Side::Initiator(Some(header)) => Envelope::Prekey(header.clone(), message),
            _ => Envelope::Message(id, message),
        };
        let generation = session.generation;
        sessions.floor = sessions.floor.max(generation);
        Ok((envelope.to_bytes(), sessions))
    }

    /// Reads an envelope in a session that is known. `None`: a handshake that is not, for [`Sessions::accept`].
    ///
    /// # Errors
    /// [`Error::NoKey`]: no session of that id is kept; and those of [`Ratchet::decrypt`].
    pub fn decrypt(&self, envelope: &Envelope, now: i64) -> Result<Option<Read>, Error> {
        let (session, message) = match envelope {
            Envelope::Message(id, message) => {
                let known = self.sessions.iter().find(|session| session.id == *id);
                (known.ok_or(Error::NoKey)?, message)
            }
            Envelope::Prekey(header, message) => {
                let hash = HeaderHash::of(header);
                let known =
                    |session: &&Session| matches!(session.side, Side::Responder(of) if of == hash);
                match self.sessions.iter().find(known) {
                    Some(session) => (session, message),
                    None => return Ok(None),
                }
            }
        };
        let (id, is_outdated) = (session.id, session.generation < self.highest);
        let mut sessions = self.clone();
        let session = sessions.get_mut(id)?;
        let plaintext = session.ratchet.read(message, now)?;
        session.was_read(now);
        sessions.prune(now);
        let is_outdated = is_outdated && matches!(envelope, Envelope::Prekey(..));
        Ok(Some(Read { plaintext, sessions, is_outdated }))
    }

    /// Reads the first message of a session that the other device began with `prekey`. Also answers the `AD` of
    /// the handshake, which is kept beside a fallback prekey: what is in `accepted` is refused.
    ///
    /// # Errors
    /// [`Error::NoKey`]: this handshake was accepted before; and those of [`Handshake::accept`] and
    /// [`Ratchet::accept`].
    pub fn accept(
        &self,
        own: &OwnDevice,
        other: &DeviceIdentity,
        prekey: &Prekey,
        accepted: &[[u8; 32]],
        (header, message): (&Header, &[u8]),
        now: i64,
    ) -> Result<(Read, [u8; 32]), Error> {
        let handshake = Handshake::accept(own, other, prekey, header)?;
        if accepted.contains(&handshake.ad) {
            return Err(Error::NoKey);
        }
        let (plaintext, ratchet) = Ratchet::accept(&handshake, message, now)?;
        let side = Side::Responder(HeaderHash::of(header));
        let generation = header.generation;
        let mut session = Session::new(handshake.session_id(), generation, side, ratchet, now);
        session.was_read(now);
        let mut sessions = self.clone();
        let is_outdated = generation < sessions.highest;
        sessions.highest = sessions.highest.max(generation);
        sessions.sessions.push(session);
        sessions.prune(now);
        Ok((Read { plaintext, sessions, is_outdated }, handshake.ad))
    }

    /// Forgets what was kept for messages passed over before a time, and sessions that are too old to read in.
    pub fn forget_before(&self, time: i64, now: i64) -> Self {
        let mut sessions = self.clone();
        for session in &mut sessions.sessions {
            session.ratchet = session.ratchet.clone().forget_before(time);
        }
        sessions.prune(now);
        sessions
    }

    /// The session that is written in.
    pub fn current_id(&self) -> Option<SessionId> {
        self.current().map(|session| session.id)
    }

    /// How many sessions are kept.
    pub fn count(&self) -> usize {
        self.sessions.len()
    }

    /// The bytes to store.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        encoding::encode_versioned(VERSION, self)
    }

    /// A stored state.
    ///
    /// # Errors
    /// [`Error::Encoding`]: not what [`Sessions::to_bytes`] gives.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        encoding::decode_versioned(VERSION, bytes, STATE_MAX)
    }

    fn current(&self) -> Option<&Session> {
        let able = || self.sessions.iter().filter(|session| session.generation >= self.floor);
        let confirmed = able()
            .filter(|session| session.read_at.is_some())
            .max_by_key(|session| (session.generation, std::cmp::Reverse(session.id)));
        confirmed.or_else(|| {
            able()
                .filter(|session| matches!(session.side, Side::Initiator(_)))
                .max_by_key(|session| session.generation)
        })
    }

    fn get_mut(&mut self, id: SessionId) -> Result<&mut Session, Error> {
        self.sessions.iter_mut().find(|session| session.id == id).ok_or(Error::NoKey)
    }

    /// Keeps what is written in and the superseded ones that were used last.
    fn prune(&mut self, now: i64) {
        let current = self.current_id();
        let young = |session: &Session| {
            now.saturating_sub(session.read_at.unwrap_or(session.begun_at)) < SUPERSEDED_FOR_MS
        };
        self.sessions.retain(|session| Some(session.id) == current || young(session));
        while self.sessions.len() > SUPERSEDED_MAX + 1 {
            let oldest = self
                .sessions
                .iter()
                .enumerate()
                .filter(|(_, session)| Some(session.id) != current)
                .min_by_key(|(_, session)| session.read_at.unwrap_or(session.begun_at));
            let Some((at, _)) = oldest else { return };
            self.sessions.remove(at);
        }
    }
}

impl Session {
    fn new(id: SessionId, generation: u32, side: Side, ratchet: Ratchet, now: i64) -> Self {
        Self {
            id,
            generation,
            side,
            ratchet,
            begun_at: now,
            read_at: None,
            read: 0,
            unanswered: 0,
            unanswered_since: now,
        }
    }

    fn was_read(&mut self, now: i64) {
        self.read_at = Some(now);
        self.read = self.read.saturating_add(1);
        self.unanswered = 0;
        if let Side::Initiator(header) = &mut self.side {
            *header = None;
        }
    }

    fn is_unanswered(&self, now: i64) -> bool {
        let waited = now.saturating_sub(self.unanswered_since);
        self.unanswered >= UNANSWERED_MAX || (self.unanswered > 0 && waited >= UNANSWERED_FOR_MS)
    }
}

impl HeaderHash {
    fn of(header: &Header) -> Self {
        let encoded = encoding::encode(header);
        Self(crate::primitives::kdf::hash("org.sealpost.session.v1 header", &[&encoded]))
    }
}

#[cfg(test)]
mod tests {
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
            let (prekey, object) =
                Prekey::generate(&other.own, Kind::OneTime, &mut other.rng).unwrap();
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

        fn read(
            &mut self,
            from: &Self,
            envelope: &[u8],
            now: i64,
        ) -> Result<(String, bool), Error> {
            let envelope = Envelope::from_bytes(envelope)?;
            let read = match (self.sessions.decrypt(&envelope, now)?, &envelope) {
                (Some(read), _) => read,
                (None, Envelope::Prekey(header, message)) => {
                    let prekey = self.prekeys.iter().find(|prekey| prekey.id == header.prekey);
                    let prekey = prekey.ok_or(Error::NoKey)?;
                    let (other, first) = (from.own.identity(), (header, message.as_slice()));
                    let (read, ad) = self.sessions.accept(
                        &self.own,
                        &other,
                        prekey,
                        &self.accepted,
                        first,
                        now,
                    )?;
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
        assert!(bob.sessions.owes_message(3));
        let answer = bob.write("", 4);
        assert!(!bob.sessions.owes_message(4));
        assert!(answer.len() < 200 && second.len() > 1_088);
        assert_eq!(alice.read(&bob, &answer, 5), read(""));
        assert!(alice.write("third", 6).len() < 200);
        assert_eq!(bob.read(&alice, &lost, 7), read("lost"));
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
        // What the first message owed is paid, on both sides, and silence owes nothing.
        assert!(!bob.sessions.owes_message(9 * A_DAY));
        assert!(!alice.sessions.owes_message(A_DAY));
        assert!(alice.sessions.owes_message(A_DAY + 1));
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
        assert!(bob.sessions.owes_message(3 + A_DAY));
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
        // The old one was read in last at 1.
        assert_eq!(bob.sessions.forget_before(0, 30 * A_DAY).count(), 2);
        let later = bob.sessions.forget_before(0, 30 * A_DAY + 1);
        assert_eq!(later.count(), 1);
        assert_eq!(later.current_id(), bob.sessions.current_id());
        assert_eq!(later.forget_before(0, 99 * A_DAY).current_id(), later.current_id());
        assert_eq!(bob.read(&alice, &old, 200), read("in the old one"));
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
        session.was_read(6);
        assert_eq!(bob.sessions.count(), 5);
        alice.begin(&mut bob, 7);
        let message = alice.write("hello", 7);
        bob.read(&alice, &message, 7).unwrap();
        let kept: Vec<_> = bob.sessions.sessions.iter().map(|session| session.id).collect();
        assert_eq!(kept.len(), 5);
        assert!(kept.contains(&first) && !kept.contains(&second));
    }
}
