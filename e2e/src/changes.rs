//! What an operation changed: plain rows, to be written in one transaction.
//!
//! ```text
//! changes = 0x01 ‖ [ [table, key: bytes, value: bytes | null] … ]       null: the row is gone
//! value   = version ‖ deterministic CBOR of the row
//! ```
//!
//! A store needs to know nothing of what rows mean. Everything in them is secret: values are erased when dropped.

use zeroize::Zeroizing;

use crate::{
    Error,
    encoding::{self, Decode, Encode, Reader, Writer, coded},
};

/// The version of the rows that this library writes.
pub const VERSION: u8 = 1;
const LENGTH_MAX: usize = 256 * 1024 * 1024;

/// Which kind of row. Numbers are never used again for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// This device.
    Account,
    /// Private halves of what it published.
    Prekeys,
    /// Users, their identities and devices.
    Users,
    /// Sessions with a device.
    Sessions,
    /// Encrypted rooms.
    Rooms,
    /// Who is in them.
    Members,
    /// The chain that this device writes with in a room.
    OwnChains,
    /// Chains that it reads with.
    Chains,
    /// What opens single messages of direct chats.
    Wraps,
    /// Whom a chain or message of this device was sealed for.
    Given,
    /// The message that an event holds.
    Events,
    /// The first event that held a message.
    Messages,
    /// Lists of readers, by their hash.
    Audiences,
    /// Requests that were not answered yet.
    Requests,
    /// What waits for a session.
    Waiting,
    /// What arrived from a device that is not known yet.
    Held,
    /// Devices that are never believed again.
    Removals,
    /// Private keys that own devices share.
    Secrets,
    /// Missing keys that were asked for.
    Asked,
    /// The key backup that this device writes to.
    Backup,
    /// Parts of lists of readers.
    Parts,
    /// Users whose keys are to be asked for.
    Outdated,
    /// Keys that are not in the backup yet.
    Unsaved,
    /// Which lists of readers a device told last.
    Told,
    /// Keys with which no message was read yet.
    Unread,
    /// Statements that devices were removed, by whom is not known yet.
    Claims,
}

const ALL: [Table; 26] = [
    Table::Account,
    Table::Prekeys,
    Table::Users,
    Table::Sessions,
    Table::Rooms,
    Table::Members,
    Table::OwnChains,
    Table::Chains,
    Table::Wraps,
    Table::Given,
    Table::Events,
    Table::Messages,
    Table::Audiences,
    Table::Requests,
    Table::Waiting,
    Table::Held,
    Table::Removals,
    Table::Secrets,
    Table::Asked,
    Table::Backup,
    Table::Parts,
    Table::Outdated,
    Table::Unsaved,
    Table::Told,
    Table::Unread,
    Table::Claims,
];

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
        ALL.into_iter().find(|table| table.number() == number).ok_or(Error::Encoding)
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
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Changes(pub Vec<Change>);

coded!(Changes = 0);

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
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        encoding::encode_versioned(VERSION, self)
    }

    /// Reads encoded changes.
    ///
    /// # Errors
    /// [`Error::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        encoding::decode_versioned(VERSION, bytes, LENGTH_MAX)
    }
}

impl Encode for Change {
    fn encode(&self, out: &mut Writer) {
        encoding::row(out, self.table.number(), &self.key, self.value.as_deref());
    }
}

impl Decode for Change {
    fn decode(input: &mut Reader<'_>) -> Result<Self, Error> {
        let (table, key, value) = input.row()?;
        let table = Table::from_number(table)?;
        Ok(Self { table, key, value: value.map(Zeroizing::new) })
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
        let bytes = changes.to_bytes();
        assert_eq!(*bytes, [1, 0x82, 0x83, 3, 0x41, 7, 0x42, 1, 2, 0x83, 19, 0x40, 0xf6]);
        assert_eq!(Changes::from_bytes(&bytes), Ok(changes));
        assert_eq!(Changes::from_bytes(&bytes[..9]), Err(Error::Encoding));
        assert_eq!(Table::from_number(19), Ok(Table::Backup));
        assert_eq!(Table::from_number(26), Err(Error::Encoding));
    }

    #[test]
    fn a_table_is_its_number_and_later_changes_follow() {
        for (number, table) in ALL.into_iter().enumerate() {
            assert_eq!(usize::from(table.number()), number);
            assert_eq!(Table::from_number(number as u8), Ok(table));
        }
        let change = |key: u8| Change { table: Table::Rooms, key: vec![key], value: None };
        let mut changes = Changes::default();
        assert!(changes.is_empty());
        changes.extend(Changes(vec![change(1)]));
        changes.extend(Changes(vec![change(2)]));
        assert!(changes == Changes(vec![change(1), change(2)]) && !changes.is_empty());
        // As a first sync of many rooms gives them.
        let value = Some(Zeroizing::new(vec![7; 1_200_000]));
        changes.extend(Changes(vec![Change { table: Table::Events, key: vec![3], value }]));
        assert!(Changes::from_bytes(&changes.to_bytes()) == Ok(changes));
    }

    #[test]
    fn nothing_of_a_row_is_shown_but_its_table() {
        let value = Some(Zeroizing::new(vec![77, 77]));
        let changes = Changes(vec![Change { table: Table::Sessions, key: vec![88], value }]);
        assert_eq!(format!("{changes:?}"), "[Sessions (1 bytes of key)]");
    }
}
