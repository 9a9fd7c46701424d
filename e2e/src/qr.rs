//! Verification by QR code: what is in the code (specification, client-server API: "QR codes").
//!
//! ```text
//! "MATRIX" ‖ 0x02 ‖ mode ‖ u16be(length of the id) ‖ id ‖ first key 32 ‖ second key 32 ‖ secret, all that is left
//!
//! mode  first key                      second key
//!   0   the shower's master key        the other user's master key, as the shower knows it
//!   1   the user's master key          the other device's Ed25519, as the shower knows it
//!   2   the shower's device's Ed25519  the user's master key, as the server tells it
//! ```
//!
//! Whoever scans it compares both keys with what is known on that side, and proves by the secret that it scanned.

use zeroize::Zeroizing;

use crate::{Error, primitives::part};

const MAGIC: &[u8; 6] = b"MATRIX";
const VERSION: u8 = 2;
/// What the secret may have: less could be guessed, more is no code that a client shows.
const SECRET_MIN: usize = 8;
const SECRET_MAX: usize = 256;

/// Who is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Another user.
    User = 0,
    /// An own device, shown by one that believes the master key.
    OwnTrusted = 1,
    /// An own device, shown by one that does not believe the master key yet.
    OwnUntrusted = 2,
}

/// What a code says.
#[derive(Clone)]
pub struct QrCode {
    /// Who is verified.
    pub mode: Mode,
    /// The transaction id of the verification.
    pub transaction_id: String,
    /// See the module.
    pub first: [u8; 32],
    /// See the module.
    pub second: [u8; 32],
    /// Proves that the code was scanned.
    pub secret: Zeroizing<Vec<u8>>,
}

impl QrCode {
    /// The bytes of the code: one segment of byte mode.
    ///
    /// # Errors
    /// [`Error::TooLong`]: an id of more than 65,535 bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let id = self.transaction_id.as_bytes();
        let length = u16::try_from(id.len()).map_err(|_| Error::TooLong)?.to_be_bytes();
        let head = [VERSION, self.mode as u8];
        Ok([&MAGIC[..], &head, &length, id, &self.first, &self.second, &self.secret].concat())
    }

    /// Reads what a camera saw.
    ///
    /// # Errors
    /// [`Error::Encoding`]: no such code, of another version, or with a secret that is too short or too long.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(Error::Encoding)?;
        let ([version, mode, high, low], rest) = rest.split_first_chunk().ok_or(Error::Encoding)?;
        if *version != VERSION {
            return Err(Error::Encoding);
        }
        let mode = match mode {
            0 => Mode::User,
            1 => Mode::OwnTrusted,
            2 => Mode::OwnUntrusted,
            _ => return Err(Error::Encoding),
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (id, rest) = rest.split_at_checked(length).ok_or(Error::Encoding)?;
        let transaction_id = String::from_utf8(id.to_vec()).map_err(|_| Error::Encoding)?;
        let (keys, secret) = rest.split_first_chunk::<64>().ok_or(Error::Encoding)?;
        if !(SECRET_MIN..=SECRET_MAX).contains(&secret.len()) {
            return Err(Error::Encoding);
        }
        Ok(Self {
            mode,
            transaction_id,
            first: part::<0, 32, 64>(keys),
            second: part::<32, 32, 64>(keys),
            secret: Zeroizing::new(secret.to_vec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification, whose dots are filled in.
    fn example() -> Vec<u8> {
        let mut bytes = b"MATRIX\x02\x00\x00\x2d".to_vec();
        bytes.extend(b"!ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr");
        bytes.extend(0x00..0x20);
        bytes.extend(0x10..0x30);
        bytes.extend(0x20..0x28);
        bytes
    }

    #[test]
    fn the_example_of_the_specification_is_read_and_written() {
        let code = QrCode::from_bytes(&example()).unwrap();
        assert_eq!(code.mode, Mode::User);
        assert_eq!(code.transaction_id.len(), 0x2d);
        assert!(code.transaction_id.starts_with("!ABCD"));
        // The keys and the secret in base64, as the specification gives their beginnings.
        let base64 = crate::signed_json::to_base64;
        assert!(base64(&code.first).starts_with("AAECAwQFBg"));
        assert!(base64(&code.second).starts_with("EBESExQVFh"));
        assert_eq!(base64(&code.secret), "ICEiIyQlJic");
        assert_eq!(code.to_bytes().unwrap(), example());
        for (at, mode) in [(1, Mode::OwnTrusted), (2, Mode::OwnUntrusted)] {
            let mut bytes = example();
            bytes[7] = at;
            let code = QrCode::from_bytes(&bytes).unwrap();
            assert_eq!((code.mode, code.to_bytes().unwrap()), (mode, bytes));
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let good = example();
        for cut in 0..good.len() {
            assert!(QrCode::from_bytes(&good[..cut]).is_err(), "{cut}");
        }
        for (at, byte) in [(0, b'N'), (6, 1), (6, 3), (7, 3), (8, 1), (8, 0xff), (10, 0xff)] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            assert!(QrCode::from_bytes(&bytes).is_err(), "{at} {byte}");
        }
        assert!(QrCode::from_bytes(&[&good[..], &[0; SECRET_MAX]].concat()).is_err());
    }
}
