//! The rows of a machine's store.

use zeroize::Zeroize as _;

use crate::{
    backup::PublicKeys,
    changes::Table,
    direct::Wrap,
    encoding::{Bytes32, coded},
    identity::{DeviceIdentity, OwnDevice, Removal},
    prekeys::KeyId,
    primitives::{ed25519, x25519},
    room_message::MessageId,
    sender_key::{HeldChain, OwnChain, Owner, Provenance},
    session::Sessions,
    store::Row,
};

mod prekey;

pub use self::prekey::StoredPrekey;

/// This device: one row, with an empty key.
#[derive(Clone)]
pub struct Account {
    pub user_id: String,
    pub device_id: String,
    pub ed25519: ed25519::PrivateKey,
    pub x25519: x25519::PrivateKey,
    /// The server has the device's keys.
    pub is_uploaded: bool,
    /// How many one-time objects the server has; `None`: it was not heard.
    pub one_time: Option<u32>,
    /// The server handed the fallback object out.
    pub fallback_used: bool,
    /// When the last fallback object was made.
    pub fallback_at: Option<i64>,
    /// The number of the next request.
    pub next: u64,
    /// When an upload of prekeys may be tried again.
    pub upload_after: i64,
    /// When looking through old rows last began.
    pub pruned_at: Option<i64>,
    /// How far that came, until it is through: a table's number and a key.
    pub pruned_to: Option<Vec<u8>>,
    /// When it was last seen that this store was set back.
    pub set_back_at: Option<i64>,
}

coded!(Account {
    user_id,
    device_id,
    ed25519,
    x25519,
    is_uploaded,
    one_time,
    fallback_used,
    fallback_at,
    next,
    upload_after,
    pruned_at,
    pruned_to,
    set_back_at
});

impl Account {
    /// This device as the owner of chains and messages.
    pub fn owner(&self) -> Owner {
        Owner {
            user_id: self.user_id.clone(),
            device_id: self.device_id.clone(),
            ed25519: self.ed25519.public().into(),
        }
    }

    pub fn own(&self) -> OwnDevice {
        // So that what was computed stays here, too.
        self.x25519.public();
        OwnDevice {
            user_id: self.user_id.clone(),
            device_id: self.device_id.clone(),
            ed25519: self.ed25519.clone(),
            x25519: self.x25519.clone(),
        }
    }
}

/// A user, by their id.
#[derive(Clone, Default)]
pub struct User {
    /// Shares an encrypted room with us, or is ourselves.
    pub is_tracked: bool,
    /// How often the server told of changes: an answer counts if none came since its question.
    pub changed: u32,
    /// Whether the server is to be asked.
    pub is_outdated: bool,
    /// The identity that the server last told of.
    pub master: Option<Bytes32>,
    pub self_signing: Option<Bytes32>,
    pub user_signing: Option<Bytes32>,
    /// The identity that is believed.
    pub pinned: Option<Bytes32>,
    /// It was compared: by QR, emoji, number, or on another own device.
    pub is_verified: bool,
    pub devices: Vec<Device>,
    /// When the server may be asked again after it could not answer.
    pub ask_after: i64,
    /// When this identity was last looked at by a person, here or on another own device.
    pub looked_at: Option<i64>,
    /// Self-signing keys that the believed master key signed.
    pub signers: Option<Vec<Bytes32>>,
    /// Identities that were believed before: no signature brings one back.
    pub replaced: Option<Vec<Bytes32>>,
    /// Where earlier versions kept what is in [`Claim`] now.
    pub claims: Option<Vec<Removal>>,
    /// Since when a stranger is followed: nothing but what they sent concerns them.
    pub stranger_since: Option<i64>,
    /// Since when another identity is believed than before.
    pub replaced_at: Option<i64>,
    /// When the server was last asked because of a message that no device known and vouched for had sent.
    pub suspected_at: Option<i64>,
}

/// How many there are of what a user row remembers, each.
const REMEMBERED_MAX: usize = 30;

/// Remembers what is not in a list yet; beyond the bound, the oldest goes.
pub fn remember<T: PartialEq>(list: &mut Option<Vec<T>>, item: T) {
    let list = list.get_or_insert_default();
    if !list.contains(&item) {
        if list.len() >= REMEMBERED_MAX {
            list.remove(0);
        }
        list.push(item);
    }
}

coded!(User {
    is_tracked,
    changed,
    is_outdated,
    master,
    self_signing,
    user_signing,
    pinned,
    is_verified,
    devices,
    ask_after,
    looked_at,
    signers,
    replaced,
    claims,
    stranger_since,
    replaced_at,
    suspected_at
});

/// A device of a user's. Its keys never change once its user's identity vouched for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    pub device_id: String,
    pub ed25519: Bytes32,
    pub x25519: x25519::PublicKey,
    /// It speaks our algorithms.
    pub is_ours: bool,
    /// The master key in whose name it was signed.
    pub signed_by: Option<Bytes32>,
    pub seen_at: i64,
    /// When the server no longer listed it.
    pub gone_at: Option<i64>,
    /// It was gone and came back.
    pub came_back: bool,
    pub name: Option<String>,
    /// When one of its objects was last asked for, and there was none or it was wrong.
    pub claimed_at: Option<i64>,
    /// When a session was last begun to heal one.
    pub healed_at: Option<i64>,
}

