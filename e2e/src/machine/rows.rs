//! The rows of a machine's store.

use minicbor::{Decode, Encode};
use zeroize::Zeroize as _;

use crate::{
    backup::PublicKeys,
    changes::Table,
    direct::Wrap,
    encoding::Bytes32,
    identity::{DeviceIdentity, OwnDevice},
    prekeys::{KeyId, Kind, Prekey},
    primitives::{ed25519, kem, x25519},
    room_message::MessageId,
    sender_key::{HeldChain, OwnChain, Owner, Provenance},
    session::Sessions,
    store::Row,
};

/// This device: one row, with an empty key.
#[derive(Clone, Decode, Encode)]
#[cbor(array)]
pub struct Account {
    #[n(0)]
    pub user_id: String,
    #[n(1)]
    pub device_id: String,
    #[n(2)]
    pub ed25519: ed25519::PrivateKey,
    #[n(3)]
    pub x25519: x25519::PrivateKey,
    /// The server has the device's keys.
    #[n(4)]
    pub is_uploaded: bool,
    /// How many one-time objects the server has; `None`: it was not heard.
    #[n(5)]
    pub one_time: Option<u32>,
    /// The server handed the fallback object out.
    #[n(6)]
    pub fallback_used: bool,
    /// When the last fallback object was made.
    #[n(7)]
    pub fallback_at: Option<i64>,
    /// The number of the next request.
    #[n(8)]
    pub next: u64,
    /// When an upload of prekeys may be tried again.
    #[n(9)]
    pub upload_after: i64,
}

impl Account {
    pub fn own(&self) -> OwnDevice {
        OwnDevice {
            user_id: self.user_id.clone(),
            device_id: self.device_id.clone(),
            ed25519: self.ed25519.clone(),
            x25519: self.x25519.clone(),
        }
    }
}

/// A published object's private halves, by its id.
#[derive(Clone, Decode, Encode)]
#[cbor(array)]
pub struct StoredPrekey {
    #[n(0)]
    pub id: KeyId,
    #[n(1)]
    pub is_fallback: bool,
    #[n(2)]
    pub x25519: x25519::PrivateKey,
    #[n(3)]
    pub kem: kem::PrivateKey,
    #[cbor(n(4), with = "minicbor::bytes")]
    pub object_hash: [u8; 32],
    #[n(5)]
    pub made_at: i64,
    /// When the successor of a fallback object was uploaded.
    #[n(6)]
    pub followed_at: Option<i64>,
    /// The AD of each handshake that a fallback object accepted.
    #[n(7)]
    pub accepted: Vec<Bytes32>,
}

impl StoredPrekey {
    pub fn new(prekey: &Prekey, now: i64) -> Self {
        Self {
            id: prekey.id,
            is_fallback: prekey.kind == Kind::Fallback,
            x25519: prekey.x25519.clone(),
            kem: prekey.kem.clone(),
            object_hash: prekey.object_hash,
            made_at: now,
            followed_at: None,
            accepted: Vec::new(),
        }
    }

    pub fn prekey(&self) -> Prekey {
        Prekey {
            id: self.id,
            kind: if self.is_fallback { Kind::Fallback } else { Kind::OneTime },
            x25519: self.x25519.clone(),
            kem: self.kem.clone(),
            object_hash: self.object_hash,
        }
    }
}

/// A user, by their id.
#[derive(Clone, Decode, Default, Encode)]
#[cbor(array)]
pub struct User {
    /// Shares an encrypted room with us, or is ourselves.
    #[n(0)]
    pub is_tracked: bool,
    /// How often the server told of changes: an answer counts if none came since its question.
    #[n(1)]
    pub changed: u32,
    /// Whether the server is to be asked.
    #[n(2)]
    pub is_outdated: bool,
    /// The identity that the server last told of.
    #[n(3)]
    pub master: Option<Bytes32>,
    #[n(4)]
    pub self_signing: Option<Bytes32>,
    #[n(5)]
    pub user_signing: Option<Bytes32>,
    /// The identity that is believed.
    #[n(6)]
    pub pinned: Option<Bytes32>,
    /// It was compared: by QR, emoji, number, or on another own device.
    #[n(7)]
    pub is_verified: bool,
    #[n(8)]
    pub devices: Vec<Device>,
    /// When the server may be asked again after it could not answer.
    #[n(9)]
    pub ask_after: i64,
}

