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

mod cbor;
mod types;
mod writer;

use zeroize::Zeroizing;

use crate::Error;

pub(crate) use self::cbor::{fields, row, variant};
pub use self::{cbor::Reader, types::Bytes32, writer::Writer};

/// What can be written.
pub trait Encode {
    /// Writes the only encoding.
    fn encode(&self, out: &mut Writer);

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

/// The codec of a struct (`Name { field, … }`), of one that is written as its only field (`Name = field`), or of an
/// enum (`enum Name { index Variant(field, …), … }`).
macro_rules! coded {
    (enum $type:ident { $($index:literal $variant:ident $(($($field:ident),+))?),+ $(,)? }) => {
        impl $crate::encoding::Encode for $type {
            fn encode(&self, out: &mut $crate::encoding::Writer) {
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
            fn encode(&self, out: &mut $crate::encoding::Writer) {
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
            fn encode(&self, out: &mut $crate::encoding::Writer) {
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
    encode_to(Writer::default(), value)
}

/// The only encoding of a value, behind what is written already.
pub fn encode_to<T: Encode>(mut out: Writer, value: &T) -> Vec<u8> {
    value.encode(&mut out);
    std::mem::take(&mut *out.into_bytes())
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
    debug_assert!(is_encoding_of(bytes, &value), "a value has one encoding");
    Ok(value)
}

fn is_encoding_of<T: Encode>(bytes: &[u8], value: &T) -> bool {
    let mut again = Writer::default();
    value.encode(&mut again);
    **again.into_bytes() == *bytes
}

/// A version byte and the only encoding of a value, for what is stored. Secrets in it are erased with the bytes.
pub fn encode_versioned<T: Encode>(version: u8, value: &T) -> Zeroizing<Vec<u8>> {
    let mut out = Writer::default();
    out.push(version);
    value.encode(&mut out);
    out.into_bytes()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::{Secret, ed25519};

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

    #[test]
    fn a_number_has_only_its_shortest_form() {
        for (number, bytes) in [
            (23, &[23][..]),
            (24, &[0x18, 24]),
            (0xff, &[0x18, 0xff]),
            (0x100, &[0x19, 1, 0]),
            (0xffff, &[0x19, 0xff, 0xff]),
            (0x1_0000, &[0x1a, 0, 1, 0, 0]),
            (0xffff_ffff, &[0x1a, 255, 255, 255, 255]),
            (0x1_0000_0000_u64, &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0]),
        ] {
            assert_eq!(encode(&number), bytes);
            assert_eq!(decode(bytes, 9), Ok(number));
        }
        for longer in [
            &[0x18, 23][..],
            &[0x19, 0, 23],
            &[0x19, 0, 24],
            &[0x19, 0, 0xff],
            &[0x1a, 0, 0, 1, 0],
            &[0x1a, 0, 0, 0xff, 0xff],
            &[0x1b, 0, 0, 0, 0, 0, 1, 0, 0],
            &[0x1b, 0, 0, 0, 0, 255, 255, 255, 255],
            &[0x1c],
            &[0x1f],
        ] {
            assert_eq!(decode::<u64>(longer, 9), Err(Error::Encoding), "{longer:x?}");
        }
    }

    #[test]
    fn pairs_boxes_and_keys_are_read_as_they_were_written() {
        let pair = (7_u32, Some(Box::new(300_u32)));
        assert_eq!(encode(&pair), [0x82, 7, 0x19, 1, 0x2c]);
        assert_eq!(decode(&encode(&pair), 9), Ok(pair));
        assert_eq!(decode(&[0x81, 7], 9), Ok((7_u32, None::<Box<u32>>)));
        assert_eq!(decode::<(u32, Option<u32>)>(&[0x83, 7, 7, 7], 9), Err(Error::Encoding));
        assert_eq!(decode::<(u32, u32)>(&[0x81, 7], 9), Err(Error::Encoding));
        // A field too many, which looks like what follows.
        let inner = [0x82, 0x83, 5, 0x42, 1, 2, 7];
        assert_eq!(decode::<(Pair, u32)>(&inner, 9), Err(Error::Encoding));
        assert_eq!(decode(&[0x62, 0xc3, 0xbc], 9), Ok("\u{fc}".to_owned()));
        assert_eq!(encode(&&Bytes32([9; 32])), [&[0x58, 32][..], &[9; 32]].concat());
        assert_eq!(decode::<[u8; 3]>(&[0x43, 1, 2, 3], 9), Ok([1, 2, 3]));
        assert_eq!(decode::<[u8; 3]>(&[0x42, 1, 2], 9), Err(Error::Encoding));
        assert_eq!(decode::<Vec<bool>>(&[0x82, 0xf4, 0xf5], 9), Ok(vec![false, true]));
        let secret = Secret::new([7; 32]);
        let bytes = encode(&secret);
        assert_eq!(bytes, [&[0x58, 32][..], &[7; 32]].concat());
        assert!(decode::<Secret>(&bytes, 99) == Ok(secret));
        assert!(decode::<Secret>(&[0x43, 1, 2, 3], 99) == Err(Error::Encoding));
        let key = ed25519::PrivateKey::from_bytes(&[1; 32]).public();
        assert_eq!(decode::<Bytes32>(&encode(&key), 99), Ok(Bytes32::from(key)));
        assert_eq!(Bytes32::from(key).ed25519(), Ok(key));
        assert_eq!(Bytes32([0xff; 32]).ed25519(), Err(Error::Key));
    }

    #[test]
    fn a_row_is_three_fields_and_a_version_stands_before_what_is_stored() {
        for (value, bytes) in
            [(None, &[0x83, 3, 0x41, 7, 0xf6][..]), (Some(vec![9]), &[0x83, 3, 0x41, 7, 0x41, 9])]
        {
            let mut out = Writer::default();
            row(&mut out, 3, &[7], value.as_ref());
            assert_eq!(*out.into_bytes(), bytes);
            assert!(Reader(bytes).row() == Ok((3, vec![7], value)));
        }
        for other in [&[0x82, 3, 0x41, 7][..], &[0x83, 3, 0x41], &[0x83, 0x19, 1, 0, 0x41, 7, 0xf6]]
        {
            assert!(Reader(other).row().is_err(), "{other:x?}");
        }
        assert_eq!(*encode_versioned(4, &300_u32), [4, 0x19, 1, 0x2c]);
        assert_eq!(decode_versioned(4, &[4, 0x19, 1, 0x2c], 3), Ok(300_u32));
        assert_eq!(decode_versioned::<u32>(4, &[4, 0x19, 1, 0x2c], 2), Err(Error::Encoding));
        assert_eq!(decode_versioned::<u32>(4, &[5, 0x19, 1, 0x2c], 3), Err(Error::Encoding));
        assert_eq!(decode_versioned::<u32>(4, &[], 3), Err(Error::Encoding));
    }
}
