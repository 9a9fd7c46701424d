//! A store that was set back to an earlier one, as from a backup of the whole machine.
//!
//! Others heard of this device what such a store does not know: they were given its chains, and have read in its sessions.
//! It shows when this device reads a message of its own that the store never wrote. Nothing goes on where it stopped then:
//! chains and sessions begin anew with the next message. What others could not read in the meantime they ask for.

use super::{Work, rows::OwnChainRow};
use crate::{Error, sender_key::Received, session::Sessions};

/// How often what a server may have made up is believed.
const BELIEVED_EVERY_MS: i64 = 10 * 60 * 1_000;

impl Work<'_> {
    /// An own message of a group was read: only this device can have signed it.
    pub(super) fn own_message(&mut self, room_id: &str, received: &Received) -> Result<(), Error> {
        let row = self.tx.get::<OwnChainRow>(room_id.as_bytes())?;
        let is_ahead = row.is_some_and(|row| {
            row.chain.id() == received.chain() && row.chain.iteration() <= received.iteration()
        });
        if is_ahead { self.begin_anew() } else { Ok(()) }
    }

    /// An event is said to be of this device, which knows of no such message: a server can say so of any.
    pub(super) fn unknown_own_message(&mut self, room_id: &str) -> Result<(), Error> {
        self.tx.delete::<OwnChainRow>(room_id.as_bytes());
        let last = self.account.set_back_at;
        if last.is_some_and(|at| self.is_recent(at, BELIEVED_EVERY_MS)) {
            return Ok(());
        }
        self.begin_anew()
    }

    fn begin_anew(&mut self) -> Result<(), Error> {
        for (at, _) in self.tx.scan::<OwnChainRow>(&[])? {
            self.tx.delete::<OwnChainRow>(&at);
        }
        for (at, sessions) in self.tx.scan::<Sessions>(&[])? {
            self.tx.put(&at, &sessions.give_up(self.now));
        }
        self.account.set_back_at = Some(self.now);
        self.account_changed = true;
        Ok(())
    }
}
