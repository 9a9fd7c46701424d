//! Keys as they are written down, in rows of the backup and in files: history for newcomers, an export of one's own.

use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    Work,
    candidates::{message_of, wrap_place},
    check_id,
    rows::{StoredChain, StoredWrap},
    text,
};
use crate::{
    Error, attachment,
    encoding::{self, coded},
    inside::Inside,
    json,
    pins::Pins,
    room_message::MessageId,
    sender_key::{HeldChain, Owner, Provenance},
    signed_json::key_from_base64,
    store::key,
};

/// How many keys one room's history may have.
const HISTORY_MAX: usize = 100_000;

/// The plaintext of a row.
pub enum Saved {
    Chain(Box<HeldChain>),
    Wraps(Vec<SavedWrap>),
    Pins(Pins),
}

coded!(enum Saved {
    0 Chain(first),
    1 Wraps(first),
    2 Pins(first),
});

pub struct SavedWrap {
    pub id: MessageId,
    pub row: StoredWrap,
}

coded!(SavedWrap { id, row });

/// All keys of a file.
struct History(Vec<Saved>);

coded!(History = 0);

/// Whether somebody says where the keys of a room's history are, in a way that is known.
pub(super) fn is_description(description: &Value) -> bool {
    let file = description.get("file").unwrap_or(&Value::Null);
    let is_key = |name: &str| text(file, name).is_some_and(|key| key_from_base64(key).is_ok());
    text(description, "room_id").is_some_and(|id| check_id(id).is_ok())
        && text(file, "v") == Some(attachment::VERSION)
        && text(file, "url").is_some_and(|url| url.starts_with("mxc://"))
        && is_key("key")
        && is_key("hash")
        && file.get("size").is_some_and(Value::is_u64)
}

