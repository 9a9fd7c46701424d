//! Tells that devices or cross-signing keys of a user changed: one row for the user, a row for other servers, and
//! a wake-up for the rooms that the user is in. Nothing is written for a room or a member.

use std::sync::Arc;

use super::notifier::{Notifier, Subject};
use crate::{
    error::Result,
    storage::{Position, Tx, UserNid, device_lists, members},
};

/// What changed of a user of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed<'a> {
    Device(&'a str),
    /// The master key or the self-signing key.
    CrossSigning,
}

#[derive(Clone)]
pub struct DeviceLists {
    notifier: Arc<Notifier>,
}

impl DeviceLists {
    pub fn new(notifier: Arc<Notifier>) -> Self {
        Self { notifier }
    }

    /// Something of a user of this server changed in this transaction.
    pub fn changed(&self, tx: &mut Tx<'_>, user: UserNid, what: &[Changed<'_>]) -> Result<()> {
        let mut last = None;
        for what in what {
            let position = tx.next_position()?;
            let device_id = match *what {
                Changed::Device(device_id) => Some(device_id),
                Changed::CrossSigning => None,
            };
            device_lists::note_local(tx, user, device_id, position)?;
            last = Some(position);
        }
        match last {
            Some(position) => self.tell(tx, user, position),
            None => Ok(()),
        }
    }

    /// Something of a user of another server changed.
    pub fn remote_changed(&self, tx: &mut Tx<'_>, user: UserNid) -> Result<Position> {
        let position = tx.next_position()?;
        device_lists::note(tx, user, position)?;
        self.tell(tx, user, position)?;
        Ok(position)
    }

    /// What `user` alone sees of the keys of `targets` changed.
    pub fn changed_for(&self, tx: &mut Tx<'_>, user: UserNid, targets: &[UserNid]) -> Result<()> {
        if targets.is_empty() {
            return Ok(());
        }
        let position = tx.next_position()?;
        for &target in targets {
            device_lists::note_for(tx, user, target, position)?;
        }
        let notifier = self.notifier.clone();
        tx.after_commit(move || {
            notifier.advance(position, [Subject::User(user), Subject::DeviceLists]);
        });
        Ok(())
    }

    fn tell(&self, tx: &mut Tx<'_>, user: UserNid, position: Position) -> Result<()> {
        let rooms = members::joined_rooms(tx, user)?;
        let notifier = self.notifier.clone();
        tx.after_commit(move || {
            let rooms = rooms.into_iter().map(Subject::Room);
            notifier.advance(position, rooms.chain([Subject::User(user), Subject::DeviceLists]));
        });
        Ok(())
    }
}
