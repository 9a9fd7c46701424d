//! Asking to be let into a room.

use ruma::RoomId;
use serde::Deserialize;

use super::{
    Rooms,
    membership::{membership_content, set_profile},
};
use crate::{
    error::{Error, Result},
    service::sessions::Session,
    storage::{accounts, members},
};

impl Rooms {
    /// Knocks on a room that has members on this server. False: it has none; another server has to help.
    pub async fn knock_local(
        &self,
        caller: &Session,
        room_id: &RoomId,
        reason: Option<String>,
    ) -> Result<bool> {
        #[derive(Deserialize)]
        struct Knock {
            reason: Option<String>,
        }
        let (context, id, user) = (self.context.clone(), room_id.to_owned(), caller.user_nid);
        let read = self.context.store.read(move |conn| {
            let Some(info) = context.rooms.by_id(conn, &id)? else { return Ok(None) };
            if !members::is_resident(conn, info.nid)? {
                return Ok(None);
            }
            let own = members::get(conn, info.nid, user)?;
            let before = match own.as_ref().filter(|row| row.membership == "knock") {
                Some(row) => Some(context.events.get(conn, row.event_nid)?),
                None => None,
            };
            let membership = own.map(|row| row.membership);
            Ok(Some((info, membership, before, accounts::find(conn, user)?)))
        });
        let Some((info, membership, before, profile)) = read.await? else { return Ok(false) };
        match membership.as_deref() {
            Some("join") => return Err(Error::forbidden("You are in this room already")),
            Some("invite") => return Err(Error::forbidden("You are invited to this room already")),
            _ => {}
        }
        let known = before.and_then(|event| event.pdu.content_as::<Knock>().ok());
        if known.is_some_and(|knock| knock.reason == reason) {
            return Ok(true);
        }
        let mut content = membership_content("knock", reason);
        set_profile(&mut content, profile);
        self.set_membership(caller, &info, &caller.user_id, &content).await?;
        Ok(true)
    }
}
