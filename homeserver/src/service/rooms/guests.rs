//! Guests of this server in a room (client-server API, "Guest Access").

use ruma::{OwnedServerName, OwnedUserId, RoomId, UserId, events::StateEventType};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Context, MemberChange, Rooms, Target, state_event};
use crate::{
    error::{Error, Result},
    service::{room_info::RoomInfo, sessions::Session},
    storage::{Conn, UserNid, members, rooms as room_rows},
};

#[derive(Deserialize)]
struct Content {
    guest_access: String,
}

impl Rooms {
    /// Has the guests leave a room that no longer lets them in; each in their own name, as the specification
    /// wants it of their server.
    pub(super) async fn dismiss_guests(&self, room_id: &RoomId) -> Result<()> {
        let info = self.known(room_id).await?;
        let room = info.nid;
        let _one_at_a_time = self.dismissing.lock().await;
        let guests = self.context.store.read(move |conn| members::guests(conn, room)).await?;
        for (user_nid, user_id) in guests {
            self.dismiss(room_id, user_nid, user_id).await?;
        }
        Ok(())
    }

    /// The same in all rooms, whoever withdrew guest access.
    pub async fn dismiss_all_guests(&self) -> Result<()> {
        let _one_at_a_time = self.dismissing.lock().await;
        let context = self.context.clone();
        let read = self.context.store.read(move |conn| {
            let mut dismissed = Vec::new();
            let mut last = None;
            for (room, user, user_id) in members::all_guests(conn)? {
                let (info, may_join) = match last.take() {
                    Some((of, info, may_join)) if of == room => (info, may_join),
                    _ => {
                        let info = context.rooms.by_nid(conn, room)?;
                        let may_join = guests_may_join(&context, conn, &info)?;
                        (info, may_join)
                    }
                };
                if !may_join {
                    dismissed.push((info.id.clone(), user, user_id));
                }
                last = Some((room, info, may_join));
            }
            Ok(dismissed)
        });
        for (room_id, user, user_id) in read.await? {
            self.dismiss(&room_id, user, user_id).await?;
        }
        Ok(())
    }

    async fn dismiss(&self, room_id: &RoomId, user_nid: UserNid, user_id: String) -> Result<()> {
        let Ok(user_id) = UserId::parse(user_id) else { return Ok(()) };
        let guest = Session::in_name_of(user_nid, user_id);
        let reason = Some("Guests are no longer let in".to_owned());
        let target = Target { user_id: OwnedUserId::clone(&guest.user_id), reason };
        match self.change_membership(&guest, room_id, target, MemberChange::Leave).await {
            // Who has just left of their own accord, for instance: it holds up nobody else.
            Err(error @ Error::Matrix { .. }) => {
                tracing::info!(%error, %room_id, "a guest could not be dismissed");
                Ok(())
            }
            left => left.map(drop),
        }
    }

    /// 403 unless a room that this server is not in lets guests in, as far as one of the servers `via` tells.
    pub async fn check_guests_may_join(
        &self,
        guest: &Session,
        room_id: &RoomId,
        via: &[OwnedServerName],
    ) -> Result<()> {
        match self.remote.hierarchy_of(room_id, via).await {
            Some(room) if room.summary.guest_can_join => Ok(()),
            Some(_) | None => guest.check_not_guest(),
        }
    }
}

/// Whether this content of `m.room.guest_access` keeps guests out.
pub(super) fn keeps_guests_out(content: &RawValue) -> bool {
    !serde_json::from_str::<Content>(content.get()).is_ok_and(|it| it.guest_access == "can_join")
}

/// What the room's `m.room.guest_access` says.
pub(super) fn guests_may_join(context: &Context, conn: &mut Conn, info: &RoomInfo) -> Result<bool> {
    let state = room_rows::state_nid(conn, info.nid)?;
    let state = &context.states.get(conn, state)?;
    let access = state_event(context, conn, state, &StateEventType::RoomGuestAccess, "")?
        .and_then(|event| event.pdu.content_as::<Content>().ok());
    Ok(access.is_some_and(|access| access.guest_access == "can_join"))
}
