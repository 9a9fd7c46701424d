//! What a ratchet message holds: a type byte, so that nothing is ever taken for something else.
//!
//! | type | what follows |
//! |---|---|
//! | 0 | nothing: the message confirms its session |
//! | 1 | a wrap of a direct message ([`crate::direct`]) |
//! | 2 | a distribution of a sender key ([`crate::sender_key`]) |
//! | 3 | `[ [user id, device id, Ed25519: bytes 32, signature: bytes 64] … ]`: devices that were removed |
//! | 4 | `[room id, [0, [chain id: bytes 16, iteration]] or [1, [message id: bytes 32]]]`: asks for a missing key |
//! | 5 | `[name, value: bytes]`: a secret, between devices of one user |
//! | 6 | JSON: where the keys of a room's history are |
//! | 7 | pins ([`crate::pins`]), between devices of one user |

use zeroize::Zeroizing;

use crate::{
    Error,
    direct::Wrap,
    encoding::{self, coded},
    identity::Removal,
    pins::Pins,
    room_message::MessageId,
    sender_key::{ChainId, Distribution},
};

const LENGTH_MAX: usize = 24 * 1024;

/// The plaintext of a ratchet message.
#[derive(Clone)]
pub enum Inside {
    /// Says that its session is known.
    Empty,
    /// Opens a message of a direct chat.
    Wrap(Wrap),
    /// Lets read a group's messages.
    Distribution(Box<Distribution>),
    /// Devices that are never believed again.
    Removals(Vec<Removal>),
    /// Asks the author of a message for what opens it.
    Missing(Missing),
    /// A private key that own devices share.
    Secret(SharedSecret),
    /// Where the keys of a room's history are, as JSON.
    History(Zeroizing<Vec<u8>>),
    /// What another own device believes.
    Pins(Pins),
}

/// What a device asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The room of the message.
    pub room_id: String,
    /// What is missing.
    pub what: MissingKey,
}

coded!(Missing { room_id, what });

/// Which key is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MissingKey {
    /// A chain, from an iteration on.
    Chain(ChainId, u32),
    /// The wrap of a message.
    Message(MessageId),
}

coded!(enum MissingKey {
    0 Chain(first, second),
    1 Message(first),
});

/// A private key by the name that it has in secret storage.
#[derive(Clone)]
pub struct SharedSecret {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub value: Vec<u8>,
}

coded!(SharedSecret { name, value });

impl Drop for SharedSecret {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.value);
    }
}

impl Inside {
    /// Whether an encoded one holds what only who is vouched for may be given.
    pub(crate) fn is_secret(plaintext: &[u8]) -> bool {
        matches!(plaintext.first(), Some(1 | 2 | 5..))
    }

