//! Codecs of what structs are made of: numbers, text, bytes, lists; keys and secrets.

use super::{
    Decode, Encode, Reader, Writer,
    cbor::{ARRAY, BYTES, FALSE, NEGATIVE, NULL, TEXT, TRUE, UNSIGNED, fields, head},
    coded,
};
use crate::{
    Error,
    primitives::{Secret, ed25519, kem, x25519},
};

macro_rules! numbers {
    ($($type:ty),+) => {$(
        impl Encode for $type {
            fn encode(&self, out: &mut Writer) {
                head(out, UNSIGNED, u64::from(*self));
            }
        }

        impl Decode for $type {
            fn decode(input: &mut Reader<'_>) -> Result<Self, Error> {
                input.number_of(UNSIGNED)?.try_into().map_err(|_| Error::Encoding)
            }
        }
    )+};
}

numbers!(u32, u64);

impl Encode for i64 {
    fn encode(&self, out: &mut Writer) {
        match u64::try_from(*self) {
            Ok(number) => head(out, UNSIGNED, number),
            Err(_) => head(out, NEGATIVE, !*self as u64),
        }
    }
}

impl Decode for i64 {
    fn decode(input: &mut Reader<'_>) -> Result<Self, Error> {
        let (major, number) = input.head()?;
        let number = Self::try_from(number).map_err(|_| Error::Encoding)?;
        match major {
            UNSIGNED => Ok(number),
            NEGATIVE => Ok(!number),
            _ => Err(Error::Encoding),
        }
    }
}

impl Encode for bool {
    fn encode(&self, out: &mut Writer) {
        out.push(if *self { TRUE } else { FALSE });
    }
}

impl Decode for bool {
    fn decode(input: &mut Reader<'_>) -> Result<Self, Error> {
        match input.take(1)? {
            [FALSE] => Ok(false),
            [TRUE] => Ok(true),
            _ => Err(Error::Encoding),
        }
    }
}

impl Encode for String {
    fn encode(&self, out: &mut Writer) {
        head(out, TEXT, self.len() as u64);
        out.write(self.as_bytes());
    }
}

impl Decode for String {
    fn decode(input: &mut Reader<'_>) -> Result<Self, Error> {
        let length = input.length_of(TEXT)?;
        Self::from_utf8(input.take(length)?.to_vec()).map_err(|_| Error::Encoding)
    }
}

impl Encode for [u8] {
    fn encode(&self, out: &mut Writer) {
        head(out, BYTES, self.len() as u64);
        out.write(self);
    }
}

impl Encode for Vec<u8> {
    fn encode(&self, out: &mut Writer) {
        self.as_slice().encode(out);
    }
}

impl Decode for Vec<u8> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, Error> {
        input.bytes().map(<[u8]>::to_vec)
    }
}

impl<const N: usize> Encode for [u8; N] {
    fn encode(&self, out: &mut Writer) {
        self.as_slice().encode(out);
    }
}

impl<const N: usize> Decode for [u8; N] {
    fn decode(input: &mut Reader<'_>) -> Result<Self, Error> {
        input.bytes()?.try_into().map_err(|_| Error::Encoding)
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Writer) {
        head(out, ARRAY, self.len() as u64);
        self.iter().for_each(|item| item.encode(out));
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, Error> {
        let length = input.length_of(ARRAY)?;
        (0..length).map(|_| T::decode(input)).collect()
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Writer) {
        match self {
            Some(value) => value.encode(out),
            None => out.push(NULL),
        }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, Error> {
        if input.is_null() {
            input.take(1)?;
            return Ok(None);
        }
        T::decode(input).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Encode> Encode for &T {
    fn encode(&self, out: &mut Writer) {
        T::encode(self, out);
    }
}

impl<T: Encode> Encode for Box<T> {
    fn encode(&self, out: &mut Writer) {
        T::encode(self, out);
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, Error> {
        T::decode(input).map(Self::new)
    }
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    fn encode(&self, out: &mut Writer) {
        fields(out, &[&self.0, &self.1]);
    }
}

impl<A: Decode, B: Decode> Decode for (A, B) {
    fn decode(input: &mut Reader<'_>) -> Result<Self, Error> {
        let mut fields = input.fields()?;
        let pair = (fields.next(input)?, fields.next(input)?);
        fields.end()?;
        Ok(pair)
    }
}

/// Codecs of keys and secrets: byte strings of their fixed length, checked like those of a peer.
macro_rules! as_bytes {
    ($($type:ty, $read:expr;)+) => {$(
        impl Encode for $type {
            fn encode(&self, out: &mut Writer) {
                self.as_bytes()[..].encode(out);
            }
        }

        impl Decode for $type {
            fn decode(input: &mut Reader<'_>) -> Result<Self, Error> {
                let read: fn(&[u8]) -> Result<Self, Error> = $read;
                read(input.bytes()?)
            }
        }
    )+};
}

/// Bytes of a fixed length.
fn fixed<const N: usize>(bytes: &[u8]) -> Result<&[u8; N], Error> {
    bytes.try_into().map_err(|_| Error::Encoding)
}

as_bytes! {
    x25519::PublicKey, |bytes| Self::from_bytes(*fixed(bytes)?);
    x25519::PrivateKey, |bytes| Ok(Self::from_bytes(fixed(bytes)?));
    ed25519::PublicKey, |bytes| Self::from_bytes(fixed(bytes)?);
    ed25519::PrivateKey, |bytes| Ok(Self::from_bytes(fixed(bytes)?));
    kem::PublicKey, Self::from_bytes;
    kem::Ciphertext, Self::from_bytes;
    kem::PrivateKey, |bytes| Ok(Self::from_bytes(fixed(bytes)?));
    Secret, |bytes| Ok(Self::new(*fixed(bytes)?));
}

/// 32 bytes that are not secret, such as a public key that was checked when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes32(pub [u8; 32]);

coded!(Bytes32 = 0);

impl Bytes32 {
    /// The key that they are.
    ///
    /// # Errors
    /// [`Error::Key`]: none.
    pub fn ed25519(&self) -> Result<ed25519::PublicKey, Error> {
        ed25519::PublicKey::from_bytes(&self.0)
    }
}

impl From<ed25519::PublicKey> for Bytes32 {
    fn from(key: ed25519::PublicKey) -> Self {
        Self(*key.as_bytes())
    }
}
