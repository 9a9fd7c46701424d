//! Guests of this server in a room (client-server API, "Guest Access").

use ruma::{OwnedUserId, RoomId, UserId, events::StateEventType};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Context, MemberChange, Rooms, Target, state_event};
use crate::{
    error::Result,
    service::{room_info::RoomInfo, sessions::Session},
    storage::{Conn, members, rooms as room_rows},
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
        let guests = self.context.store.read(move |conn| members::guests(conn, room)).await?;
        for (user_nid, user_id) in guests {
            let Ok(user_id) = UserId::parse(user_id) else { continue };
            let guest = Session::in_name_of(user_nid, user_id);
            let reason = Some("Guests are no longer let in".to_owned());
            let target = Target { user_id: OwnedUserId::clone(&guest.user_id), reason };
            self.change_membership(&guest, room_id, target, MemberChange::Leave).await?;
        }
        Ok(())
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
