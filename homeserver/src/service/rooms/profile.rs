//! A user's profile in the rooms they are in: it stands in their membership.

use ruma::events::{StateEventType, TimelineEventType};
use serde_json::{Map, Value};

use super::{Rooms, send::raw};
use crate::{
    error::{Error, Result},
    service::{accounts::Profile, sessions::Session},
};

impl Rooms {
    /// Puts the caller's profile into their membership of every room they have joined. A room that refuses
    /// it stays as it is.
    pub async fn update_profile(&self, caller: &Session, profile: &Profile) -> Result<()> {
        for room_id in self.joined_rooms(caller).await? {
            if let Err(error) = self.update_profile_in(caller, &room_id, profile).await {
                tracing::warn!(%room_id, %error, "a changed profile was not sent");
            }
        }
        Ok(())
    }

    async fn update_profile_in(
        &self,
        caller: &Session,
        room_id: &ruma::RoomId,
        profile: &Profile,
    ) -> Result<()> {
        let user_id = caller.user_id.to_string();
        let membership =
            self.state_event(caller, room_id, StateEventType::RoomMember, user_id.clone()).await?;
        let before: Map<String, Value> = serde_json::from_str(membership.pdu.content.get())
            .map_err(|error| Error::internal(format!("stored membership: {error}")))?;
        let mut content = before.clone();
        for (key, value) in
            [("displayname", &profile.displayname), ("avatar_url", &profile.avatar_url)]
        {
            match value {
                Some(value) => content.insert(key.to_owned(), value.as_str().into()),
                None => content.remove(key),
            };
        }
        if content != before {
            let content = raw(&content)?;
            self.send_state(caller, room_id, TimelineEventType::RoomMember, user_id, content)
                .await?;
        }
        Ok(())
    }
}
