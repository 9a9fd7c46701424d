//! Deterministic CBOR (RFC 8949, section 4.2): one encoding for each value.
//!
//! ```text
//! struct      array of its fields; absent ones at the end are left out, others are null
//! enum        [ index, [ fields ] ]
//! number      of the shortest form          text, bytes, arrays   of definite length
//! ```
//!
//! A decoder takes no other encoding. Input is bounded before it is looked at, and nothing is allocated for a length
//! that the input does not have. A codec of its own, for a derived one is a fifth of the browser's module.

use zeroize::Zeroizing;

use crate::{
    Error,
    primitives::{Secret, ed25519, kem, x25519},
};

/// What can be written.
pub trait Encode {
    /// Writes the only encoding.
    fn encode(&self, out: &mut Vec<u8>);

    /// It is left out at the end of an array.
    fn is_absent(&self) -> bool {
        false
    }
}

/// What can be read.
pub trait Decode: Sized {
    /// Reads the only encoding, and leaves what follows it.
    ///
    /// # Errors
    /// [`Error::Encoding`], [`Error::Key`].
    fn decode(input: &mut Reader<'_>) -> Result<Self, Error>;

    /// What stands for one that was left out.
    fn absent() -> Option<Self> {
        None
    }
}

/// Major types.
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;

/// Writes a type and the number that belongs to it.
fn head(out: &mut Vec<u8>, major: u8, number: u64) {
    let major = major << 5;
    let bytes = number.to_be_bytes();
    let (extra, length) = match number {
        0..24 => return out.push(major | number as u8),
        24..0x100 => (24, 1),
        0x100..0x1_0000 => (25, 2),
        0x1_0000..0x1_0000_0000 => (26, 4),
        _ => (27, 8),
    };
    out.push(major | extra);
    out.extend_from_slice(bytes.get(8 - length..).unwrap_or_default());
}

/// Writes the fields of a struct.
pub(crate) fn fields(out: &mut Vec<u8>, fields: &[&dyn Encode]) {
    let length = fields.iter().rposition(|field| !field.is_absent()).map_or(0, |last| last + 1);
    head(out, ARRAY, length as u64);
    fields.iter().take(length).for_each(|field| field.encode(out));
}

/// Writes a variant of an enum.
pub(crate) fn variant(out: &mut Vec<u8>, index: u8, of_variant: &[&dyn Encode]) {
    head(out, ARRAY, 2);
    head(out, UNSIGNED, index.into());
    fields(out, of_variant);
}

/// A table's number, a key, and the value.
type Row = (u8, Vec<u8>, Option<Vec<u8>>);

/// Writes a changed row: an array of three whose last field may be null.
pub(crate) fn row(out: &mut Vec<u8>, table: u8, key: &[u8], value: Option<&Vec<u8>>) {
    head(out, ARRAY, 3);
    head(out, UNSIGNED, table.into());
    key.encode(out);
    value.encode(out);
}

/// Input that is read from its front.
pub struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize) -> Result<&'b [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Error::Encoding)?;
        self.0 = rest;
        Ok(taken)
    }

    fn is_null(&self) -> bool {
        self.0.first() == Some(&NULL)
    }

    /// A type with its number, in the shortest form.
    fn head(&mut self) -> Result<(u8, u64), Error> {
        let first = self.take(1)?.first().copied().ok_or(Error::Encoding)?;
        let (major, extra) = (first >> 5, first & 0x1f);
        let (length, least) = match extra {
            0..24 => return Ok((major, extra.into())),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            _ => return Err(Error::Encoding),
        };
        let number = self.take(length)?.iter().fold(0, |all, byte| (all << 8) | u64::from(*byte));
        if number < least || major > ARRAY { Err(Error::Encoding) } else { Ok((major, number)) }
    }

    fn number_of(&mut self, wanted: u8) -> Result<u64, Error> {
        match self.head()? {
            (major, number) if major == wanted => Ok(number),
            _ => Err(Error::Encoding),
        }
    }

    /// A length of what is still there: each of it is one byte at least.
    fn length_of(&mut self, wanted: u8) -> Result<usize, Error> {
        let length = usize::try_from(self.number_of(wanted)?).map_err(|_| Error::Encoding)?;
        if length > self.0.len() { Err(Error::Encoding) } else { Ok(length) }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'b [u8], Error> {
        let length = self.length_of(BYTES)?;
        self.take(length)
    }

    /// Reads what [`row`] writes.
    pub(crate) fn row(&mut self) -> Result<Row, Error> {
        if self.length_of(ARRAY)? != 3 {
            return Err(Error::Encoding);
        }
        let table = self.number_of(UNSIGNED)?.try_into().map_err(|_| Error::Encoding)?;
        Ok((table, Vec::decode(self)?, Option::decode(self)?))
    }

    /// Begins to read the fields of a struct.
    pub(crate) fn fields(&mut self) -> Result<Fields, Error> {
        self.length_of(ARRAY).map(Fields)
    }

    /// Begins to read a variant of an enum: its index, then its fields.
    pub(crate) fn variant(&mut self) -> Result<(u64, Fields), Error> {
        if self.length_of(ARRAY)? != 2 {
            return Err(Error::Encoding);
        }
        Ok((self.number_of(UNSIGNED)?, self.fields()?))
    }
}