    /// The plaintext to seal.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let with = |kind: u8, rest: &[u8]| {
            let mut bytes = Zeroizing::new(Vec::with_capacity(rest.len() + 1));
            bytes.push(kind);
            bytes.extend_from_slice(rest);
            bytes
        };
        Ok(match self {
            Self::Empty => with(0, &[]),
            Self::Wrap(wrap) => with(1, &*wrap.to_bytes()),
            Self::Distribution(distribution) => with(2, &distribution.to_bytes()?),
            Self::Removals(removals) => with(3, &encoding::encode(removals)),
            Self::Missing(missing) => with(4, &encoding::encode(missing)),
            Self::Secret(secret) => with(5, &Zeroizing::new(encoding::encode(secret))),
            Self::History(json) => with(6, json),
            Self::Pins(pins) => with(7, &encoding::encode(pins)),
        })
    }

    /// Reads an opened plaintext.
    ///
    /// # Errors
    /// [`Error::Encoding`]: of no type that is known, or not of its type's form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        match bytes.split_first() {
            Some((0, [])) => Ok(Self::Empty),
            Some((1, wrap)) => {
                let wrap = wrap.try_into().map_err(|_| Error::Encoding)?;
                Ok(Self::Wrap(Wrap::from_bytes(wrap)))
            }
            Some((2, distribution)) => {
                Distribution::from_bytes(distribution).map(|one| Self::Distribution(Box::new(one)))
            }
            Some((3, rest)) => encoding::decode(rest, LENGTH_MAX).map(Self::Removals),
            Some((4, rest)) => encoding::decode(rest, 1024).map(Self::Missing),
            Some((5, rest)) => encoding::decode(rest, 1024).map(Self::Secret),
            Some((6, rest)) if rest.len() <= LENGTH_MAX => {
                Ok(Self::History(Zeroizing::new(rest.to_vec())))
            }
            Some((7, rest)) => encoding::decode(rest, LENGTH_MAX).map(Self::Pins),
            _ => Err(Error::Encoding),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        sender_key::OwnChain,
        tests::{device, rng},
    };

    #[test]
    fn each_type_is_read_as_itself_only() {
        let chain = OwnChain::begin(&device("@alice:a.test", "A"), "!r:a.test", 0, &mut rng(1));
        let wrap = Wrap::from_bytes(&[3; 64]);
        for inside in
            [Inside::Empty, Inside::Wrap(wrap), Inside::Distribution(chain.distribution().into())]
        {
            let bytes = inside.to_bytes().unwrap();
            let again = Inside::from_bytes(&bytes).unwrap().to_bytes().unwrap();
            assert!(again == bytes);
            for kind in (0..4).filter(|kind| *kind != bytes[0]) {
                let mut other = bytes.to_vec();
                other[0] = kind;
                assert!(Inside::from_bytes(&other).is_err(), "{} as {kind}", bytes[0]);
            }
        }
        assert!(Inside::from_bytes(&[]).is_err());
        assert!(Inside::from_bytes(&[0, 0]).is_err());
    }

    /// What another implementation must come to, and how long each may be.
    #[test]
    fn each_type_has_its_number_and_form() {
        let removal = Removal::sign(
            &device("@a", "ONE").identity(),
            &crate::primitives::ed25519::PrivateKey::generate(&mut rng(1)),
        );
        let chain = MissingKey::Chain(ChainId([8; 16]), 300);
        let message = MissingKey::Message(MessageId([9; 32]));
        let missing = |what| Inside::Missing(Missing { room_id: "!r".to_owned(), what });
        let secret = SharedSecret { name: "s".to_owned(), value: vec![1, 2] };
        let wrap = Wrap::from_bytes(&[3; 64]);
        let begins: [(Inside, &[u8], usize); 8] = [
            (Inside::Empty, &[0], 1),
            (Inside::Wrap(wrap), &[1, 3, 3], 65),
            (Inside::Removals(vec![removal]), &[3, 0x81, 0x84, 0x62, b'@', b'a', 0x63, b'O'], 110),
            (missing(chain), &[4, 0x82, 0x62, b'!', b'r', 0x82, 0, 0x82, 0x50, 8], 28),
            (missing(message), &[4, 0x82, 0x62, b'!', b'r', 0x82, 1, 0x81, 0x58, 32, 9], 42),
            (Inside::Secret(secret), &[5, 0x82, 0x61, b's', 0x42, 1, 2], 7),
            (Inside::History(Zeroizing::new(b"{}".to_vec())), b"\x06{}", 3),
            (Inside::Pins(Pins::default()), &[7, 0x83, 0x80, 0x80, 0x80], 5),
        ];
        for (inside, begin, length) in begins {
            let bytes = inside.to_bytes().unwrap();
            assert!(bytes.starts_with(begin) && bytes.len() == length, "{bytes:?}");
            let again = Inside::from_bytes(&bytes).unwrap();
            assert_eq!(std::mem::discriminant(&again), std::mem::discriminant(&inside));
            assert!(again.to_bytes().unwrap() == bytes);
        }
        assert!(Inside::from_bytes(&[8]).is_err());
        let history = |length: usize| Inside::from_bytes(&[&[6], &vec![b'x'; length][..]].concat());
        assert!(history(24_576).is_ok());
        assert!(history(24_577).is_err());
        let rooms = |count: usize| {
            let pins = Pins { rooms: vec!["x".repeat(255); count], ..Pins::default() };
            Inside::from_bytes(&Inside::Pins(pins).to_bytes().unwrap())
        };
        assert!(rooms(95).is_ok() && rooms(96).is_err());
    }
}
