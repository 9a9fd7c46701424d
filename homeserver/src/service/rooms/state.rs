//! Reading a room's state and its members.

use std::sync::Arc;

use ruma::{
    OwnedUserId, RoomId,
    events::{StateEventType, TimelineEventType},
};
use serde::Deserialize;

use super::{Rooms, history, state_event, visibility::Access};
use crate::{
    error::{Error, Result},
    service::{event::Event, sessions::Session},
    storage::{
        Position,
        events::{self, Direction},
        members,
    },
};

/// A joined member, with the profile of their membership.
pub struct JoinedMember {
    pub user_id: OwnedUserId,
    pub displayname: Option<String>,
    pub avatar_url: Option<String>,
}

impl Rooms {
    /// All of the state that the caller may see.
    pub async fn state(&self, caller: &Session, room_id: &RoomId) -> Result<Vec<Arc<Event>>> {
        self.wait_for_members(room_id).await?;
        let (context, room_id, user) = (self.context.clone(), room_id.to_owned(), caller.user_nid);
        let read = self.context.store.read(move |conn| {
            let state = Access::load(&context, conn, &room_id, user)?.state(&context, conn)?;
            let entries: Vec<_> = state.iter().collect();
            entries.into_iter().map(|(_, nid)| context.events.get(conn, nid)).collect()
        });
        read.await
    }

    /// One event of the state that the caller may see; 404 where there is none.
    pub async fn state_event(
        &self,
        caller: &Session,
        room_id: &RoomId,
        event_type: StateEventType,
        state_key: String,
    ) -> Result<Arc<Event>> {
        if event_type == StateEventType::RoomMember && state_key != caller.user_id {
            self.wait_for_members(room_id).await?;
        }
        let (context, room_id, user) = (self.context.clone(), room_id.to_owned(), caller.user_nid);
        let read = self.context.store.read(move |conn| {
            let state = Access::load(&context, conn, &room_id, user)?.state(&context, conn)?;
            state_event(&context, conn, &state, &event_type, &state_key)?
                .ok_or_else(|| Error::not_found("There is no such state event"))
        });
        read.await
    }

    /// The member events that the caller may see; with `at`, as they were at that token.
    pub async fn members(
        &self,
        caller: &Session,
        room_id: &RoomId,
        at: Option<&str>,
    ) -> Result<Vec<Arc<Event>>> {
        self.wait_for_members(room_id).await?;
        let (context, room_id, user) = (self.context.clone(), room_id.to_owned(), caller.user_nid);
        let at = at.map(history::position).transpose()?;
        let read = self.context.store.read(move |conn| {
            let access = Access::load(&context, conn, &room_id, user)?;
            let mut state = access.state(&context, conn)?;
            if let Some(at) = at {
                let until = access.until().map_or(at, |until| at.min(until));
                let range = (Position(i64::MIN), until);
                let newest =
                    events::timeline(conn, access.info.nid, range, Direction::Backward, 1)?;
                if let Some((nid, _)) = newest.first()
                    && let Some(then) = context.events.get(conn, *nid)?.state_after
                {
                    state = context.states.get(conn, then)?;
                }
            }
            let mut members = Vec::new();
            for (_, nid) in state.iter() {
                let event = context.events.get(conn, nid)?;
                if event.pdu.event_type == TimelineEventType::RoomMember {
                    members.push(event);
                }
            }
            Ok(members)
        });
        read.await
    }

    /// Who is joined now; for joined callers.
    pub async fn joined_members(
        &self,
        caller: &Session,
        room_id: &RoomId,
    ) -> Result<Vec<JoinedMember>> {
        #[derive(Deserialize)]
        struct Content {
            displayname: Option<String>,
            avatar_url: Option<String>,
        }
        self.wait_for_members(room_id).await?;
        let (context, room_id, user) = (self.context.clone(), room_id.to_owned(), caller.user_nid);
        let read = self.context.store.read(move |conn| {
            let access = Access::load(&context, conn, &room_id, user)?;
            if !access.is_joined() {
                return Err(Error::forbidden("You are not in this room"));
            }
            let mut joined = Vec::new();
            for (_, user_id, event) in members::of_room(conn, access.info.nid, "join")? {
                let Ok(user_id) = OwnedUserId::try_from(user_id) else { continue };
                let event = context.events.get(conn, event)?;
                let content = event.pdu.content_as::<Content>().ok();
                let (displayname, avatar_url) = match content {
                    Some(content) => (content.displayname, content.avatar_url),
                    None => (None, None),
                };
                joined.push(JoinedMember { user_id, displayname, avatar_url });
            }
            Ok(joined)
        });
        read.await
    }

    /// The rooms that the caller is joined to.
    pub async fn joined_rooms(&self, caller: &Session) -> Result<Vec<ruma::OwnedRoomId>> {
        let (context, user) = (self.context.clone(), caller.user_nid);
        let read = self.context.store.read(move |conn| {
            let memberships = context.user_rooms.get(conn, user)?;
            let ids = memberships.joined().map(|row| row.room_nid);
            ids.map(|nid| Ok(context.rooms.by_nid(conn, nid)?.id.clone())).collect()
        });
        read.await
    }
}
