//! Sender keys: one sealing for all devices of a group. (After Signal's [sender keys][1], with a signature that
//! only the owner of a chain can make.)
//!
//! ```text
//! id           = first 16 bytes of hash("org.sealpost.sender_key.v1 chain", room, user, device, Ed25519, chain's Ed25519)
//! message key  = HMAC(chain, 0x01)      chain' = HMAC(chain, 0x02)
//! header       = [ id: bytes 16, iteration, random: bytes 16 ]
//! sealed       = seal(message key ‖ random, aad)                        (primitives::aead, room_message)
//! message      = 0x01 ‖ [ header: bytes, sealed: bytes, signature: bytes 64 ]
//! signature    = the chain's Ed25519 over labelled("org.sealpost.sender_key.v1 signature", H)
//! distribution = 0x01 ‖ [ room, user, device, Ed25519, chain's Ed25519, iteration, chain: bytes 32 ]
//! ```
//!
//! A distribution travels inside ratchet messages only. Whoever holds a chain reads from its iteration on and
//! can seal nothing in its owner's name.
//!
//! [1]: https://signal.org/docs/specifications/doubleratchet/

mod held;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    Error,
    encoding::{self, Bytes32, Decode, Encode, Writer, coded},
    identity::{DeviceIdentity, OwnDevice},
    primitives::{
        Secret, aead, ed25519,
        kdf::{self, Label},
        part, random,
    },
    room_message::{Context, MessageId},
};

pub use self::held::{HeldChain, Opened, Provenance};

/// The algorithm of groups: its name in events and `device_keys`.
pub const ALGORITHM: &str = "org.sealpost.sender_key.v1";
/// A new chain comes after so many messages.
pub const MESSAGES_MAX: u32 = 100;
/// Or after so many milliseconds: 7 days.
pub const AGE_MAX_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// How far a message may be ahead of the earliest iteration that is held.
pub const GAP_MAX: u32 = 2_000;

const VERSION: u8 = 1;
const MESSAGE_MAX: usize = 32 * 1024;
const DISTRIBUTION_MAX: usize = 2 * 1024;
const MESSAGE: Label = "org.sealpost.sender_key.v1 message";
const SIGNATURE: Label = "org.sealpost.sender_key.v1 signature";

/// The name of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(pub [u8; 16]);

coded!(ChainId = 0);

/// Whose chain it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The user.
    pub user_id: String,
    /// The device.
    pub device_id: String,
    /// The device's key, as it was when the chain began: compared, never used, so it stays bytes.
    pub ed25519: Bytes32,
}

coded!(Owner { user_id, device_id, ed25519 });

impl Owner {
    /// A device as the owner of a chain.
    pub fn of(device: &DeviceIdentity) -> Self {
        Self {
            user_id: device.user_id.clone(),
            device_id: device.device_id.clone(),
            ed25519: device.ed25519.into(),
        }
    }
}

/// A place in a chain of keys: the one for `iteration`, from which all later ones follow.
#[derive(Clone)]
struct ChainKey {
    iteration: u32,
    key: Secret,
}

coded!(ChainKey { iteration, key });

impl ChainKey {
    /// The key of the message here.
    fn message_key(&self) -> Secret {
        kdf::step(&self.key, 1)
    }

    /// The key of the message here, and one further.
    fn advance(&self) -> Result<(Secret, Self), Error> {
        let iteration = self.iteration.checked_add(1).ok_or(Error::TooLong)?;
        let (message, key) = kdf::steps(&self.key);
        Ok((message, Self { iteration, key }))
    }

    /// One further.
    fn next(&self) -> Result<Self, Error> {
        let iteration = self.iteration.checked_add(1).ok_or(Error::TooLong)?;
        Ok(Self { iteration, key: kdf::step(&self.key, 2) })
    }

    /// At a later iteration, at most [`GAP_MAX`] further.
    fn at(&self, iteration: u32) -> Result<Self, Error> {
        let gap = iteration.checked_sub(self.iteration).ok_or(Error::NoKey)?;
        if gap > GAP_MAX {
            return Err(Error::Gap);
        }
        (0..gap).try_fold(self.clone(), |key, _| key.next())
    }
}

/// What readers need to read on from an iteration. Secret.
#[derive(Clone)]
pub struct Distribution {
    /// The room that the chain is for.
    pub room_id: String,
    /// Whose it is.
    pub owner: Owner,
    signing: ed25519::PublicKey,
    chain: ChainKey,
}

coded!(Distribution { room_id, owner, signing, chain });

impl Distribution {
    /// The chain's name, which follows from what the distribution says.
    pub fn id(&self) -> ChainId {
        chain_id(&self.room_id, &self.owner, &self.signing)
    }

    /// From which message on it lets read.
    pub fn iteration(&self) -> u32 {
        self.chain.iteration
    }

    /// The bytes for the inside of a ratchet message.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        write(self, DISTRIBUTION_MAX)
    }

    /// Reads what came inside a ratchet message.
    ///
    /// # Errors
    /// [`Error::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        read(bytes, DISTRIBUTION_MAX)
    }
}

