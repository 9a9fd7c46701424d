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
//! as soon as each has read what the other wrote. Superseded sessions only read: four at most, for 30 days from when
//! another took their place, whatever is read in them.
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
    /// The highest generation that was written in or begun: none below it is written in.
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
    /// When the first message that says something was read since one was written.
    read_since: Option<i64>,
    /// Since when another one is written in.
    superseded_at: Option<i64>,
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
    unanswered_since,
    read_since,
    superseded_at
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

    /// Has the next message begin a new session, whatever there is: this state was set back to an earlier one. What
    /// there is reads on.
    pub fn give_up(&self, now: i64) -> Self {
        let mut sessions = self.clone();
        sessions.floor = sessions.highest.saturating_add(1);
        sessions.prune(now);
        sessions
    }

    /// Whether an empty message is owed, so that the other side knows its session confirmed and the ratchet turns: the
    /// first one was read, or many, or one a day ago, and nothing was written since. Empty ones of the other side begin
    /// no such day: two that are silent stay so.
    pub fn owes_message(&self, now: i64) -> bool {
        self.current().is_some_and(|session| {
            // So only of a session that the other side began and whose first message was read.
            let never_wrote = session.ratchet.has_not_written();
            let waits = session.read_since.is_some_and(|at| now.saturating_sub(at) >= DAY_MS);
            never_wrote || session.read >= READ_MAX || waits
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
        (session.read, session.read_since) = (0, None);
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
        session.was_read(&plaintext, now);
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
        session.was_read(&plaintext, now);
        let mut sessions = self.clone();
        let is_outdated = generation < sessions.highest;
        sessions.highest = sessions.highest.max(generation);
        sessions.sessions.push(session);
        sessions.prune(now);
        Ok((Read { plaintext, sessions, is_outdated }, handshake.ad))
    }

    /// Forgets what was kept for messages passed over before a time, and sessions that are too old to read in. To be
    /// done now and then, also where nothing is read or written.
    pub fn forget_before(&self, time: i64, now: i64) -> Self {
        let mut sessions = self.clone();
        for session in &mut sessions.sessions {
            session.ratchet = session.ratchet.clone().forget_before(time);
        }
        sessions.prune(now);
        sessions
    }

    /// How many messages were passed over whose keys are kept.
    pub fn missing(&self) -> usize {
        self.sessions.iter().map(|session| session.ratchet.missing()).sum()
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
        for session in &mut self.sessions {
            // No later than now: a clock that was ahead keeps nothing longer.
            let since = session.superseded_at.unwrap_or(now).min(now);
            session.superseded_at = (Some(session.id) != current).then_some(since);
        }
        self.sessions.retain(|session| {
            session.superseded_at.is_none_or(|at| now.saturating_sub(at) < SUPERSEDED_FOR_MS)
        });
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
            read_since: None,
            superseded_at: None,
        }
    }

    fn was_read(&mut self, plaintext: &[u8], now: i64) {
        self.read_at = Some(now);
        // An empty message is its type byte.
        if plaintext.len() > 1 {
            self.read_since = self.read_since.or(Some(now));
        }
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
mod tests;
