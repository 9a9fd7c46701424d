//! Chains of others, from the earliest iteration that this device was given.

use zeroize::Zeroizing;

use super::{ChainId, ChainKey, Distribution, MESSAGE, Owner, Received, SIGNATURE, read, write};
use crate::{
    Error,
    encoding::{Bytes32, coded},
    primitives::{aead, ed25519, kdf},
    room_message::{Context, MessageId},
};

const STATE_MAX: usize = 4 * 1024;

/// How this device came to a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// From its owner, inside a session with the owning device.
    Owner,
    /// From another user, who may have made it up: "shared by X, author not proven".
    Shared(String),
    /// From a file or an old backup: its author is not proven either.
    Import,
    /// From its owner, for which the identity with this master key vouched then, as an own device says.
    Vouched(Bytes32),
}

impl Provenance {
    /// Whether who made it is proven.
    pub fn is_proven(&self) -> bool {
        matches!(self, Self::Owner | Self::Vouched(_))
    }
}

coded!(enum Provenance {
    0 Owner,
    1 Shared(first),
    2 Import,
    3 Vouched(first),
});

/// A chain of another device's. A value: operations answer the next one.
#[derive(Clone)]
pub struct HeldChain {
    id: ChainId,
    room_id: String,
    owner: Owner,
    signing: ed25519::PublicKey,
    earliest: ChainKey,
    /// Where the last message was read, so that the next one is a step away.
    latest: ChainKey,
    provenance: Provenance,
}

coded!(HeldChain { id, room_id, owner, signing, earliest, latest, provenance });

/// A message of a group, read.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The padded content.
    pub padded: Zeroizing<Vec<u8>>,
    /// The message's name.
    pub id: MessageId,
}

impl HeldChain {
    /// Takes in a chain that is not held yet.
    pub fn new(distribution: &Distribution, provenance: Provenance) -> Self {
        Self {
            id: distribution.id(),
            room_id: distribution.room_id.clone(),
            owner: distribution.owner.clone(),
            signing: distribution.signing,
            earliest: distribution.chain.clone(),
            latest: distribution.chain.clone(),
            provenance,
        }
    }

    /// Takes in what arrived of a chain that is held. What comes from the owner replaces what somebody shared, never the
    /// reverse. Of both, the earlier iteration is kept if it leads to the later one's key, whoever it is from: nobody
    /// finds another that does.
    ///
    /// # Errors
    /// [`Error::Authentication`]: it leads to another key. [`Error::Order`]: another chain, or nothing new.
    pub fn learn(
        &self,
        distribution: &Distribution,
        provenance: Provenance,
    ) -> Result<Self, Error> {
        if distribution.id() != self.id {
            return Err(Error::Order);
        }
        if !self.provenance.is_proven() && provenance.is_proven() {
            let mut owners = Self::new(distribution, provenance);
            if self.leads_to(distribution) {
                owners.earliest = self.earliest.clone();
            }
            return Ok(owners);
        }
        let earlier = &distribution.chain;
        if earlier.iteration >= self.earliest.iteration {
            return Err(Error::Order);
        }
        if earlier.at(self.earliest.iteration)?.key != self.earliest.key {
            return Err(Error::Authentication);
        }
        Ok(Self { earliest: earlier.clone(), ..self.clone() })
    }

    /// Whether what a distribution says follows from what is held.
    pub fn leads_to(&self, distribution: &Distribution) -> bool {
        let there = self.earliest.at(distribution.chain.iteration);
        distribution.id() == self.id && there.is_ok_and(|there| there.key == distribution.chain.key)
    }

    /// Whether the owner signed a message of this chain: if so, and it does not open, what is held is wrong.
    ///
    /// # Errors
    /// [`Error::Authentication`]: not by the owner, or for another room, sender, device or audience.
    pub fn check(&self, context: &Context<'_>, received: &Received) -> Result<(), Error> {
        self.verify(context, received).map(|_| ())
    }

    /// The id of a message that the owner signed, and what it is bound to.
    fn verify(
        &self,
        context: &Context<'_>,
        Received { message, header }: &Received,
    ) -> Result<(MessageId, Vec<u8>), Error> {
        let from_owner =
            context.sender == self.owner.user_id && context.device_id == self.owner.device_id;
        if !from_owner || context.room_id != self.room_id || header.id != self.id {
            return Err(Error::Authentication);
        }
        let aad = context.aad(&header.place());
        let id = MessageId::of(&aad, &message.header, &message.sealed);
        self.signing.verify(&kdf::labelled(SIGNATURE, &[&id.0]), &message.signature)?;
        Ok((id, aad))
    }

    /// Reads a message that its event's sender sent from a device of this chain's owner.
    ///
    /// # Errors
    /// [`Error::Authentication`]: not by the owner, or not as it was sealed, or for another room, sender, device
    /// or audience. [`Error::NoKey`]: before the earliest iteration. [`Error::Gap`]: too far after it.
    pub fn open(
        &self,
        context: &Context<'_>,
        received: &Received,
    ) -> Result<(Opened, Self), Error> {
        let (id, aad) = self.verify(context, received)?;
        let Received { message, header } = received;
        let nearest = match header.iteration.checked_sub(self.latest.iteration) {
            Some(_) => &self.latest,
            None => &self.earliest,
        };
        let here = nearest.at(header.iteration)?;
        let secret: [&[u8]; 2] = [&*here.message_key(), &header.random];
        let padded = Zeroizing::new(aead::open(MESSAGE, &secret, &aad, &message.sealed)?);
        let mut chain = self.clone();
        if here.iteration > chain.latest.iteration {
            chain.latest = here;
        }
        Ok((Opened { padded, id }, chain))
    }

    /// The chain's name.
    pub fn id(&self) -> ChainId {
        self.id
    }

    /// Whose it is.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The room that it is for.
    pub fn room_id(&self) -> &str {
        &self.room_id
    }

    /// How this device came to it.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// The same, come to in another way.
    #[must_use]
    pub fn with_provenance(self, provenance: Provenance) -> Self {
        Self { provenance, ..self }
    }

    /// What another device is given so that it reads from `iteration` on.
    ///
    /// # Errors
    /// [`Error::NoKey`]: before the earliest that is held; [`Error::Gap`].
    pub fn distribution(&self, iteration: u32) -> Result<Distribution, Error> {
        Ok(Distribution {
            room_id: self.room_id.clone(),
            owner: self.owner.clone(),
            signing: self.signing,
            chain: self.earliest.at(iteration)?,
        })
    }

    /// From which message on it can be read.
    pub fn earliest(&self) -> u32 {
        self.earliest.iteration
    }

    /// The bytes to store.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        write(self, STATE_MAX)
    }

    /// A stored chain.
    ///
    /// # Errors
    /// [`Error::Encoding`]: not what [`HeldChain::to_bytes`] gives.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        read(bytes, STATE_MAX)
    }
}