/// A device of a user's. Its keys never change.
#[derive(Clone, Debug, Decode, Encode, PartialEq)]
#[cbor(array)]
pub struct Device {
    #[n(0)]
    pub device_id: String,
    #[n(1)]
    pub ed25519: Bytes32,
    #[n(2)]
    pub x25519: x25519::PublicKey,
    /// It speaks our algorithms.
    #[n(3)]
    pub is_ours: bool,
    /// The master key in whose name it was signed.
    #[n(4)]
    pub signed_by: Option<Bytes32>,
    #[n(5)]
    pub seen_at: i64,
    /// When the server no longer listed it.
    #[n(6)]
    pub gone_at: Option<i64>,
    /// It was gone and came back.
    #[n(7)]
    pub came_back: bool,
    #[n(8)]
    pub name: Option<String>,
    /// When one of its objects was last asked for, and there was none or it was wrong.
    #[n(9)]
    pub claimed_at: Option<i64>,
    /// When a session was last begun to heal one.
    #[n(10)]
    pub healed_at: Option<i64>,
}

impl User {
    /// The identity that the server tells of is not the one that is believed.
    pub fn has_changed(&self) -> bool {
        self.pinned.is_some() && self.master != self.pinned
    }

    /// Its owner vouches for it.
    pub fn vouches_for(&self, device: &Device) -> bool {
        self.pinned.is_some() && device.signed_by == self.pinned
    }

    pub fn device(&self, device_id: &str) -> Option<&Device> {
        self.devices.iter().find(|device| device.device_id == device_id)
    }

    pub fn device_mut(&mut self, device_id: &str) -> Option<&mut Device> {
        self.devices.iter_mut().find(|device| device.device_id == device_id)
    }
}

impl Device {
    pub fn identity(&self, user_id: &str) -> Result<DeviceIdentity, crate::Error> {
        Ok(DeviceIdentity {
            user_id: user_id.to_owned(),
            device_id: self.device_id.clone(),
            ed25519: self.ed25519.ed25519()?,
            x25519: self.x25519,
        })
    }
}

/// An encrypted room, by its id.
#[derive(Clone, Decode, Default, Encode)]
#[cbor(array)]
pub struct Room {
    /// What its state last said; a pin is kept when the state is gone.
    #[n(0)]
    pub algorithm: Option<String>,
    /// It is encrypted by this library, and stays so.
    #[n(1)]
    pub is_pinned: bool,
    #[n(2)]
    pub history_visibility: String,
    /// All members are known.
    #[n(3)]
    pub is_whole: bool,
    /// The list of readers that was last told.
    #[n(4)]
    pub announced: Option<Bytes32>,
    /// Counts changes of encryption and history visibility.
    #[n(5)]
    pub settings: u32,
}

/// Somebody in a room, by room and user.
#[derive(Clone, Decode, Encode)]
#[cbor(array)]
pub struct Member {
    #[n(0)]
    pub membership: String,
    /// When the event that says so was sent, in its server's words.
    #[n(1)]
    pub since: i64,
}

/// The chain that this device writes with, by room.
#[derive(Clone, Decode, Encode)]
#[cbor(array)]
pub struct OwnChainRow {
    #[n(0)]
    pub chain: OwnChain,
    #[n(1)]
    pub settings: u32,
}

/// Whom a chain (by its id) or a direct message (by its id) was sealed for.
#[derive(Clone, Decode, Default, Encode)]
#[cbor(array)]
pub struct Given {
    #[n(0)]
    pub room_id: String,
    #[n(1)]
    pub to: Vec<GivenTo>,
    #[n(2)]
    pub at: i64,
}

/// A device that was given a key, from an iteration on.
#[derive(Clone, Debug, Decode, Encode, PartialEq)]
#[cbor(array)]
pub struct GivenTo {
    #[n(0)]
    pub user_id: String,
    #[n(1)]
    pub device_id: String,
    #[n(2)]
    pub ed25519: Bytes32,
    #[n(3)]
    pub iteration: u32,
}

/// What opens a message, by its id.
#[derive(Clone, Decode, Encode)]
#[cbor(array)]
pub struct StoredWrap {
    #[n(0)]
    pub room_id: String,
    /// The device that the session was with which brought it.
    #[n(1)]
    pub from: Owner,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub wrap: Vec<u8>,
    #[n(3)]
    pub provenance: Provenance,
}

impl StoredWrap {
    pub fn open(&self) -> Result<Wrap, crate::Error> {
        let bytes = self.wrap.as_slice().try_into().map_err(|_| crate::Error::Store)?;
        Ok(Wrap::from_bytes(bytes))
    }
}

impl Drop for StoredWrap {
    fn drop(&mut self) {
        self.wrap.zeroize();
    }
}

/// A chain that is read with, by room and id.
#[derive(Clone, Decode, Encode)]
#[cbor(transparent)]
pub struct StoredChain {
    #[n(0)]
    pub chain: HeldChain,
}

/// The version of the key backup that is written to: one row, with an empty key. Without a name it is not made yet,
/// or is not to be written to.
#[derive(Clone, Decode, Encode, PartialEq)]
#[cbor(array)]
pub struct BackupRow {
    #[n(0)]
    pub public: PublicKeys,
    #[n(1)]
    pub version: Option<String>,
}

