//! Deterministic CBOR (RFC 8949, section 4.2): one encoding for each value.
//!
//! Structures are arrays, byte strings are of definite length, numbers of the shortest form. A decoder takes
//! no other encoding: it encodes what it read again and compares. Input is bounded before it is looked at.

use minicbor::{Decode, Decoder, Encode, Encoder, encode::Write};
use zeroize::Zeroizing;

use crate::{
    Error,
    primitives::{Secret, ed25519, kem, x25519},
};

/// The only encoding of a value.
///
/// # Errors
/// [`Error::Encoding`] if the value has none; those of this library have.
pub fn encode<T: Encode<()>>(value: &T) -> Result<Vec<u8>, Error> {
    minicbor::to_vec(value).map_err(|_| Error::Encoding)
}

/// The value that `bytes`, at most `limit` of them, are the encoding of.
///
/// # Errors
/// [`Error::Encoding`]: too long, another type, bytes left over, or not the deterministic encoding.
pub fn decode<'a, T>(bytes: &'a [u8], limit: usize) -> Result<T, Error>
where
    T: Decode<'a, ()> + Encode<()>,
{
    if bytes.len() > limit {
        return Err(Error::Encoding);
    }
    let value = minicbor::decode(bytes).map_err(|_| Error::Encoding)?;
    if encode(&value)? == bytes { Ok(value) } else { Err(Error::Encoding) }
}

/// A version byte and the only encoding of a value, for what is stored. Secrets are erased with the bytes, if
/// `capacity` is enough: grown in place, a buffer leaves copies behind.
///
/// # Errors
/// As [`encode`].
pub fn encode_versioned<T: Encode<()>>(
    version: u8,
    value: &T,
    capacity: usize,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    bytes.push(version);
    minicbor::encode(value, &mut *bytes).map_err(|_| Error::Encoding)?;
    Ok(bytes)
}

/// The value behind a version byte.
///
/// # Errors
/// [`Error::Encoding`]: of another version, or as [`decode`].
pub fn decode_versioned<'a, T>(version: u8, bytes: &'a [u8], limit: usize) -> Result<T, Error>
where
    T: Decode<'a, ()> + Encode<()>,
{
    match bytes.split_first() {
        Some((found, value)) if *found == version => decode(value, limit),
        _ => Err(Error::Encoding),
    }
}

/// Codecs of keys and secrets: byte strings of their fixed length, checked like those of a peer.
macro_rules! as_bytes {
    ($type:ty, $write:expr, $read:expr) => {
        impl<C> Encode<C> for $type {
            fn encode<W: Write>(
                &self,
                encoder: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                let write: fn(&Self) -> &[u8] = $write;
                encoder.bytes(write(self))?;
                Ok(())
            }
        }

        impl<'b, C> Decode<'b, C> for $type {
            fn decode(
                decoder: &mut Decoder<'b>,
                _: &mut C,
            ) -> Result<Self, minicbor::decode::Error> {
                let read: fn(&[u8]) -> Result<Self, Error> = $read;
                read(decoder.bytes()?).map_err(|_| minicbor::decode::Error::message("not a key"))
            }
        }
    };
}

as_bytes!(x25519::PublicKey, |key| key.as_bytes(), |bytes| {
    Self::from_bytes(bytes.try_into().map_err(|_| Error::Key)?)
});
as_bytes!(x25519::PrivateKey, |key| key.as_bytes(), |bytes| {
    Ok(Self::from_bytes(bytes.try_into().map_err(|_| Error::Key)?))
});
as_bytes!(ed25519::PublicKey, |key| key.as_bytes(), |bytes| {
    Self::from_bytes(bytes.try_into().map_err(|_| Error::Key)?)
});
as_bytes!(ed25519::PrivateKey, |key| key.as_bytes(), |bytes| {
    Ok(Self::from_bytes(bytes.try_into().map_err(|_| Error::Key)?))
});
as_bytes!(kem::PublicKey, |key| key.as_bytes(), Self::from_bytes);
as_bytes!(kem::Ciphertext, |key| key.as_bytes(), Self::from_bytes);
as_bytes!(kem::PrivateKey, |key| key.as_bytes(), |bytes| {
    Ok(Self::from_bytes(bytes.try_into().map_err(|_| Error::Key)?))
});
as_bytes!(Secret, |secret| &**secret, |bytes| {
    Ok(Self::new(bytes.try_into().map_err(|_| Error::Key)?))
});

/// 32 bytes that are not secret, such as a public key that was checked when it came.
#[derive(Clone, Copy, Debug, Decode, Encode, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cbor(transparent)]
pub struct Bytes32(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Decode, Encode, PartialEq)]
    #[cbor(array)]
    struct Pair {
        #[n(0)]
        number: u32,
        #[cbor(n(1), with = "minicbor::bytes")]
        bytes: Vec<u8>,
    }

    #[test]
    fn a_value_has_one_encoding() {
        let pair = Pair { number: 5, bytes: vec![1, 2] };
        let bytes = encode(&pair).unwrap();
        assert_eq!(bytes, [0x82, 5, 0x42, 1, 2]);
        assert_eq!(decode::<Pair>(&bytes, 5), Ok(pair));
        for other in [
            &[0x82, 0x18, 5, 0x42, 1, 2][..],   // a longer form of 5
            &[0x9f, 5, 0x42, 1, 2, 0xff],       // an array without a length
            &[0x82, 5, 0x5f, 0x42, 1, 2, 0xff], // bytes in pieces
            &[0x82, 5, 0x42, 1, 2, 0],          // something left over
            &[0x83, 5, 0x42, 1, 2, 0],          // a field too many
            &[0x81, 5],                         // a field too few
            &[0x82, 5, 0x5b, 255, 255, 255, 255, 255, 255, 255, 255], // a length beyond the input
        ] {
            assert_eq!(decode::<Pair>(other, 100), Err(Error::Encoding), "{other:?}");
        }
        assert_eq!(decode::<Pair>(&bytes, 4), Err(Error::Encoding));
    }
}
