//! Keys with which no message was read yet: of each device the newest ones are kept, so that nobody fills a store. One
//! that is missed later is asked for.

use super::{
    Work,
    candidates::message_of,
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
        self.forget_unread(sender, device_id, &at, &row)
    }

    /// Forgets a key with which no message was read.
    fn forget_unread(
        &mut self,
        sender: &str,
        device_id: &str,
        at: &[u8],
        row: &Unread,
    ) -> Result<(), Error> {
        self.tx.delete::<Unread>(at);
        let id = at.get(place(sender, device_id, &[]).len()..).unwrap_or_default();
        if row.room_id.is_empty() {
            // A message may have been read with it since.
            for (at, wrap) in self.wraps_of(&message_of(id)?, sender, device_id)? {
                if wrap.room_id.is_empty() {
                    self.tx.delete::<StoredWrap>(&at);
                    self.tx.delete::<Unsaved>(&[b"w".as_slice(), &at].concat());
                }
            }
        } else {
            let at = key(&[row.room_id.as_bytes(), id]);
            self.tx.delete::<StoredChain>(&at);
            self.tx.delete::<Unsaved>(&[b"c".as_slice(), &at].concat());
        }
        Ok(())
    }

    /// Forgets all keys of a device with which no message was read.
    pub(super) fn forget_all_unread(&mut self, sender: &str, device_id: &str) -> Result<(), Error> {
        for (at, row) in self.tx.scan::<Unread>(&place(sender, device_id, &[]))? {
            self.forget_unread(sender, device_id, &at, &row)?;
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