coded!(Device {
    device_id,
    ed25519,
    x25519,
    is_ours,
    signed_by,
    seen_at,
    gone_at,
    came_back,
    name,
    claimed_at,
    healed_at
});

impl User {
    /// The identity that the server tells of is not the one that is believed.
    pub fn has_changed(&self) -> bool {
        self.pinned.is_some() && self.master != self.pinned
    }

    /// The identity that is believed, if the server tells of it, too.
    pub fn trusted(&self) -> Option<Bytes32> {
        self.pinned.filter(|_| !self.has_changed())
    }

    /// Believes an identity from now on. Answers whether another one was believed before.
    pub fn believe(&mut self, master: Bytes32, now: i64) -> bool {
        let before = self.pinned.replace(master).filter(|before| *before != master);
        if let Some(before) = before {
            (self.signers, self.replaced_at) = (None, Some(now));
            remember(&mut self.replaced, before);
            if let Some(all) = &mut self.replaced {
                all.retain(|one| *one != master);
            }
        }
        before.is_some()
    }

    /// Another identity was believed since.
    pub fn was_replaced(&self, master: &Bytes32) -> bool {
        self.replaced.as_deref().unwrap_or_default().contains(master)
    }

    /// The self-signing keys of the identity that is believed: whichever of them a server tells of now, or none.
    pub fn signers(&self) -> Vec<Bytes32> {
        let mut signers = self.signers.clone();
        if let Some(key) = self.self_signing.filter(|_| self.trusted().is_some()) {
            remember(&mut signers, key);
        }
        signers.unwrap_or_default()
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
    /// As the owner of chains and messages.
    pub fn owner(&self, user_id: &str) -> Owner {
        Owner {
            user_id: user_id.to_owned(),
            device_id: self.device_id.clone(),
            ed25519: self.ed25519,
        }
    }

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
#[derive(Clone, Default)]
pub struct Room {
    /// What its state last said; a pin is kept when the state is gone.
    pub algorithm: Option<String>,
    /// It is encrypted by this library, and stays so.
    pub is_pinned: bool,
    pub history_visibility: String,
    /// All members are known.
    pub is_whole: bool,
    /// The list of readers that was last told.
    pub announced: Option<Bytes32>,
    /// Counts changes of encryption and history visibility.
    pub settings: u32,
    /// Something was said in it that is to be fetched yet; absent for no.
    pub has_gap: Option<bool>,
}

coded!(Room { algorithm, is_pinned, history_visibility, is_whole, announced, settings, has_gap });

/// Somebody in a room, by room and user.
#[derive(Clone)]
pub struct Member {
    pub membership: String,
    /// When the event that says so was sent, in its server's words.
    pub since: i64,
}

coded!(Member { membership, since });

/// The chain that this device writes with, by room.
#[derive(Clone)]
pub struct OwnChainRow {
    pub chain: OwnChain,
    pub settings: u32,
}

coded!(OwnChainRow { chain, settings });

/// Whom a chain (by its id) or a direct message (by its id) was sealed for.
#[derive(Clone, Default)]
pub struct Given {
    pub room_id: String,
    pub to: Vec<GivenTo>,
    pub at: i64,
}

coded!(Given { room_id, to, at });

/// A device that was given a key, from an iteration on.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenTo {
    pub user_id: String,
    pub device_id: String,
    pub ed25519: Bytes32,
    pub iteration: u32,
}

coded!(GivenTo { user_id, device_id, ed25519, iteration });

/// What opens a message, by its id.
#[derive(Clone)]
pub struct StoredWrap {
    pub room_id: String,
    /// The device that the session was with which brought it.
    pub from: Owner,
    pub wrap: Vec<u8>,
    pub provenance: Provenance,
}

coded!(StoredWrap { room_id, from, wrap, provenance });

impl StoredWrap {
    pub fn open(&self) -> Result<Wrap, crate::Error> {
        let bytes = self.wrap.as_slice().try_into().map_err(|_| crate::Error::Store)?;
        Ok(Wrap::from_bytes(bytes))
    }