/// How many fields are left to read.
pub(crate) struct Fields(usize);

impl Fields {
    /// The next one, or what stands for it when it was left out.
    pub fn next<T: Decode>(&mut self, input: &mut Reader<'_>) -> Result<T, Error> {
        let Some(left) = self.0.checked_sub(1) else { return T::absent().ok_or(Error::Encoding) };
        self.0 = left;
        if left == 0 && input.is_null() {
            // It should have been left out.
            return Err(Error::Encoding);
        }
        T::decode(input)
    }

    pub fn end(self) -> Result<(), Error> {
        if self.0 == 0 { Ok(()) } else { Err(Error::Encoding) }
    }
}

/// The codec of a struct (`Name { field, … }`), of one that is written as its only field (`Name = field`), or of an
/// enum (`enum Name { index Variant(field, …), … }`).
macro_rules! coded {
    (enum $type:ident { $($index:literal $variant:ident $(($($field:ident),+))?),+ $(,)? }) => {
        impl $crate::encoding::Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $(($($field),+))? => {
                        $crate::encoding::variant(out, $index, &[$($($field),+)?]);
                    })+
                }
            }
        }

        impl $crate::encoding::Decode for $type {
            fn decode(input: &mut $crate::encoding::Reader<'_>) -> Result<Self, $crate::Error> {
                let (index, mut fields) = input.variant()?;
                let value = match index {
                    $($index => Self::$variant $(($({
                        let $field = fields.next(input)?;
                        $field
                    }),+))?,)+
                    _ => return Err($crate::Error::Encoding),
                };
                fields.end()?;
                Ok(value)
            }
        }
    };
    ($type:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::encoding::Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                $crate::encoding::fields(out, &[$(&self.$field),+]);
            }
        }

        impl $crate::encoding::Decode for $type {
            fn decode(input: &mut $crate::encoding::Reader<'_>) -> Result<Self, $crate::Error> {
                let mut fields = input.fields()?;
                let value = Self { $($field: fields.next(input)?),+ };
                fields.end()?;
                Ok(value)
            }
        }
    };
    ($type:ident = $field:tt) => {
        impl $crate::encoding::Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                $crate::encoding::Encode::encode(&self.$field, out);
            }
        }

        impl $crate::encoding::Decode for $type {
            fn decode(input: &mut $crate::encoding::Reader<'_>) -> Result<Self, $crate::Error> {
                Ok(Self { $field: $crate::encoding::Decode::decode(input)? })
            }
        }
    };
}

pub(crate) use coded;

/// The only encoding of a value.
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.encode(&mut bytes);
    bytes
}

/// The value that `bytes`, at most `limit` of them, are the encoding of.
///
/// # Errors
/// [`Error::Encoding`]: too long, another type, bytes left over, or not the deterministic encoding.
pub fn decode<T: Decode + Encode>(bytes: &[u8], limit: usize) -> Result<T, Error> {
    if bytes.len() > limit {
        return Err(Error::Encoding);
    }
    let mut input = Reader(bytes);
    let value = T::decode(&mut input).map_err(|_| Error::Encoding)?;
    if !input.0.is_empty() {
        return Err(Error::Encoding);
    }
    debug_assert!(encode(&value) == bytes, "a value has one encoding");
    Ok(value)
}

/// A version byte and the only encoding of a value, for what is stored. Secrets are erased with the bytes, if
/// `capacity` is enough: grown in place, a buffer leaves copies behind.
pub fn encode_versioned<T: Encode>(version: u8, value: &T, capacity: usize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    bytes.push(version);
    value.encode(&mut bytes);
    bytes
}

/// The value behind a version byte.
///
/// # Errors
/// [`Error::Encoding`]: of another version, or as [`decode`].
pub fn decode_versioned<T: Decode + Encode>(
    version: u8,
    bytes: &[u8],
    limit: usize,
) -> Result<T, Error> {
    match bytes.split_first() {
        Some((found, value)) if *found == version => decode(value, limit),
        _ => Err(Error::Encoding),
    }
}

macro_rules! numbers {
    ($($type:ty),+) => {$(
        impl Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
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
    fn encode(&self, out: &mut Vec<u8>) {
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
    fn encode(&self, out: &mut Vec<u8>) {
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
    fn encode(&self, out: &mut Vec<u8>) {
        head(out, TEXT, self.len() as u64);
        out.extend_from_slice(self.as_bytes());
    }
}

impl Decode for String {
    fn decode(input: &mut Reader<'_>) -> Result<Self, Error> {
        let length = input.length_of(TEXT)?;
        Self::from_utf8(input.take(length)?.to_vec()).map_err(|_| Error::Encoding)
    }
}

impl Encode for [u8] {
    fn encode(&self, out: &mut Vec<u8>) {
        head(out, BYTES, self.len() as u64);
        out.extend_from_slice(self);
    }
}

impl Encode for Vec<u8> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_slice().encode(out);
    }
}

impl Decode for Vec<u8> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, Error> {
        input.bytes().map(<[u8]>::to_vec)
    }
}

impl<const N: usize> Encode for [u8; N] {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_slice().encode(out);
    }
}

