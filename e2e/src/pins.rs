//! Pins as they go to other own devices and into the backup: whose identity is believed, which rooms are encrypted,
//! which devices are gone for good.
//!
//! ```text
//! pins = [ [user …], [room id …], [removal …] ]
//! user = [user id, master key: bytes 32, is verified, (looked at), ([replaced master key: bytes 32 …])]
//! ```

use crate::{
    encoding::{Bytes32, coded},
    identity::Removal,
};

/// Pins that another own device made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// Whose identity is believed.
    pub users: Vec<PinnedUser>,
    /// Rooms that are encrypted, whatever a server says.
    pub rooms: Vec<String>,
    /// Devices that are gone for good.
    pub removals: Vec<Removal>,
}

coded!(Pins { users, rooms, removals });

/// A user's identity, as it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedUser {
    /// The user.
    pub user_id: String,
    /// The master key.
    pub master: Bytes32,
    /// It was compared.
    pub is_verified: bool,
    /// When its person last looked at it, in milliseconds; absent: it was taken at first sight, or by a signature.
    pub looked_at: Option<i64>,
    /// Master keys that were believed before this one.
    pub replaced: Option<Vec<Bytes32>>,
}

coded!(PinnedUser { user_id, master, is_verified, looked_at, replaced });