    /// Its room is known, and who wrote the message is proven.
    pub fn is_for_backup(&self) -> bool {
        !self.room_id.is_empty() && self.provenance.is_proven()
    }
}

impl Drop for StoredWrap {
    fn drop(&mut self) {
        self.wrap.zeroize();
    }
}

/// A chain that is read with, by room and id.
#[derive(Clone)]
pub struct StoredChain {
    pub chain: HeldChain,
}

coded!(StoredChain = chain);

/// The version of the key backup that is written to: one row, with an empty key. Without a name it is not made yet,
/// or is not to be written to.
#[derive(Clone, PartialEq)]
pub struct BackupRow {
    pub public: PublicKeys,
    pub version: Option<String>,
}

coded!(BackupRow { public, version });

/// Since when something waits to be written to the backup, by `c` and a chain's key, `w` and a wrap's, or a kind of
/// pin ([`super::pins`]) and its key.
#[derive(Clone, Copy)]
pub struct Unsaved(pub i64);

coded!(Unsaved = 0);

/// The message of an event, by room and event id.
#[derive(Clone, Copy)]
pub struct EventMessage(pub MessageId);

coded!(EventMessage = 0);

/// The first event of a message, by room and message id.
#[derive(Clone)]
pub struct MessageEvent {
    pub event_id: String,
    pub sender: String,
}

coded!(MessageEvent { event_id, sender });

/// A list of readers, by room and hash.
#[derive(Clone)]
pub struct AudienceRow(pub Vec<crate::audience::Reader>);

coded!(AudienceRow = 0);

/// A part of a list that is not complete yet, by room, who tells it, hash and number: JSON, with `at`, when it came.
#[derive(Clone)]
pub struct AudiencePart(pub String);

coded!(AudiencePart = 0);

/// Which lists of readers a device told last in a room, in the order in which they came, and when each was sent: by
/// room, user and device.
#[derive(Clone, Default)]
pub struct Told(pub Vec<(Bytes32, i64)>);

coded!(Told = 0);

/// A key of a device's with which no message was read yet, by user, device and the chain's or message's id: the room of
/// a chain, nothing for a message, and when it came.
#[derive(Clone)]
pub struct Unread {
    pub room_id: String,
    pub at: i64,
}

coded!(Unread { room_id, at });

/// A statement that a device was removed, by whom is not known yet: by its user and a hash. Its encoding, and when it came.
#[derive(Clone)]
pub struct Claim {
    pub removal: Vec<u8>,
    pub at: i64,
}

coded!(Claim { removal, at });

/// A request to a server, by its number.
#[derive(Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// JSON.
    pub body: String,
    pub purpose: Purpose,
    /// When it was made; earlier versions did not say.
    pub made_at: Option<i64>,
}

coded!(Request { method, path, body, purpose, made_at });

/// What the answer to a request is for.
#[derive(Clone, PartialEq)]
pub enum Purpose {
    /// Whether the device's keys are in it, and the prekeys in it.
    KeysUpload(bool, Vec<KeyId>),
    /// Users with how often they had changed.
    KeysQuery(Vec<(String, u32)>),
    /// Devices.
    KeysClaim(Vec<(String, String)>),
    ToDevice,
    SigningKeysUpload,
    SignaturesUpload,
    /// A new version of the backup.
    BackupVersion,
    /// Earlier versions named the keys that are in it.
    BackupKeys(Vec<SecretBytes>),
    AccountData,
}

coded!(enum Purpose {
    0 KeysUpload(first, second),
    1 KeysQuery(first),
    2 KeysClaim(first),
    3 ToDevice,
    4 SigningKeysUpload,
    5 SignaturesUpload,
    6 BackupVersion,
    7 BackupKeys(first),
    8 AccountData,
});

/// What waits for a session with a device, by user and device.
#[derive(Clone, Default)]
pub struct Waiting(pub Vec<SecretBytes>);

coded!(Waiting = 0);

/// Bytes that are erased when dropped.
#[derive(Clone, PartialEq)]
pub struct SecretBytes(pub Vec<u8>);

coded!(SecretBytes = 0);

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A to-device event of an unknown device, by sender and number: its JSON.
#[derive(Clone)]
pub struct Held(pub String);

coded!(Held = 0);

/// A missing key that was asked for, by whom it was asked of (user and device) and the chain's or message's id.
#[derive(Clone)]
pub struct Asked {
    pub room_id: String,
    pub at: i64,
}

coded!(Asked { room_id, at });

/// Whose keys the server is to be asked for, by user.
#[derive(Clone, Copy)]
pub struct Outdated(pub u32);

coded!(Outdated = 0);

/// A secret, by its name.
#[derive(Clone)]
pub struct SecretRow(pub SecretBytes);

coded!(SecretRow = 0);

macro_rules! rows {
    ($($row:ty: $table:ident;)*) => {$(
        impl Row for $row {
            const TABLE: Table = Table::$table;
        }
    )*};
}

rows! {
    Account: Account;
    StoredPrekey: Prekeys;
    User: Users;
    Room: Rooms;
    Member: Members;
    OwnChainRow: OwnChains;
    StoredChain: Chains;
    StoredWrap: Wraps;
    Given: Given;
    EventMessage: Events;
    MessageEvent: Messages;
    AudienceRow: Audiences;
    AudiencePart: Parts;
    Told: Told;
    Unread: Unread;
    Claim: Claims;
    Request: Requests;
    Waiting: Waiting;
    Held: Held;
    Asked: Asked;
    Outdated: Outdated;
    BackupRow: Backup;
    Unsaved: Unsaved;
    SecretRow: Secrets;
    Removal: Removals;
    Sessions: Sessions;
}