impl Work<'_> {
    /// Keys for a file: the proven ones of a room's history, or all that are here.
    pub(super) fn keys_of(&self, room_id: Option<&str>) -> Result<Zeroizing<Vec<u8>>, Error> {
        let is_wanted = |of: &str, provenance: &Provenance| match room_id {
            Some(room_id) => of == room_id && provenance.is_proven(),
            // A wrap is of no room until its message is read.
            None => !of.is_empty(),
        };
        let prefix = room_id.map(|room_id| key(&[room_id.as_bytes(), &[]])).unwrap_or_default();
        let mut all = Vec::new();
        for (_, row) in self.tx.scan::<StoredChain>(&prefix)? {
            if is_wanted(row.chain.room_id(), row.chain.provenance()) {
                all.push(Saved::Chain(Box::new(self.saved_chain(row.chain)?)));
            }
        }
        let mut wraps = Vec::new();
        for (at, row) in self.tx.scan::<StoredWrap>(&[])? {
            if is_wanted(&row.room_id, &row.provenance) {
                let id = message_of(&at)?;
                wraps.push(SavedWrap { id, row: self.saved_wrap(row)? });
            }
        }
        all.push(Saved::Wraps(wraps));
        Ok(encoding::encode_versioned(1, &History(all)))
    }

    /// A chain as it is written for later and for other own devices.
    pub(super) fn saved_chain(&self, chain: HeldChain) -> Result<HeldChain, Error> {
        let provenance = self.saved_provenance(chain.owner(), chain.provenance())?;
        Ok(chain.with_provenance(provenance))
    }

    /// A wrap as it is written for later and for other own devices.
    pub(super) fn saved_wrap(&self, mut row: StoredWrap) -> Result<StoredWrap, Error> {
        row.provenance = self.saved_provenance(&row.from, &row.provenance)?;
        Ok(row)
    }

    /// Whoever reads it may never see the device of which it is.
    fn saved_provenance(
        &self,
        owner: &Owner,
        provenance: &Provenance,
    ) -> Result<Provenance, Error> {
        if *provenance != Provenance::Owner {
            return Ok(provenance.clone());
        }
        let user = self.user(&owner.user_id)?;
        let device = user.device(&owner.device_id).filter(|device| device.ed25519 == owner.ed25519);
        let master = device.filter(|device| user.vouches_for(device)).and(user.pinned);
        Ok(master.map_or(Provenance::Owner, Provenance::Vouched))
    }

    /// Tells a user's devices where the keys of a room's history are.
    pub(super) fn share_history(
        &mut self,
        user_id: &str,
        description: &Value,
    ) -> Result<(), Error> {
        if !is_description(description) {
            return Err(Error::Encoding);
        }
        let user = self.user(user_id)?;
        let json = Zeroizing::new(json::write(description)?.into_bytes());
        if json.len() > 16 * 1024 {
            return Err(Error::TooLong);
        }
        for device in &user.devices {
            if self.is_entitled(user_id, &user, device)?
                && !self.is_this(user_id, &device.device_id)
            {
                self.send_inside(user_id, &device.device_id, &Inside::History(json.clone()))?;
            }
        }
        Ok(())
    }

    /// Takes in keys that a user shared. Of the own user they keep their provenance, for an own device that is
    /// vouched for said where they are; of others no author is proven.
    pub(super) fn take_history(
        &mut self,
        from: &str,
        room_id: &str,
        bytes: &[u8],
    ) -> Result<u32, Error> {
        let History(all) = encoding::decode_versioned(1, bytes, 64 * 1024 * 1024)?;
        if all.len() > HISTORY_MAX {
            return Err(Error::TooLong);
        }
        let provenance = (!self.is_own(from)).then(|| Provenance::Shared(from.to_owned()));
        self.take_all(Some(room_id), all, provenance.as_ref())
    }

    pub(super) fn import_keys(&mut self, keys: &[u8]) -> Result<u32, Error> {
        let History(all) = encoding::decode_versioned(1, keys, 256 * 1024 * 1024)?;
        self.take_all(None, all, Some(&Provenance::Import))
    }

    fn take_all(
        &mut self,
        room_id: Option<&str>,
        all: Vec<Saved>,
        provenance: Option<&Provenance>,
    ) -> Result<u32, Error> {
        let mut count = 0;
        for saved in all {
            count += self.take_saved(room_id, saved, provenance)?;
        }
        Ok(count)
    }

    /// Takes in keys of a room; of any, if none is named. Answers how many were new.
    pub(super) fn take_saved(
        &mut self,
        room_id: Option<&str>,
        saved: Saved,
        provenance: Option<&Provenance>,
    ) -> Result<u32, Error> {
        let is_wanted =
            |of: &str| room_id.is_none_or(|room_id| room_id == of) && check_id(of).is_ok();
        let is_named =
            |of: &Owner| check_id(&of.user_id).and_then(|()| check_id(&of.device_id)).is_ok();
        let mut count = 0;
        match saved {
            Saved::Chain(chain) if is_wanted(chain.room_id()) && is_named(chain.owner()) => {
                let provenance = provenance.unwrap_or(chain.provenance()).clone();
                let Ok(distribution) = chain.distribution(chain.earliest()) else { return Ok(0) };
                if distribution.id() != chain.id() {
                    return Ok(0);
                }
                count += u32::from(self.take_chain(&distribution, &provenance)?);
            }
            Saved::Chain(_) | Saved::Pins(_) => {}
            Saved::Wraps(wraps) => {
                for SavedWrap { id, mut row } in wraps {
                    let is_right = row.open().is_ok_and(|wrap| wrap.id == id);
                    let (user_id, device_id) = (&row.from.user_id, &row.from.device_id);
                    if !is_wanted(&row.room_id) || !is_right || !is_named(&row.from) {
                        continue;
                    }
                    let held = self.wraps_of(&id, user_id, device_id)?;
                    if held.iter().any(|(_, row)| row.provenance.is_proven()) {
                        continue;
                    }
                    let at = wrap_place(&id, user_id, device_id);
                    if let Some(provenance) = provenance {
                        row.provenance = provenance.clone();
                    }
                    if row.provenance.is_proven() {
                        self.tx.put(&at, &row);
                        self.unsaved(b'w', &at);
                    } else if !self.keep_candidate(&at, &row)? {
                        continue;
                    }
                    self.keys_arrived(&row.room_id);
                    count += 1;
                }
            }
        }
        Ok(count)
    }
}
