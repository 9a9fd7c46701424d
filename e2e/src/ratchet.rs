//! The Double Ratchet ([specification][1]) with a post-quantum re-key.
//!
//! ```text
//! root', chain = HKDF(salt = root, ikm = DH(own, their) [‖ SS], info = labelled("org.sealpost.ratchet.v1 root"))
//! message key  = HMAC(chain, 0x01)      chain' = HMAC(chain, 0x02)
//! sealed       = seal(message key ‖ 16 random bytes of the header, aad = AD ‖ header)    (primitives::aead)
//! ```
//!
//! A party turns, that is opens a sending chain with a key of its own, when it writes for the first time after
//! the other's newest chain was read. The re-key happens at turns alone, which alternate, so that two of one
//! session cannot cross:
//!
//! ```text
//!    A                                     B
//!    │ due: chain with an offered key ───► │    the key in every header of the chain
//!    │ ◄───── chain whose root has SS too  │    (id, ciphertext) in every header of the chain
//!    │        done                         │
//! ```
//!
//! A state is a value: [`Ratchet::encrypt`] and [`Ratchet::decrypt`] answer the next one, and on an error
//! there is none. What is sent may only leave when the next state is stored.
//!
//! [1]: https://signal.org/docs/specifications/doubleratchet/

mod message;
mod skipped;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use self::{
    message::{Carried, CarriedDigest, Header, OfferId},
    skipped::SkippedKeys,
};
use crate::{
    Error,
    encoding::{self, coded},
    handshake::Handshake,
    primitives::{
        Secret, aead,
        kdf::{self, Label},
        kem, random, x25519,
    },
};

pub use self::message::LENGTH_MAX;

/// The algorithm of letters and of direct chats: its name in events and `device_keys`.
pub const ALGORITHM: &str = "org.sealpost.ratchet.v1";
/// How many messages of one chain may be missing before one that is read.
pub const GAP_MAX: u32 = 2_000;
/// A re-key is due after so many messages, sent and received.
pub const REKEY_MESSAGES: u32 = 50;
/// Or after so many milliseconds: a day.
pub const REKEY_AFTER_MS: i64 = 24 * 60 * 60 * 1_000;

const VERSION: u8 = 1;
const STATE_MAX: usize = 512 * 1024;
const ROOT: Label = "org.sealpost.ratchet.v1 root";
const MESSAGE: Label = "org.sealpost.ratchet.v1 message";

/// One session's state.
#[derive(Clone)]
pub struct Ratchet {
    ad: [u8; 32],
    root: Secret,
    sending: Sending,
    receiving: Option<Receiving>,
    rekeyed: Rekeyed,
    skipped: SkippedKeys,
}

coded!(Ratchet { ad, root, sending, receiving, rekeyed, skipped });

#[derive(Clone)]
enum Sending {
    /// The next message turns. Kept is the length of the chain before.
    Turn(u32),
    Open(SendingChain),
}

coded!(enum Sending {
    0 Turn(first),
    1 Open(first),
});

#[derive(Clone)]
struct SendingChain {
    private: x25519::PrivateKey,
    public: x25519::PublicKey,
    chain: Chain,
    /// The length of the chain before.
    previous: u32,
    rekey: Rekey,
}

coded!(SendingChain { private, public, chain, previous, rekey });

/// A sending chain's part in a re-key.
#[derive(Clone)]
enum Rekey {
    Rest,
    /// A key is offered; the other's next chain must answer.
    Offered(kem::PrivateKey),
    /// The other's offer was answered.
    Answered(OfferId, kem::Ciphertext),
}

coded!(enum Rekey {
    0 Rest,
    1 Offered(first),
    2 Answered(first, second),
});

#[derive(Clone)]
struct Receiving {
    their: x25519::PublicKey,
    chain: Chain,
    carried: CarriedDigest,
    /// An offer that our next chain must answer.
    offer: Option<kem::PublicKey>,
}

coded!(Receiving { their, chain, carried, offer });

#[derive(Clone)]
struct Chain {
    key: Secret,
    next: u32,
}

coded!(Chain { key, next });

/// What has been since the last re-key.
#[derive(Clone, Copy, Debug)]
struct Rekeyed {
    at: i64,
    messages: u32,
}

coded!(Rekeyed { at, messages });

impl Ratchet {
    /// The initiator's state after its handshake; it can write at once. `now` in milliseconds.
    pub fn initiate(handshake: &Handshake, now: i64, rng: &mut dyn CryptoRng) -> Self {
        let private = x25519::PrivateKey::generate(rng);
        let sending = SendingChain {
            public: private.public(),
            private,
            chain: Chain::new(handshake.chain.clone()),
            previous: 0,
            rekey: Rekey::Rest,
        };
        Self {
            ad: handshake.ad,
            root: handshake.root.clone(),
            sending: Sending::Open(sending),
            receiving: None,
            rekeyed: Rekeyed { at: now, messages: 0 },
            skipped: SkippedKeys::default(),
        }
    }

