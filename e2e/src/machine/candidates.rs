//! Keys that somebody other than their owner brought: anybody can make them up, so none keeps another out.
//!
//! ```text
//! from its owner ────────────────────────► held, at its place
//! shared, of an import ──► a candidate, beside others for the same message or chain
//!                             └─ opens what its owner signed, or leads to what the owner gave: held in its turn
//! ```
//!
//! A candidate of a chain is proven by the first message that it opens: nobody finds a key that leads to the same later
//! ones. Of many, the newest of each who shared are kept, so that whoever comes first with false ones gains nothing.

use super::{
    Work,
    rows::{StoredChain, StoredWrap},
};
use crate::{
    Error, encoding,
    primitives::kdf,
    room_message::MessageId,
    sender_key::{ChainId, Distribution, HeldChain, Provenance},
    store::{Row, key},
};

/// How many candidates there are for one message or chain.
const CANDIDATES_MAX: usize = 8;

/// Rows that have an author who may be proven or not.
pub(super) trait Claimed: Row {
    fn provenance(&self) -> &Provenance;
}

impl Claimed for StoredChain {
    fn provenance(&self) -> &Provenance {
        self.chain.provenance()
    }
}

impl Claimed for StoredWrap {
    fn provenance(&self) -> &Provenance {
        &self.provenance
    }
}

/// Where a chain is.
pub(super) fn chain_place(room_id: &str, id: &ChainId) -> Vec<u8> {
    key(&[room_id.as_bytes(), &id.0])
}

/// Where the wrap of a message is that a device of a user's wrote: nobody else's is there.
pub(super) fn wrap_place(id: &MessageId, user_id: &str, device_id: &str) -> Vec<u8> {
    [&id.0, key(&[user_id.as_bytes(), device_id.as_bytes()]).as_slice()].concat()
}

/// The message of a wrap's place.
pub(super) fn message_of(at: &[u8]) -> Result<MessageId, Error> {
    let id = at.get(..32).and_then(|id| id.try_into().ok());
    id.map(MessageId).ok_or(Error::Store)
}

impl Work<'_> {
    /// The wraps that are held for a message of a device: its own first.
    pub(super) fn wraps_of(
        &self,
        id: &MessageId,
        user_id: &str,
        device_id: &str,
    ) -> Result<Vec<(Vec<u8>, StoredWrap)>, Error> {
        let at = wrap_place(id, user_id, device_id);
        let is_of =
            |row: &StoredWrap| row.from.user_id == user_id && row.from.device_id == device_id;
        let mut all = Vec::new();
        // Earlier versions kept one for a message, whoever brought it.
        for place in [at.as_slice(), &id.0] {
            if let Some(row) = self.tx.get::<StoredWrap>(place)?.filter(is_of) {
                all.push((place.to_vec(), row));
            }
        }
        all.extend(self.tx.scan::<StoredWrap>(&key(&[&at, &[]]))?);
        Ok(all)
    }

    /// Keeps what is not proven beside the like. Answers whether it is new.
    pub(super) fn keep_candidate<T: Claimed>(&mut self, at: &[u8], row: &T) -> Result<bool, Error> {
        let encoded = encoding::encode_versioned(crate::changes::VERSION, row);
        // All of it: of a part, somebody who knows the right one could find a false one with the same.
        let hash = kdf::hash("org.sealpost.store.v1 candidate", &[&encoded]);
        let place = key(&[at, &hash]);
        let others = self.tx.scan::<T>(&key(&[at, &[]]))?;
        if others.iter().any(|(other, _)| *other == place) {
            return Ok(false);
        }
        if others.len() >= CANDIDATES_MAX {
            // One of whoever brought this, if there is one: nobody pushes out what another shared.
            let of_same = |(_, other): &&(Vec<u8>, T)| other.provenance() == row.provenance();
            if let Some((gone, _)) = others.iter().find(of_same).or(others.first()) {
                self.tx.delete::<T>(gone);
            }
        }
        self.tx.put(&place, row);
        Ok(true)
    }

    /// Takes in what somebody says of a chain. Answers whether it is new.
    pub(super) fn take_chain(
        &mut self,
        distribution: &Distribution,
        provenance: &Provenance,
    ) -> Result<bool, Error> {
        let at = chain_place(&distribution.room_id, &distribution.id());
        let all = self.tx.scan::<StoredChain>(&at)?;
        let held = all.iter().find(|(place, _)| *place == at).map(|(_, row)| &row.chain);
        let new = HeldChain::new(distribution, provenance.clone());
        let learnt = match held {
            Some(held) => held.learn(distribution, provenance.clone()),
            None if provenance.is_proven() => Ok(new.clone()),
            None => Err(Error::NoKey),
        };
        if let Ok(chain) = learnt {
            self.hold_chain(&at, chain, &all)?;
        } else if held.is_some_and(|held| held.provenance().is_proven())
            || all.iter().any(|(_, row)| row.chain.leads_to(distribution))
            || !self.keep_candidate(&at, &StoredChain { chain: new })?
        {
            return Ok(false);
        }
        self.keys_arrived(&distribution.room_id);
        Ok(true)
    }

    /// Holds a chain whose key is right. Of what else was said of it remains what leads to that.
    pub(super) fn hold_chain(
        &mut self,
        at: &[u8],
        mut chain: HeldChain,
        all: &[(Vec<u8>, StoredChain)],
    ) -> Result<(), Error> {
        for (place, StoredChain { chain: other }) in all {
            if let Ok(distribution) = other.distribution(other.earliest())
                && let Ok(learnt) = chain.learn(&distribution, other.provenance().clone())
            {
                chain = learnt;
            }
            if place != at {
                self.tx.delete::<StoredChain>(place);
            }
        }
        // What is not proven stays out of the backup: it could hide an owner's key there.
        if chain.provenance().is_proven() {
            self.unsaved(b'c', at);
        }
        self.tx.put(at, &StoredChain { chain });
        Ok(())
    }
}
