//! Leaves the rooms of users who were deactivated, and goes on with it after a restart.

use std::sync::Arc;

use ruma::UserId;
use tokio::sync::Notify;

use super::{
    rooms::{MemberChange, Rooms, Target},
    sessions::Session,
};
use crate::{
    error::{Error, Result},
    storage::{Store, UserNid, accounts, members},
};

pub struct Departures {
    store: Store,
    rooms: Arc<Rooms>,
    /// Notified when somebody was deactivated.
    pub due: Arc<Notify>,
}

impl Departures {
    pub fn new(store: Store, rooms: Arc<Rooms>, due: Arc<Notify>) -> Self {
        Self { store, rooms, due }
    }

    /// Leaves whatever is to be left.
    pub async fn run(&self) -> Result<()> {
        for (user_nid, user_id) in self.store.read(accounts::departing).await? {
            let user_id = UserId::parse(user_id)
                .map_err(|error| Error::internal(format!("a deactivated user: {error}")))?;
            self.leave_all(user_nid, &Session::in_name_of(user_nid, user_id)).await?;
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
