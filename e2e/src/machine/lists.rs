//! Lists of readers that devices tell, and who should not be on one.
//!
//! ```text
//! event ──► part of a list ──► all parts are here, and the hash is right: known by its hash
//!                                 └─ each device's last ones are kept, as long as any device's are they
//! ```

use serde_json::Value;

use super::{
    Work,
    receiving::Warning,
    rows::{AudiencePart, AudienceRow, Told, User},
    text,
};
use crate::{
    Error,
    audience::{self, Reader},
    encoding::{self, Bytes32},
    identity::Removal,
    json,
    signed_json::from_base64,
    store::key,
};

/// How long before a message somebody must have been gone for their reading to be warned of.
const GONE_BEFORE_MS: i64 = 10 * 60 * 1_000;
/// How many lists of one device are kept in a room.
const TOLD_MAX: usize = 16;

impl Work<'_> {
    /// The list of readers of a hash, if it was told.
    pub(super) fn readers(
        &self,
        room_id: &str,
        audience: &[u8; 32],
    ) -> Result<Option<Vec<Reader>>, Error> {
        let at = key(&[room_id.as_bytes(), audience]);
        Ok(self.tx.get::<AudienceRow>(&at)?.map(|row| row.0))
    }

    /// Takes in a list, or a part of one until it is complete: parts of the same device only, and only those of the list
    /// that it told of last, so nobody fills the store or spoils what another tells.
    pub(super) fn take_list(
        &mut self,
        room_id: &str,
        (sender, device_id): (&str, &str),
        content: &Value,
        sent_at: i64,
    ) -> Result<(), Error> {
        if let Some(removals) = text(content, "removals").and_then(|text| from_base64(text).ok())
            && let Ok(removals) = encoding::decode::<Vec<Removal>>(&removals, 24 * 1024)
        {
            self.take_removals(&removals)?;
        }
        let Ok(told) = audience::read(content) else { return Ok(()) };
        if self.readers(room_id, &told.audience)?.is_some() {
            return self.told(room_id, (sender, device_id), &told.audience, sent_at);
        }
        let device = [room_id, sender, device_id, ""].map(str::as_bytes);
        let of_device = key(&device);
        let of_list = [of_device.as_slice(), &told.audience].concat();
        let number = u32::try_from(told.part.0).map_err(|_| Error::TooLong)?;
        let at = [of_list.as_slice(), &number.to_be_bytes()].concat();
        let mut part = content.clone();
        if let Some(part) = part.as_object_mut() {
            part.insert("at".to_owned(), self.now.into());
        }
        self.tx.put(&at, &AudiencePart(json::write(&part)?));
        let mut parts = Vec::new();
        for (at, row) in self.tx.scan::<AudiencePart>(&of_device)? {
            match at.starts_with(&of_list) {
                true => parts.push((at, row)),
                false => self.tx.delete::<AudiencePart>(&at),
            }
        }
        if parts.len() < told.part.1 {
            return Ok(());
        }
        let read = parts.iter().map(|(_, row)| {
            audience::read(&json::read(row.0.as_bytes()).map_err(|_| Error::Store)?)
        });
        let read = read.collect::<Result<Vec<_>, Error>>()?;
        let base = match told.base {
            Some(base) => self.readers(room_id, &base)?,
            None => None,
        };
        for (at, _) in &parts {
            self.tx.delete::<AudiencePart>(at);
        }
        if let Ok(readers) = audience::assemble(base.as_deref(), &read, &told.audience) {
            self.tx.put(&key(&[room_id.as_bytes(), &told.audience]), &AudienceRow(readers));
            self.told(room_id, (sender, device_id), &told.audience, sent_at)?;
        }
        Ok(())
    }

    /// Remembers that a device told a list; forgets one that it told earlier and that no other device tells.
    pub(super) fn told(
        &mut self,
        room_id: &str,
        (user_id, device_id): (&str, &str),
        audience: &[u8; 32],
        sent_at: i64,
    ) -> Result<(), Error> {
        let place = key(&[room_id, user_id, device_id].map(str::as_bytes));
        let mut lists = self.tx.get::<Told>(&place)?.unwrap_or_default().0;
        let mut told = (Bytes32(*audience), sent_at.min(self.now));
        if let Some(at) = lists.iter().position(|(hash, _)| *hash == told.0) {
            told.1 = told.1.max(lists.remove(at).1);
        }
        lists.push(told);
        let mut gone = None;
        if lists.len() > TOLD_MAX {
            // Never the two newest, in its server's words: the present one, and the one that it is told as a difference
            // from. Of the others the first that came: whoever reads back through a room needs those of then.
            let (_, newest) = lists.iter().fold((i64::MIN, i64::MIN), |(one, two), (_, at)| {
                if *at > one { (*at, one) } else { (one, two.max(*at)) }
            });
            let at = lists.iter().position(|(_, at)| *at < newest).unwrap_or_default();
            gone = Some(lists.remove(at).0);
        }
        self.tx.put(&place, &Told(lists));
        let Some(gone) = gone else { return Ok(()) };
        let of_room = self.tx.scan::<Told>(&key(&[room_id.as_bytes(), &[]]))?;
        if !of_room.iter().any(|(_, told)| told.0.iter().any(|(hash, _)| *hash == gone)) {
            self.tx.delete::<AudienceRow>(&key(&[room_id.as_bytes(), &gone.0]));
        }
        Ok(())
    }

    /// Who should not be among the readers of a message that was sent then; `None`: its list was not told.
    pub(super) fn warnings(
        &self,
        room_id: &str,
        audience: &[u8; 32],
        at: i64,
    ) -> Result<Option<Vec<Warning>>, Error> {
        let Some(readers) = self.readers(room_id, audience)? else { return Ok(None) };
        let members = self.members(room_id)?;
        // In the order of their ids, as rows are.
        let gone = |user_id: &str| {
            let found = members.binary_search_by(|(id, _)| id.as_str().cmp(user_id));
            found.ok().and_then(|at| members.get(at)).is_none_or(|(_, member)| {
                matches!(member.membership.as_str(), "leave" | "ban")
                    && member.since < at.saturating_sub(GONE_BEFORE_MS)
            })
        };
        // What was sealed before this device was a reader was for devices that it may never have seen.
        let is_reader = readers.iter().any(|reader| {
            reader.ed25519 == self.account.ed25519.public().into()
                && self.is_this(&reader.user_id, &reader.device_id)
        });
        let mut warnings = Vec::new();
        let mut last: Option<(&str, User)> = None;
        for reader in &readers {
            if last.as_ref().is_none_or(|(id, _)| *id != reader.user_id) {
                last = Some((&reader.user_id, self.user(&reader.user_id)?));
            }
            let Some((_, user)) = &last else { continue };
            let known = user.device(&reader.device_id);
            let known = known.filter(|device| device.ed25519 == reader.ed25519);
            let is_unseen = known.is_none() && !is_reader;
            let is_vouched_for = known.is_some_and(|device| {
                device.x25519 == reader.x25519
                    // The identity that is believed vouched for it, or one that was when this was written.
                    && (device.signed_by == Some(reader.master) && user.vouches_for(device)
                        || device.signed_by.is_some()
                            && user.was_replaced(&reader.master)
                            && user.replaced_at.or(user.looked_at).is_some_and(|then| at < then))
            });
            let reason = if self.is_removed(&reader.user_id, &reader.ed25519.0)? {
                "removed"
            } else if !is_vouched_for && !is_unseen {
                "not_vouched_for"
            } else if !members.is_empty() && gone(&reader.user_id) {
                "gone"
            } else {
                continue;
            };
            let (user_id, device_id) = (reader.user_id.clone(), reader.device_id.clone());
            warnings.push(Warning { user_id, device_id, reason });
        }
        Ok(Some(warnings))
    }
}
