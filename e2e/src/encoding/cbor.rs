//! What of CBOR is used, written and read: heads, and arrays of fields.

use super::{Decode, Encode, Writer};
use crate::Error;

/// Major types.
pub const UNSIGNED: u8 = 0;
pub const NEGATIVE: u8 = 1;
pub const BYTES: u8 = 2;
pub const TEXT: u8 = 3;
pub const ARRAY: u8 = 4;
pub const FALSE: u8 = 0xf4;
pub const TRUE: u8 = 0xf5;
pub const NULL: u8 = 0xf6;

/// Writes a type and the number that belongs to it.
pub fn head(out: &mut Writer, major: u8, number: u64) {
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
    out.write(bytes.get(8 - length..).unwrap_or_default());
}

/// Writes the fields of a struct.
pub fn fields(out: &mut Writer, fields: &[&dyn Encode]) {
    let length = fields.iter().rposition(|field| !field.is_absent()).map_or(0, |last| last + 1);
    head(out, ARRAY, length as u64);
    fields.iter().take(length).for_each(|field| field.encode(out));
}

/// Writes a variant of an enum.
pub fn variant(out: &mut Writer, index: u8, of_variant: &[&dyn Encode]) {
    head(out, ARRAY, 2);
    head(out, UNSIGNED, index.into());
    fields(out, of_variant);
}

/// A table's number, a key, and the value.
type Row = (u8, Vec<u8>, Option<Vec<u8>>);

/// Writes a changed row: an array of three whose last field may be null.
pub fn row(out: &mut Writer, table: u8, key: &[u8], value: Option<&Vec<u8>>) {
    head(out, ARRAY, 3);
    head(out, UNSIGNED, table.into());
    key.encode(out);
    value.encode(out);
}

/// Input that is read from its front.
pub struct Reader<'b>(pub(super) &'b [u8]);

impl<'b> Reader<'b> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'b [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Error::Encoding)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn is_null(&self) -> bool {
        self.0.first() == Some(&NULL)
    }

    /// A type with its number, in the shortest form.
    pub(super) fn head(&mut self) -> Result<(u8, u64), Error> {
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
        if number < least { Err(Error::Encoding) } else { Ok((major, number)) }
    }

    pub(super) fn number_of(&mut self, wanted: u8) -> Result<u64, Error> {
        match self.head()? {
            (major, number) if major == wanted => Ok(number),
            _ => Err(Error::Encoding),
        }
    }

    /// A length of what is still there: each of it is one byte at least.
    pub(super) fn length_of(&mut self, wanted: u8) -> Result<usize, Error> {
        let length = usize::try_from(self.number_of(wanted)?).map_err(|_| Error::Encoding)?;
        if length > self.0.len() { Err(Error::Encoding) } else { Ok(length) }
    }

    pub(super) fn bytes(&mut self) -> Result<&'b [u8], Error> {
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
pub struct Fields(usize);

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
