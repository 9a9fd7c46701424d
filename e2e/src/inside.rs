//! What a ratchet message holds: a type byte, so that nothing is ever taken for something else.
//!
//! | type | what follows |
//! |---|---|
//! | 0 | nothing: the message confirms its session |
//! | 1 | a wrap of a direct message ([`crate::direct`]) |
//! | 2 | a distribution of a sender key ([`crate::sender_key`]) |

use zeroize::Zeroizing;

use crate::{Error, direct::Wrap, sender_key::Distribution};

/// The plaintext of a ratchet message.
#[derive(Clone)]
pub enum Inside {
    /// Says that its session is known.
    Empty,
    /// Opens a message of a direct chat.
    Wrap(Wrap),
    /// Lets read a group's messages.
    Distribution(Box<Distribution>),
}

impl Inside {
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
}