impl<const N: usize> Decode for [u8; N] {
    fn decode(input: &mut Reader<'_>) -> Result<Self, Error> {
        input.bytes()?.try_into().map_err(|_| Error::Encoding)
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
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
    fn encode(&self, out: &mut Vec<u8>) {
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
    fn encode(&self, out: &mut Vec<u8>) {
        T::encode(self, out);
    }
}

impl<T: Encode> Encode for Box<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        T::encode(self, out);
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, Error> {
        T::decode(input).map(Self::new)
    }
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    fn encode(&self, out: &mut Vec<u8>) {
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
            fn encode(&self, out: &mut Vec<u8>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Pair {
        number: u32,
        bytes: Vec<u8>,
    }

    coded!(Pair { number, bytes });

    #[derive(Debug, PartialEq)]
    enum Either {
        Nothing,
        Two(Option<i64>, Option<bool>),
    }

    coded!(enum Either { 0 Nothing, 5 Two(number, flag) });

    #[test]
    fn a_value_has_one_encoding() {
        let pair = Pair { number: 5, bytes: vec![1, 2] };
        let bytes = encode(&pair);
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
            &[0x82, 5, 0x62, 0x61, 0x62],       // text in the place of bytes
            &[0x82, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0, 0x42, 1, 2], // a number beyond its type
        ] {
            assert_eq!(decode::<Pair>(other, 100), Err(Error::Encoding), "{other:?}");
        }
        assert_eq!(decode::<Pair>(&bytes, 4), Err(Error::Encoding));
    }

    #[test]
    fn absent_fields_are_left_out_at_the_end_and_null_before() {
        for (value, bytes) in [
            (Either::Nothing, &[0x82, 0, 0x80][..]),
            (Either::Two(None, None), &[0x82, 5, 0x80]),
            (Either::Two(Some(-1), None), &[0x82, 5, 0x81, 0x20]),
            (Either::Two(None, Some(true)), &[0x82, 5, 0x82, 0xf6, 0xf5]),
            (
                Either::Two(Some(i64::MIN), None),
                &[0x82, 5, 0x81, 0x3b, 0x7f, 255, 255, 255, 255, 255, 255, 255],
            ),
        ] {
            assert_eq!(encode(&value), bytes);
            assert_eq!(decode(bytes, 100), Ok(value));
        }
        for other in [
            &[0x82, 5, 0x81, 0xf6][..], // null at the end
            &[0x82, 5, 0x82, 0xf6, 0xf6],
            &[0x82, 0, 0x81, 0],              // a field of a variant without
            &[0x82, 1, 0x80],                 // no such variant
            &[0x82, 5, 0x82, 0xf6, 0xf8, 21], // a longer form of true
            &[0x82, 5, 0x81, 0x3b, 255, 255, 255, 255, 255, 255, 255, 255], // below the least
        ] {
            assert_eq!(decode::<Either>(other, 100), Err(Error::Encoding), "{other:?}");
        }
    }

    /// The examples of RFC 8949, appendix A, of the types that are used here.
    #[test]
    fn the_examples_of_the_rfc_hold() {
        for (number, bytes) in [
            (0, &[0x00][..]),
            (23, &[0x17]),
            (24, &[0x18, 0x18]),
            (100, &[0x18, 0x64]),
            (1000, &[0x19, 0x03, 0xe8]),
            (1_000_000, &[0x1a, 0x00, 0x0f, 0x42, 0x40]),
            (1_000_000_000_000, &[0x1b, 0x00, 0x00, 0x00, 0xe8, 0xd4, 0xa5, 0x10, 0x00]),
            (-10, &[0x29]),
            (-100, &[0x38, 0x63]),
            (-1000, &[0x39, 0x03, 0xe7]),
        ] {
            assert_eq!(encode(&number), bytes);
            assert_eq!(decode::<i64>(bytes, 9), Ok(number));
        }
        assert_eq!(encode(&u64::MAX), [0x1b, 255, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(encode(&"\u{fc}".to_owned()), [0x62, 0xc3, 0xbc]);
        assert_eq!(encode(&vec![1_u32, 2, 3]), [0x83, 1, 2, 3]);
        assert_eq!(encode(&[1_u8, 2, 3, 4]), [0x44, 1, 2, 3, 4]);
        assert_eq!(decode::<String>(&[0x62, 0xc3, 0x28], 9), Err(Error::Encoding));
    }
}