    /// The responder's state after the first message that arrived, and what that message says.
    ///
    /// # Errors
    /// As [`Ratchet::decrypt`].
    pub fn accept(
        handshake: &Handshake,
        message: &[u8],
        now: i64,
    ) -> Result<(Zeroizing<Vec<u8>>, Self), Error> {
        let (header, ..) = message::read(message)?;
        let receiving = Receiving {
            their: header.key,
            chain: Chain::new(handshake.chain.clone()),
            carried: CarriedDigest::of(None),
            offer: None,
        };
        let state = Self {
            ad: handshake.ad,
            root: handshake.root.clone(),
            sending: Sending::Turn(0),
            receiving: Some(receiving),
            rekeyed: Rekeyed { at: now, messages: 0 },
            skipped: SkippedKeys::default(),
        };
        state.decrypt(message, now)
    }

    /// Seals a message. It may leave when the state that comes with it is stored.
    ///
    /// # Errors
    /// [`Error::TooLong`]; [`Error::Key`] if the other's key forces the result of a turn.
    pub fn encrypt(
        &self,
        plaintext: &[u8],
        now: i64,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Vec<u8>, Self), Error> {
        let mut state = self.clone();
        let message = state.write(plaintext, now, rng)?;
        Ok((message, state))
    }

    /// The same in place: after an error, what is here is of no use.
    pub(crate) fn write(
        &mut self,
        plaintext: &[u8],
        now: i64,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, Error> {
        if let Sending::Turn(previous) = self.sending {
            self.sending = Sending::Open(self.turn(previous, now, rng)?);
        }
        let Sending::Open(sending) = &mut self.sending else { return Err(Error::Order) };
        let (number, key) = sending.chain.advance()?;
        let header = Header {
            key: sending.public,
            number,
            previous: sending.previous,
            random: random(rng),
            carries: sending.rekey.carried(),
        };
        let bytes = encoding::encode(&header);
        let aad = [&self.ad, bytes.as_slice()].concat();
        let sealed = aead::seal(MESSAGE, &[&*key, &header.random], &aad, plaintext)?;
        self.rekeyed.messages = self.rekeyed.messages.saturating_add(1);
        message::write(bytes, sealed)
    }

    /// Opens a message. The state that comes with it replaces this one.
    ///
    /// # Errors
    /// [`Error::Encoding`], [`Error::Authentication`]: not a message of this session as it was sent.
    /// [`Error::NoKey`]: read before; of an older chain, such a message looks like a turn that does not follow
    /// and is one of the other errors. [`Error::Gap`]: too much is missing before it. [`Error::Order`]: a turn or
    /// a re-key that does not follow. [`Error::Key`]: a key in it forces the result.
    pub fn decrypt(&self, message: &[u8], now: i64) -> Result<(Zeroizing<Vec<u8>>, Self), Error> {
        let mut state = self.clone();
        let plaintext = state.read(message, now)?;
        Ok((plaintext, state))
    }

    /// The same in place: after an error, what is here is of no use.
    pub(crate) fn read(&mut self, message: &[u8], now: i64) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (header, bytes, sealed) = message::read(message)?;
        let aad = [&self.ad, bytes.as_slice()].concat();
        let open = |key: &Secret| {
            aead::open(MESSAGE, &[&**key, &header.random], &aad, &sealed).map(Zeroizing::new)
        };
        if let Some(key) = self.skipped.find(&header.key, header.number) {
            let plaintext = open(key)?;
            self.skipped.remove(&header.key, header.number);
            return Ok(plaintext);
        }
        let mut receiving = match self.receiving.take() {
            Some(receiving) if receiving.their == header.key => {
                if receiving.carried != CarriedDigest::of(header.carries.as_ref()) {
                    return Err(Error::Order);
                }
                receiving
            }
            before => self.follow(before, &header, now)?,
        };
        self.pass_over(&mut receiving, header.number, now)?;
        let (_, key) = receiving.chain.advance()?;
        let plaintext = open(&key)?;
        self.receiving = Some(receiving);
        self.rekeyed.messages = self.rekeyed.messages.saturating_add(1);
        self.skipped.bound();
        Ok(plaintext)
    }

    /// Without the keys of messages that were passed over before a time in milliseconds.
    pub fn forget_before(mut self, time: i64) -> Self {
        self.skipped.forget_before(time);
        self
    }

    /// How many messages were passed over whose keys are kept.
    pub fn missing(&self) -> usize {
        self.skipped.count()
    }

    /// Whether nothing was ever written from this side.
    pub fn has_not_written(&self) -> bool {
        matches!(self.sending, Sending::Turn(0))
    }

