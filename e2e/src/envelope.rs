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
    encoding::{self, Writer, coded},
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
        let room = match self {
            Self::Prekey(_, message) => message.len() + 1_200,
            Self::Message(_, message) => message.len() + 32,
        };
        let mut out = Writer::with_room(room);
        out.push(VERSION);
        encoding::encode_to(out, self)
    }

    /// Reads what arrived.
    ///
    /// # Errors
    /// [`Error::Encoding`], also for a later version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        encoding::decode_versioned(VERSION, bytes, LENGTH_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{prekeys::KeyId, primitives::kem, tests::device};

    #[test]
    fn an_envelope_says_which_session_or_how_to_come_to_one() {
        let message = Envelope::Message(SessionId([5; 16]), vec![1, 2]);
        let bytes = [&[1, 0x82, 1, 0x82, 0x50][..], &[5; 16], &[0x42, 1, 2]].concat();
        assert_eq!(message.to_bytes(), bytes);
        assert_eq!(Envelope::from_bytes(&bytes), Ok(message));
        let (ephemeral, kem) =
            (device("@a", "ONE").x25519.public(), kem::PrivateKey::from_bytes(&[3; 64]));
        let (ciphertext, _) = kem.public().encapsulate_with([4; 32]);
        let header = Header { prekey: KeyId([6; 8]), generation: 7, ephemeral, ciphertext };
        let prekey = Envelope::Prekey(header.clone(), vec![1, 2]);
        let bytes: [&[u8]; 7] = [
            &[1, 0x82, 0, 0x82, 0x84, 0x48],
            &[6; 8],
            &[7, 0x58, 32],
            ephemeral.as_bytes(),
            &[0x59, 0x04, 0x40],
            header.ciphertext.as_bytes(),
            &[0x42, 1, 2],
        ];
        assert_eq!(prekey.to_bytes(), bytes.concat());
        assert_eq!(Envelope::from_bytes(&bytes.concat()), Ok(prekey));
        let later = [&[2], &bytes.concat()[1..]].concat();
        assert_eq!(Envelope::from_bytes(&later), Err(Error::Encoding));
        // The longest message of a ratchet goes into either, and no longer envelope is read.
        let longest = Envelope::Prekey(header, vec![0; ratchet::LENGTH_MAX]);
        assert_eq!(Envelope::from_bytes(&longest.to_bytes()).as_ref(), Ok(&longest));
        let filled = |length: usize| {
            Envelope::from_bytes(&Envelope::Message(SessionId([5; 16]), vec![0; length]).to_bytes())
        };
        assert!(filled(LENGTH_MAX - 23).is_ok());
        assert_eq!(filled(LENGTH_MAX - 22), Err(Error::Encoding));
        assert_eq!(LENGTH_MAX, 29_872);
    }
}
