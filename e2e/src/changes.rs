//! What an operation changed: plain rows, to be written in one transaction.
//!
//! ```text
//! changes = 0x01 ‖ [ [table, key: bytes, value: bytes | null] … ]       null: the row is gone
//! value   = version ‖ deterministic CBOR of the row
//! ```
//!
//! A store needs to know nothing of what rows mean. Everything in them is secret: values are erased when dropped.

use minicbor::{
    Decode, Decoder, Encode, Encoder,
    bytes::{ByteSlice, ByteVec},
    encode::Write,
};
use zeroize::Zeroizing;

use crate::{Error, encoding};

/// The version of the rows that this library writes.
pub const VERSION: u8 = 1;
const LENGTH_MAX: usize = 256 * 1024 * 1024;

/// Which kind of row. Numbers are never used again for something else.
#[derive(Clone, Copy, Debug, Decode, Encode, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cbor(index_only)]
pub enum Table {
    /// This device.
    #[n(0)]
    Account,
    /// Private halves of what it published.
    #[n(1)]
    Prekeys,
    /// Users, their identities and devices.
    #[n(2)]
    Users,
    /// Sessions with a device.
    #[n(3)]
    Sessions,
    /// Encrypted rooms.
    #[n(4)]
    Rooms,
    /// Who is in them.
    #[n(5)]
    Members,
    /// The chain that this device writes with in a room.
    #[n(6)]
    OwnChains,
    /// Chains that it reads with.
    #[n(7)]
    Chains,
    /// What opens single messages of direct chats.
    #[n(8)]
    Wraps,
    /// Whom a chain or message of this device was sealed for.
    #[n(9)]
    Given,
    /// The message that an event holds.
    #[n(10)]
    Events,
    /// The first event that held a message.
    #[n(11)]
    Messages,
    /// Lists of readers, by their hash.
    #[n(12)]
    Audiences,
    /// Requests that were not answered yet.
    #[n(13)]
    Requests,
    /// What waits for a session.
    #[n(14)]
    Waiting,
    /// What arrived from a device that is not known yet.
    #[n(15)]
    Held,
    /// Devices that are never believed again.
    #[n(16)]
    Removals,
    /// Private keys that own devices share.
    #[n(17)]
    Secrets,
    /// Missing keys that were asked for.
    #[n(18)]
    Asked,
    /// The key backup that this device writes to.
    #[n(19)]
    Backup,
    /// Parts of lists of readers.
    #[n(20)]
    Parts,
    /// Users whose keys are to be asked for.
    #[n(21)]
    Outdated,
    /// Keys that are not in the backup yet.
    #[n(22)]
    Unsaved,
}

impl Table {
    /// Its number, as it stands in encoded changes.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The table of a number.
    ///
    /// # Errors
    /// [`Error::Encoding`]: there is none.
    pub fn from_number(number: u8) -> Result<Self, Error> {
        minicbor::decode(&encoding::encode(&number)?).map_err(|_| Error::Encoding)
    }
}

/// One row, written or gone.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// Its table.
    pub table: Table,
    /// Its key in the table.
    pub key: Vec<u8>,
    /// What it holds now; `None`: it is gone.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

/// What an operation changed, in no particular order and each row once.
#[derive(Clone, Decode, Default, Encode, PartialEq, Eq)]
#[cbor(transparent)]
pub struct Changes(#[n(0)] pub Vec<Change>);

impl Changes {
    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Later changes after these.
    pub fn extend(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// The bytes of all of them.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let rows = self.0.iter();
        let length: usize = rows
            .map(|row| 24 + row.key.len() + row.value.as_ref().map_or(0, |value| value.len()))
            .sum();
        encoding::encode_versioned(VERSION, self, length + 16)
    }

    /// Reads encoded changes.
    ///
    /// # Errors
    /// [`Error::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        encoding::decode_versioned(VERSION, bytes, LENGTH_MAX)
    }
}

impl<C> Encode<C> for Change {
    fn encode<W: Write>(
        &self,
        encoder: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.array(3)?.encode_with(self.table, context)?.bytes(&self.key)?;
        encoder
            .encode_with(self.value.as_ref().map(|v| <&ByteSlice>::from(v.as_slice())), context)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Change {
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, minicbor::decode::Error> {
        if decoder.array()? != Some(3) {
            return Err(minicbor::decode::Error::message("not a row"));
        }
        let table = decoder.decode_with(context)?;
        let key = decoder.bytes()?.to_vec();
        let value: Option<ByteVec> = decoder.decode_with(context)?;
        Ok(Self { table, key, value: value.map(|value| Zeroizing::new(value.into())) })
    }
}

impl std::fmt::Debug for Change {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} ({} bytes of key)", self.table, self.key.len())
    }
}

impl std::fmt::Debug for Changes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_one_encoding() {
        let value = Some(Zeroizing::new(vec![1, 2]));
        let changes = Changes(vec![
            Change { table: Table::Sessions, key: vec![7], value },
            Change { table: Table::Backup, key: vec![], value: None },
        ]);
        let bytes = changes.to_bytes().unwrap();
        assert_eq!(*bytes, [1, 0x82, 0x83, 3, 0x41, 7, 0x42, 1, 2, 0x83, 19, 0x40, 0xf6]);
        assert_eq!(Changes::from_bytes(&bytes), Ok(changes));
        assert_eq!(Changes::from_bytes(&bytes[..9]), Err(Error::Encoding));
        assert_eq!(Table::from_number(19), Ok(Table::Backup));
        assert_eq!(Table::from_number(23), Err(Error::Encoding));
    }
}