    /// The bytes to store.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        encoding::encode_versioned(VERSION, self)
    }

    /// A stored state.
    ///
    /// # Errors
    /// [`Error::Encoding`]: not what [`Ratchet::to_bytes`] gives.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        encoding::decode_versioned(VERSION, bytes, STATE_MAX)
    }

    /// Opens a sending chain, in answer to the other's newest one.
    fn turn(
        &mut self,
        previous: u32,
        now: i64,
        rng: &mut dyn CryptoRng,
    ) -> Result<SendingChain, Error> {
        let receiving = self.receiving.as_mut().ok_or(Error::Order)?;
        let private = x25519::PrivateKey::generate(rng);
        let agreed = private.agree(&receiving.their)?;
        let (rekey, secret) = match receiving.offer.take() {
            Some(offer) => {
                let (ciphertext, secret) = offer.encapsulate(rng);
                self.rekeyed = Rekeyed { at: now, messages: 0 };
                (Rekey::Answered(OfferId::of(&offer), ciphertext), Some(secret))
            }
            None if self.rekeyed.is_due(now) => {
                (Rekey::Offered(kem::PrivateKey::generate(rng)), None)
            }
            None => (Rekey::Rest, None),
        };
        let chain = self.step(&agreed, secret.as_ref());
        Ok(SendingChain { public: private.public(), private, chain, previous, rekey })
    }

    /// Follows the other's turn to a new receiving chain.
    fn follow(
        &mut self,
        before: Option<Receiving>,
        header: &Header,
        now: i64,
    ) -> Result<Receiving, Error> {
        // It can only turn in answer to our newest chain.
        let Sending::Open(sending) = &self.sending else { return Err(Error::Order) };
        let agreed = sending.private.agree(&header.key)?;
        let secret = match (&sending.rekey, &header.carries) {
            (Rekey::Offered(offered), Some(Carried::Answer(id, ciphertext)))
                if *id == OfferId::of(&offered.public()) =>
            {
                Some(offered.decapsulate(ciphertext))
            }
            (Rekey::Offered(_), _) | (_, Some(Carried::Answer(..))) => return Err(Error::Order),
            _ => None,
        };
        let sent = sending.chain.next;
        match before {
            Some(mut before) => self.pass_over(&mut before, header.previous, now)?,
            None if header.previous == 0 => {}
            None => return Err(Error::Order),
        }
        if secret.is_some() {
            self.rekeyed = Rekeyed { at: now, messages: 0 };
        }
        let chain = self.step(&agreed, secret.as_ref());
        self.sending = Sending::Turn(sent);
        Ok(Receiving {
            their: header.key,
            chain,
            carried: CarriedDigest::of(header.carries.as_ref()),
            offer: match &header.carries {
                Some(Carried::Offer(key)) => Some(key.clone()),
                _ => None,
            },
        })
    }

    /// Keeps the keys of a chain's messages up to a number.
    fn pass_over(&mut self, receiving: &mut Receiving, until: u32, now: i64) -> Result<(), Error> {
        let gap = until.checked_sub(receiving.chain.next).ok_or(Error::NoKey)?;
        if gap > GAP_MAX {
            return Err(Error::Gap);
        }
        for _ in 0..gap {
            let (number, key) = receiving.chain.advance()?;
            self.skipped.keep(receiving.their, number, key, now);
        }
        Ok(())
    }

    /// Moves the root on; answers a new chain.
    fn step(&mut self, agreed: &Secret, secret: Option<&Secret>) -> Chain {
        let encapsulated: &[u8] = secret.map_or(&[], |secret| &**secret);
        let keys = kdf::derive::<64>(&self.root, &[&**agreed, encapsulated], ROOT, &[]);
        self.root = Secret::part_of::<0, 64>(&keys);
        Chain::new(Secret::part_of::<32, 64>(&keys))
    }
}

impl Chain {
    fn new(key: Secret) -> Self {
        Self { key, next: 0 }
    }

    /// The next message's number and key.
    fn advance(&mut self) -> Result<(u32, Secret), Error> {
        let number = self.next;
        self.next = number.checked_add(1).ok_or(Error::TooLong)?;
        let (message, next) = kdf::steps(&self.key);
        self.key = next;
        Ok((number, message))
    }
}

impl Rekey {
    fn carried(&self) -> Option<Carried> {
        match self {
            Self::Rest => None,
            Self::Offered(key) => Some(Carried::Offer(key.public())),
            Self::Answered(id, ciphertext) => Some(Carried::Answer(*id, ciphertext.clone())),
        }
    }
}

impl Rekeyed {
    fn is_due(self, now: i64) -> bool {
        self.messages >= REKEY_MESSAGES || now.saturating_sub(self.at) >= REKEY_AFTER_MS
    }
}

#[cfg(test)]
mod tests;
