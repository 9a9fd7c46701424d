//! Keys with which no message was read yet: of each device the newest ones are kept, so that nobody fills a store. One
//! that is missed later is asked for.

use super::{
    Work,
    rows::{StoredChain, StoredWrap, Unread, Unsaved},
};
use crate::{Error, store::key};

/// How many of one device are kept. Whoever is honest makes a chain for a hundred messages, or for a week.
const UNREAD_MAX: usize = 1_000;

impl Work<'_> {
    /// Notes that a device sent a key: of a chain by its id, in a room, or of a message by its id.
    pub(super) fn note_unread(
        &mut self,
        sender: &str,
        device_id: &str,
        id: &[u8],
        room_id: &str,
    ) -> Result<(), Error> {
        let of_device = place(sender, device_id, &[]);
        let row = Unread { room_id: room_id.to_owned(), at: self.now };
        self.tx.put(&place(sender, device_id, id), &row);
        let all = self.tx.scan::<Unread>(&of_device)?;
        if all.len() <= UNREAD_MAX {
            return Ok(());
        }
        let Some((at, row)) = all.into_iter().min_by_key(|(_, row)| row.at) else { return Ok(()) };
        self.tx.delete::<Unread>(&at);
        let id = at.get(of_device.len()..).unwrap_or_default();
        if row.room_id.is_empty() {
            // Another device may have sent one of this name since, or a message was read with it.
            let is_unread = |wrap: &StoredWrap| {
                let is_from = wrap.from.user_id == sender && wrap.from.device_id == device_id;
                is_from && wrap.room_id.is_empty()
            };
            if self.tx.get::<StoredWrap>(id)?.is_some_and(|wrap| is_unread(&wrap)) {
                self.tx.delete::<StoredWrap>(id);
                self.tx.delete::<Unsaved>(&[b"w".as_slice(), id].concat());
            }
        } else {
            let at = key(&[row.room_id.as_bytes(), id]);
            self.tx.delete::<StoredChain>(&at);
            self.tx.delete::<Unsaved>(&[b"c".as_slice(), &at].concat());
        }
        Ok(())
    }

    /// Notes that a message was read with a key: it stays.
    pub(super) fn was_read(
        &mut self,
        sender: &str,
        device_id: &str,
        id: &[u8],
    ) -> Result<(), Error> {
        let at = place(sender, device_id, id);
        if self.tx.get::<Unread>(&at)?.is_some() {
            self.tx.delete::<Unread>(&at);
        }
        Ok(())
    }
}

/// The key of what came of a device.
pub(super) fn place(sender: &str, device_id: &str, id: &[u8]) -> Vec<u8> {
    key(&[sender.as_bytes(), device_id.as_bytes(), id])
}
