//! A ratchet message on the wire.
//!
//! ```text
//! message = [ header: bytes, sealed: bytes ]
//! header  = [ ratchet key: bytes 32, number, previous, random: bytes 16, (carries) ]
//! carries = [0, [encapsulation key: bytes 1184]]  |  [1, [id: bytes 16, ciphertext: bytes 1088]]
//! ```

use crate::{
    Error,
    encoding::{self, Writer, coded},
    primitives::{kdf, kem, part, x25519},
};

/// The longest message in bytes: content of 24 KiB and what stands around it.
pub const LENGTH_MAX: usize = 28 * 1024;
const HEADER_MAX: usize = 2 * 1024;

/// What a message says in clear, and what its sealing is bound to.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The key of the sending chain.
    pub key: x25519::PublicKey,
    /// Its place in the chain.
    pub number: u32,
    /// How many messages the sender's chain before had.
    pub previous: u32,
    /// Fresh for each message, so that a store set back never repeats a key with a nonce.
    pub random: [u8; 16],
    /// The chain's part in a post-quantum re-key, the same in all its messages.
    pub carries: Option<Carried>,
}

coded!(Header { key, number, previous, random, carries });

/// A step of the post-quantum re-key.
#[derive(Clone, Debug, PartialEq)]
pub enum Carried {
    /// A key to encapsulate a secret with.
    Offer(kem::PublicKey),
    /// The secret, encapsulated with the key of this id.
    Answer(OfferId, kem::Ciphertext),
}

coded!(enum Carried {
    0 Offer(first),
    1 Answer(first, second),
});

/// The name of an offered key: the first 16 bytes of `hash("org.sealpost.ratchet.v1 offer", key)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferId([u8; 16]);

coded!(OfferId = 0);

impl OfferId {
    /// The name of a key.
    pub fn of(key: &kem::PublicKey) -> Self {
        Self(part::<0, 16, 32>(&kdf::hash("org.sealpost.ratchet.v1 offer", &[key.as_bytes()])))
    }
}

/// What tells one chain's part in a re-key from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarriedDigest([u8; 16]);

coded!(CarriedDigest = 0);

impl CarriedDigest {
    /// Of what a header carries; zeros for nothing.
    pub fn of(carries: Option<&Carried>) -> Self {
        let Some(carries) = carries else { return Self([0; 16]) };
        let encoded = encoding::encode(carries);
        Self(part::<0, 16, 32>(&kdf::hash("org.sealpost.ratchet.v1 carries", &[&encoded])))
    }
}

/// A message taken apart.
#[derive(Clone, Debug)]
struct Message {
    header: Vec<u8>,
    sealed: Vec<u8>,
}

coded!(Message { header, sealed });

/// Puts a message together.
///
/// # Errors
/// [`Error::TooLong`].
pub fn write(header: Vec<u8>, sealed: Vec<u8>) -> Result<Vec<u8>, Error> {
    let out = Writer::with_room(header.len() + sealed.len() + 16);
    let message = encoding::encode_to(out, &Message { header, sealed });
    if message.len() > LENGTH_MAX { Err(Error::TooLong) } else { Ok(message) }
}

/// Takes a message apart: the header, its bytes and the sealed ones.
///
/// # Errors
/// [`Error::Encoding`].
pub fn read(message: &[u8]) -> Result<(Header, Vec<u8>, Vec<u8>), Error> {
    let Message { header: bytes, sealed } = encoding::decode(message, LENGTH_MAX)?;
    Ok((encoding::decode(&bytes, HEADER_MAX)?, bytes, sealed))
}
