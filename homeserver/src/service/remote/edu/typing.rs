//! `m.typing`: who types on another server (server-server API, "Typing Notifications").

use std::sync::Arc;

use ruma::{OwnedServerName, RoomId, api::federation::transactions::edu::TypingContent};

use crate::{
    error::{Error, Result},
    service::{remote::Remote, room_info::RoomInfo},
    storage::members,
};

impl Remote {
    pub(super) async fn take_in_typing(
        &self,
        origin: &OwnedServerName,
        TypingContent { room_id, user_id, typing, .. }: TypingContent,
    ) -> Result<()> {
        let Some(info) = self.room_of_edu(origin, &room_id).await? else { return Ok(()) };
        let (context, room, name) = (self.context.clone(), info.nid, user_id.clone());
        let read = self.context.store.read(move |conn| {
            let Some(user) = context.store.users().find(conn, &*name)? else { return Ok(false) };
            let member = members::get(conn, room, user)?;
            Ok(member.is_some_and(|member| member.membership == "join"))
        });
        if read.await? {
            self.typing.heard(room, user_id, typing);
        }
        Ok(())
    }

    /// A room that this server knows and that, by its access control list, `origin` may speak about.
    pub(super) async fn room_of_edu(
        &self,
        origin: &OwnedServerName,
        room_id: &RoomId,
    ) -> Result<Option<Arc<RoomInfo>>> {
        match self.open_room(origin, room_id).await {
            Ok(info) => Ok(Some(info)),
            Err(Error::Matrix { .. }) => {
                tracing::debug!(%origin, %room_id, "an EDU about a room that is closed to its server");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