/// A chain of this device's own. A value: sealing answers the next one.
#[derive(Clone)]
pub struct OwnChain {
    id: ChainId,
    room_id: String,
    owner: Owner,
    signing: ed25519::PrivateKey,
    chain: ChainKey,
    begun_at: i64,
}

coded!(OwnChain { id, room_id, owner, signing, chain, begun_at });

impl OwnChain {
    /// Begins a chain for a room.
    pub fn begin(device: &OwnDevice, room_id: &str, now: i64, rng: &mut dyn CryptoRng) -> Self {
        let (signing, owner) = (ed25519::PrivateKey::generate(rng), Owner::of(&device.identity()));
        Self {
            id: chain_id(room_id, &owner, &signing.public()),
            room_id: room_id.to_owned(),
            owner,
            signing,
            chain: ChainKey { iteration: 0, key: Secret::new(random(rng)) },
            begun_at: now,
        }
    }

    /// Its name.
    pub fn id(&self) -> ChainId {
        self.id
    }

    /// The iteration of the next message.
    pub fn iteration(&self) -> u32 {
        self.chain.iteration
    }

    /// Whether a new one is to be begun, for its age or its messages.
    pub fn is_spent(&self, now: i64) -> bool {
        self.chain.iteration >= MESSAGES_MAX || now.saturating_sub(self.begun_at) >= AGE_MAX_MS
    }

    /// What a reader is given: all from the next message on.
    pub fn distribution(&self) -> Distribution {
        Distribution {
            room_id: self.room_id.clone(),
            owner: self.owner.clone(),
            signing: self.signing.public(),
            chain: self.chain.clone(),
        }
    }

    /// Seals padded content for an audience. The message may leave when the next state is stored.
    ///
    /// # Errors
    /// [`Error::TooLong`].
    pub fn seal(
        &self,
        audience: &[u8; 32],
        padded: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(Vec<u8>, MessageId, Self), Error> {
        let iteration = self.chain.iteration;
        let header = Header { id: self.id, iteration, random: random(rng) };
        let context = Context {
            room_id: &self.room_id,
            sender: &self.owner.user_id,
            device_id: &self.owner.device_id,
            audience,
        };
        let aad = context.aad(&header.place());
        let header_bytes = encoding::encode(&header);
        let (key, chain) = self.chain.advance()?;
        let sealed = aead::seal(MESSAGE, &[&*key, &header.random], &aad, padded)?;
        let id = MessageId::of(&aad, &header_bytes, &sealed);
        let signature = self.signing.sign(&kdf::labelled(SIGNATURE, &[&id.0]));
        let mut out = Writer::with_room(sealed.len() + 128);
        out.push(VERSION);
        let message =
            encoding::encode_to(out, &Message { header: header_bytes, sealed, signature });
        if message.len() > MESSAGE_MAX {
            return Err(Error::TooLong);
        }
        Ok((message, id, Self { chain, ..self.clone() }))
    }

    /// The bytes to store.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        write(self, DISTRIBUTION_MAX)
    }

    /// A stored chain.
    ///
    /// # Errors
    /// [`Error::Encoding`]: not what [`OwnChain::to_bytes`] gives.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        read(bytes, DISTRIBUTION_MAX)
    }
}

/// What a group message says in clear.
#[derive(Clone, Debug, PartialEq)]
struct Header {
    id: ChainId,
    iteration: u32,
    random: [u8; 16],
}

coded!(Header { id, iteration, random });

impl Header {
    fn place(&self) -> Vec<u8> {
        [&self.id.0[..], &self.iteration.to_be_bytes()].concat()
    }
}

#[derive(Clone)]
struct Message {
    header: Vec<u8>,
    sealed: Vec<u8>,
    signature: [u8; 64],
}

coded!(Message { header, sealed, signature });

/// A message as it arrived, before anything in it is believed.
pub struct Received {
    message: Message,
    header: Header,
}

impl Received {
    /// Reads the bytes of an event.
    ///
    /// # Errors
    /// [`Error::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let message: Message = read(bytes, MESSAGE_MAX)?;
        let header = encoding::decode(&message.header, 64)?;
        Ok(Self { message, header })
    }

    /// The chain that it names: looked up by room, sender and this.
    pub fn chain(&self) -> ChainId {
        self.header.id
    }

    /// Its place in the chain.
    pub fn iteration(&self) -> u32 {
        self.header.iteration
    }
}

fn chain_id(room_id: &str, owner: &Owner, signing: &ed25519::PublicKey) -> ChainId {
    let fields: [&[u8]; 5] = [
        room_id.as_bytes(),
        owner.user_id.as_bytes(),
        owner.device_id.as_bytes(),
        &owner.ed25519.0,
        signing.as_bytes(),
    ];
    ChainId(part::<0, 16, 32>(&kdf::hash("org.sealpost.sender_key.v1 chain", &fields)))
}

fn write<T: Encode>(value: &T, limit: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let bytes = encoding::encode_versioned(VERSION, value);
    if bytes.len() > limit { Err(Error::TooLong) } else { Ok(bytes) }
}

fn read<T: Decode + Encode>(bytes: &[u8], limit: usize) -> Result<T, Error> {
    encoding::decode_versioned(VERSION, bytes, limit)
}

#[cfg(test)]
mod tests;
