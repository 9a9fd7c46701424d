//! What a message of a room is bound to, and its name.
//!
//! ```text
//! aad = labelled("org.sealpost.room.v1 aad", room, sender, device, audience, place)
//! H   = hash("org.sealpost.room.v1 message", aad, header, sealed)      sealed = commitment ‖ ciphertext
//! ```
//!
//! `place` is empty in a direct chat; in a group it is the chain's id and the iteration. **H is the message's
//! id**: signatures, wraps and the event around it are not in it. Relations name it beside the event's id.

use crate::{encoding::coded, primitives::kdf};

/// Where a message belongs, who sends it, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The room.
    pub room_id: &'a str,
    /// The user who sends it: the event's sender.
    pub sender: &'a str,
    /// The sender's device.
    pub device_id: &'a str,
    /// The hash of whom the message is sealed for.
    pub audience: &'a [u8; 32],
}

/// The id of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub [u8; 32]);

coded!(MessageId = 0);

impl Context<'_> {
    /// The authenticated data of a message at a place.
    pub(crate) fn aad(&self, place: &[u8]) -> Vec<u8> {
        let fields: [&[u8]; 5] = [
            self.room_id.as_bytes(),
            self.sender.as_bytes(),
            self.device_id.as_bytes(),
            self.audience,
            place,
        ];
        kdf::labelled("org.sealpost.room.v1 aad", &fields)
    }
}

impl MessageId {
    pub(crate) fn of(aad: &[u8], header: &[u8], sealed: &[u8]) -> Self {
        Self(kdf::hash("org.sealpost.room.v1 message", &[aad, header, sealed]))
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// What another implementation must come to, byte by byte.
    #[test]
    fn a_message_is_bound_to_each_part_of_its_place_behind_its_length() {
        let context =
            Context { room_id: "!room", sender: "@a", device_id: "ONE", audience: &[5; 32] };
        let aad: [&[u8]; 6] = [
            b"\0\0\0\x18org.sealpost.room.v1 aad\0\0\0\x05!room",
            b"\0\0\0\x02@a",
            b"\0\0\0\x03ONE",
            b"\0\0\0\x20",
            &[5; 32],
            b"\0\0\0\x05place",
        ];
        assert_eq!(context.aad(b"place"), aad.concat());
        let named: [&[u8]; 2] = [
            b"\0\0\0\x1corg.sealpost.room.v1 message\0\0\0\x03aad",
            b"\0\0\0\x06header\0\0\0\x06sealed",
        ];
        let id: [u8; 32] = Sha256::digest(named.concat()).into();
        assert_eq!(MessageId::of(b"aad", b"header", b"sealed"), MessageId(id));
    }
}
