//! Missing keys: asked of the author's device inside a session, and answered from what was recorded when the
//! message was sealed.

use super::{
    Work,
    candidates::chain_place,
    receiving::Outcome,
    rows::{Asked, Device, Given, StoredChain, User},
    unread::place,
};
use crate::{
    Error,
    inside::{Inside, Missing, MissingKey},
};

/// How often one key is asked for, at most.
const AGAIN_AFTER_MS: i64 = 10 * 60 * 1_000;
/// How many keys one device is asked for in that time, and how many of those asked for are remembered.
const ASKED_AT_ONCE: usize = 500;
const ASKED_MAX: usize = 1_000;

impl Work<'_> {
    /// Asks the device that an event names for its key.
    pub(super) fn ask(
        &mut self,
        room_id: &str,
        (sender, device_id): (&str, &str),
        what: MissingKey,
    ) -> Result<Outcome, Error> {
        let id: &[u8] = match &what {
            MissingKey::Chain(chain, _) => &chain.0,
            MissingKey::Message(id) => &id.0,
        };
        // Of each device by itself: nobody keeps another from being asked.
        let at = place(sender, device_id, id);
        let asked = self.tx.get::<Asked>(&at)?;
        let is_recent = asked.is_some_and(|asked| self.is_recent(asked.at, AGAIN_AFTER_MS));
        let user = self.user(sender)?;
        let Some(device) = user.device(device_id) else {
            self.suspect(sender)?;
            return Ok(Outcome::MissingKey);
        };
        if self.is_this(sender, device_id) {
            return Ok(Outcome::MissingKey);
        }
        if !self.is_entitled(sender, &user, device)? {
            self.suspect(sender)?;
            return Ok(Outcome::MissingKey);
        }
        if is_recent {
            return Ok(Outcome::MissingKey);
        }
        // A server can make up events of any device.
        let all = self.tx.scan::<Asked>(&place(sender, device_id, &[]))?;
        let is_recent = |asked: &Asked| self.is_recent(asked.at, AGAIN_AFTER_MS);
        if all.iter().filter(|(_, asked)| is_recent(asked)).count() >= ASKED_AT_ONCE {
            return Ok(Outcome::MissingKey);
        }
        if all.len() >= ASKED_MAX
            && let Some((oldest, _)) = all.iter().min_by_key(|(_, asked)| asked.at)
        {
            self.tx.delete::<Asked>(oldest);
        }
        self.tx.put(&at, &Asked { room_id: room_id.to_owned(), at: self.now });
        let missing = Missing { room_id: room_id.to_owned(), what };
        self.send_inside(sender, device_id, &Inside::Missing(missing))?;
        Ok(Outcome::MissingKey)
    }

    /// Answers a device that was given the key when it was used, from the iteration that it was given.
    pub(super) fn answer_missing(
        &mut self,
        user: &User,
        device: &Device,
        user_id: &str,
        missing: &Missing,
    ) -> Result<(), Error> {
        if !self.is_entitled(user_id, user, device)? {
            return Ok(());
        }
        let at: &[u8] = match &missing.what {
            MissingKey::Chain(chain, _) => &chain.0,
            MissingKey::Message(id) => &id.0,
        };
        let Some(given) = self.tx.get::<Given>(at)? else { return Ok(()) };
        let to = given.to.iter().find(|to| to.ed25519 == device.ed25519);
        let Some(to) = to.filter(|_| given.room_id == missing.room_id) else { return Ok(()) };
        let inside = match &missing.what {
            MissingKey::Chain(chain, _) => {
                let at = chain_place(&missing.room_id, chain);
                let Some(held) = self.tx.get::<StoredChain>(&at)? else { return Ok(()) };
                match held.chain.distribution(to.iteration) {
                    Ok(distribution) => Inside::Distribution(Box::new(distribution)),
                    Err(_) => return Ok(()),
                }
            }
            MissingKey::Message(id) => {
                let (own, this) = (&self.account.user_id, &self.account.device_id);
                let wraps = self.wraps_of(id, own, this)?;
                let Some((_, wrap)) = wraps.first() else { return Ok(()) };
                Inside::Wrap(wrap.open()?)
            }
        };
        self.send_inside(user_id, &device.device_id, &inside)
    }
}
