//! What goes between two devices, inside `m.room.encrypted` to-device content or as a wrap inside an event.
//!
//! ```text
//! envelope = 0x01 ‖ ( [0, [[prekey id: bytes 8, generation, ephemeral: bytes 32, ciphertext: bytes 1088], message: bytes]]
//!                   | [1, [session id: bytes 16, message: bytes]] )
//! ```
//!
//! Base64 is applied once, around the whole.

use crate::{
    Error,
    encoding::{self, coded},
    handshake::{Header, SessionId},
    ratchet,
};

const VERSION: u8 = 1;
/// The longest envelope in bytes.
pub const LENGTH_MAX: usize = ratchet::LENGTH_MAX + 1_200;

/// A ratchet message, and how the other side finds its session.
#[derive(Clone, Debug, PartialEq)]
pub enum Envelope {
    /// From a side that was not answered yet: what the other needs to come to the same session.
    Prekey(Header, Vec<u8>),
    /// In a session that both sides know.
    Message(SessionId, Vec<u8>),
}

coded!(enum Envelope {
    0 Prekey(first, second),
    1 Message(first, second),
});

impl Envelope {
    /// The bytes that travel.
    pub fn to_bytes(&self) -> Vec<u8> {
        std::mem::take(&mut *encoding::encode_versioned(VERSION, self))
    }

    /// Reads what arrived.
    ///
    /// # Errors
    /// [`Error::Encoding`], also for a later version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        encoding::decode_versioned(VERSION, bytes, LENGTH_MAX)
    }
}