/// Since when a key waits to be written to the backup, by `c` and a chain's key or `w` and a wrap's.
#[derive(Clone, Copy, Decode, Encode)]
#[cbor(transparent)]
pub struct Unsaved(#[n(0)] pub i64);

/// The message of an event, by room and event id.
#[derive(Clone, Copy, Decode, Encode)]
#[cbor(transparent)]
pub struct EventMessage(#[n(0)] pub MessageId);

/// The first event of a message, by room and message id.
#[derive(Clone, Decode, Encode)]
#[cbor(array)]
pub struct MessageEvent {
    #[n(0)]
    pub event_id: String,
    #[n(1)]
    pub sender: String,
}

/// A list of readers, by room and hash.
#[derive(Clone, Decode, Encode)]
#[cbor(transparent)]
pub struct AudienceRow(#[n(0)] pub Vec<crate::audience::Reader>);

/// A part of a list that is not complete yet, by room, hash and number: JSON.
#[derive(Clone, Decode, Encode)]
#[cbor(transparent)]
pub struct AudiencePart(#[n(0)] pub String);

/// A request to a server, by its number.
#[derive(Clone, Decode, Encode)]
#[cbor(array)]
pub struct Request {
    #[n(0)]
    pub method: String,
    #[n(1)]
    pub path: String,
    /// JSON.
    #[n(2)]
    pub body: String,
    #[n(3)]
    pub purpose: Purpose,
}

/// What the answer to a request is for.
#[derive(Clone, Decode, Encode, PartialEq)]
pub enum Purpose {
    /// Whether the device's keys are in it, and the prekeys in it.
    #[n(0)]
    KeysUpload(#[n(0)] bool, #[n(1)] Vec<KeyId>),
    /// Users with how often they had changed.
    #[n(1)]
    KeysQuery(#[n(0)] Vec<(String, u32)>),
    /// Devices.
    #[n(2)]
    KeysClaim(#[n(0)] Vec<(String, String)>),
    #[n(3)]
    ToDevice,
    #[n(4)]
    SigningKeysUpload,
    #[n(5)]
    SignaturesUpload,
    /// A new version of the backup.
    #[n(6)]
    BackupVersion,
    /// Which keys are in it.
    #[n(7)]
    BackupKeys(#[n(0)] Vec<SecretBytes>),
    #[n(8)]
    AccountData,
}

/// What waits for a session with a device, by user and device.
#[derive(Clone, Decode, Default, Encode)]
#[cbor(transparent)]
pub struct Waiting(#[n(0)] pub Vec<SecretBytes>);

/// Bytes that are erased when dropped.
#[derive(Clone, Decode, Encode, PartialEq)]
#[cbor(transparent)]
pub struct SecretBytes(#[cbor(n(0), with = "minicbor::bytes")] pub Vec<u8>);

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A to-device event of an unknown device, by sender and number: its JSON.
#[derive(Clone, Decode, Encode)]
#[cbor(transparent)]
pub struct Held(#[n(0)] pub String);

/// A missing key that was asked for, by chain or message id.
#[derive(Clone, Decode, Encode)]
#[cbor(array)]
pub struct Asked {
    #[n(0)]
    pub room_id: String,
    #[n(1)]
    pub at: i64,
}

/// Whose keys the server is to be asked for, by user.
#[derive(Clone, Copy, Decode, Encode)]
#[cbor(transparent)]
pub struct Outdated(#[n(0)] pub u32);

/// A secret, by its name.
#[derive(Clone, Decode, Encode)]
#[cbor(transparent)]
pub struct SecretRow(#[n(0)] pub SecretBytes);

macro_rules! rows {
    ($($row:ty: $table:ident, $capacity:expr;)*) => {$(
        impl Row for $row {
            const TABLE: Table = Table::$table;
            const CAPACITY: usize = $capacity;
        }
    )*};
}

rows! {
    Account: Account, 1024;
    StoredPrekey: Prekeys, 1024;
    User: Users, 1024;
    Room: Rooms, 256;
    Member: Members, 64;
    OwnChainRow: OwnChains, 2048;
    StoredChain: Chains, 4096;
    StoredWrap: Wraps, 1024;
    Given: Given, 1024;
    EventMessage: Events, 64;
    MessageEvent: Messages, 256;
    AudienceRow: Audiences, 4096;
    AudiencePart: Parts, 4096;
    Request: Requests, 4096;
    Waiting: Waiting, 64 * 1024;
    Held: Held, 4096;
    Asked: Asked, 256;
    Outdated: Outdated, 16;
    BackupRow: Backup, 2048;
    Unsaved: Unsaved, 16;
    SecretRow: Secrets, 256;
    crate::identity::Removal: Removals, 512;
    Sessions: Sessions, 64 * 1024;
}
