//! What follows when a user was deactivated, gone on with after a restart: other servers are told that the devices
//! are gone while there are rooms that say whom to tell, the rooms are left, the key backups are deleted.

use std::sync::Arc;

use ruma::UserId;
use tokio::sync::Notify;

use super::{
    remote::Remote,
    rooms::{MemberChange, Rooms, Target},
    sessions::Session,
};
use crate::{
    error::{Error, Result},
    storage::{Store, Tx, UserNid, accounts, belongings, members},
};

/// How many backed up keys are deleted in one write.
const KEYS_AT_ONCE: i64 = 500;

pub struct Departures {
    store: Store,
    rooms: Arc<Rooms>,
    remote: Arc<Remote>,
    /// Notified when somebody was deactivated.
    pub due: Arc<Notify>,
}

impl Departures {
    pub fn new(store: Store, rooms: Arc<Rooms>, remote: Arc<Remote>, due: Arc<Notify>) -> Self {
        Self { store, rooms, remote, due }
    }

    /// Does whatever is due.
    pub async fn run(&self) -> Result<()> {
        let departing = self.store.read(accounts::departing).await?;
        if !departing.is_empty() {
            self.remote.announce_devices().await?;
        }
        for (user_nid, user_id) in departing {
            let user_id = UserId::parse(user_id)
                .map_err(|error| Error::internal(format!("a deactivated user: {error}")))?;
            self.leave_all(user_nid, &Session::in_name_of(user_nid, user_id)).await?;
            let some = move |tx: &mut Tx<'_>| {
                belongings::delete_backed_up_keys(tx, user_nid, KEYS_AT_ONCE)
            };
            while self.store.write(some).await? {}
            self.store.write(move |tx| accounts::set_departed(tx, user_nid)).await?;
        }
        Ok(())
    }

    async fn leave_all(&self, user_nid: UserNid, caller: &Session) -> Result<()> {
        let rooms = self.store.read(move |conn| members::room_ids_of(conn, user_nid)).await?;
        for room_id in rooms {
            let target = Target { user_id: caller.user_id.clone(), reason: None };
            let left =
                self.rooms.change_membership(caller, &room_id, target, MemberChange::Leave).await;
            if let Err(error) = left {
                // An invite whose server is gone, for instance: it holds up nothing else.
                tracing::warn!(%error, %room_id, "a deactivated user could not leave a room");
            }
        }
        Ok(())
    }
}
