//! Messages of a direct chat: sealed once with a fresh content key, which the ratchet carries to each device.
//!
//! ```text
//! sealed  = seal(content key, aad)          (primitives::aead, room_message with an empty place and header)
//! message = 0x01 ‖ sealed
//! wrap    = content key 32 ‖ H 32           inside a ratchet message, see `inside`
//! ```
//!
//! A wrap names the message that it opens. So who holds a content key, as every reader does, cannot put other
//! words under it: H is computed again before anything is shown.

use rand_core::CryptoRng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{
    Error,
    primitives::{Secret, aead, kdf::Label, part, random},
    room_message::{Context, MessageId},
};

const VERSION: u8 = 1;
const SEALED_MAX: usize = 32 * 1024;
const CONTENT: Label = "org.sealpost.direct.v1 content";

/// What opens one message: its content key, and which message that is. Secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Wrap {
    key: Secret,
    /// The message that it opens.
    pub id: MessageId,
}

impl Wrap {
    /// How many bytes a wrap has.
    pub const LENGTH: usize = 64;

    /// The bytes for the inside of a ratchet message.
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::LENGTH]> {
        let mut bytes = Zeroizing::new([0; Self::LENGTH]);
        let fields = self.key.iter().chain(&self.id.0);
        bytes.iter_mut().zip(fields).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// Reads what came inside a ratchet message.
    pub fn from_bytes(bytes: &[u8; Self::LENGTH]) -> Self {
        Self { key: Secret::part_of::<0, 64>(bytes), id: MessageId(part::<32, 32, 64>(bytes)) }
    }
}

/// Seals padded content. The wrap goes to every device of the audience.
///
/// # Errors
/// [`Error::TooLong`].
pub fn seal(
    context: &Context<'_>,
    padded: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<(Vec<u8>, Wrap), Error> {
    let key = Secret::new(random(rng));
    let aad = context.aad(&[]);
    let sealed = aead::seal(CONTENT, &[&*key], &aad, padded)?;
    if sealed.len() > SEALED_MAX {
        return Err(Error::TooLong);
    }
    let id = MessageId::of(&aad, &[], &sealed);
    Ok(([&[VERSION], sealed.as_slice()].concat(), Wrap { key, id }))
}

/// The id of a message, before anything in it is believed: what its wrap is found by.
///
/// # Errors
/// [`Error::Encoding`]: no message of this version.
pub fn id(context: &Context<'_>, message: &[u8]) -> Result<MessageId, Error> {
    match message.split_first() {
        Some((&VERSION, sealed)) if sealed.len() <= SEALED_MAX => {
            Ok(MessageId::of(&context.aad(&[]), &[], sealed))
        }
        _ => Err(Error::Encoding),
    }
}

/// Opens the message that the `wrap` names; answers the padded content. The wrap must have come in a session with
/// the device that the `context` names.
///
/// # Errors
/// [`Error::Encoding`]: no message of this version. [`Error::Authentication`]: not the message that was wrapped, or
/// for another room, sender, device or audience.
pub fn open(
    context: &Context<'_>,
    message: &[u8],
    wrap: &Wrap,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let Some((&VERSION, sealed)) = message.split_first() else { return Err(Error::Encoding) };
    if sealed.len() > SEALED_MAX {
        return Err(Error::Encoding);
    }
    let aad = context.aad(&[]);
    let id = MessageId::of(&aad, &[], sealed);
    if !bool::from(id.0.ct_eq(&wrap.id.0)) {
        return Err(Error::Authentication);
    }
    aead::open(CONTENT, &[&*wrap.key], &aad, sealed).map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::rng;

    const CONTEXT: Context<'static> = Context {
        room_id: "!room:a.test",
        sender: "@alice:a.test",
        device_id: "LAPTOP",
        audience: &[5; 32],
    };

    #[test]
    fn the_wrapped_message_is_opened() {
        let (message, wrap) = seal(&CONTEXT, b"padded", &mut rng(1)).unwrap();
        let wrap = Wrap::from_bytes(&wrap.to_bytes());
        assert_eq!(*open(&CONTEXT, &message, &wrap).unwrap(), b"padded");
    }

    #[test]
    fn a_message_is_bound_to_room_sender_device_and_audience() {
        let (message, wrap) = seal(&CONTEXT, b"padded", &mut rng(1)).unwrap();
        for wrong in [
            Context { room_id: "!other:a.test", ..CONTEXT },
            Context { sender: "@mallory:a.test", ..CONTEXT },
            Context { device_id: "TABLET", ..CONTEXT },
            Context { audience: &[6; 32], ..CONTEXT },
        ] {
            assert_eq!(open(&wrong, &message, &wrap), Err(Error::Authentication), "{wrong:?}");
        }
        for at in 0..message.len() {
            let mut changed = message.clone();
            changed[at] ^= 1;
            assert!(open(&CONTEXT, &changed, &wrap).is_err(), "{at}");
        }
    }

    #[test]
    fn other_words_under_a_known_key_are_refused() {
        let (_, wrap) = seal(&CONTEXT, b"padded", &mut rng(1)).unwrap();
        let aad = CONTEXT.aad(&[]);
        let other = aead::seal(CONTENT, &[&*wrap.key], &aad, b"others").unwrap();
        let message = [&[VERSION], other.as_slice()].concat();
        assert_eq!(open(&CONTEXT, &message, &wrap), Err(Error::Authentication));
    }

    #[test]
    fn a_message_is_found_by_its_id_and_has_a_length_and_a_version() {
        let mut padded = vec![7; 32 * 1024 - aead::OVERHEAD];
        let (message, wrap) = seal(&CONTEXT, &padded, &mut rng(1)).unwrap();
        assert_eq!(id(&CONTEXT, &message), Ok(wrap.id));
        assert_eq!(*open(&CONTEXT, &message, &wrap).unwrap(), padded);
        let longer = [message.as_slice(), &[0]].concat();
        let later = [&[2], &message[1..]].concat();
        for refused in [longer.as_slice(), &later, &[]] {
            assert_eq!(id(&CONTEXT, refused), Err(Error::Encoding));
            assert_eq!(open(&CONTEXT, refused, &wrap), Err(Error::Encoding));
        }
        padded.push(7);
        assert_eq!(seal(&CONTEXT, &padded, &mut rng(1)).map(|_| ()), Err(Error::TooLong));
    }
}
