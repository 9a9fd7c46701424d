//! What a user may see of a room: the answers that `room/visibility.rs` decides on, found in the store.

use std::{cell::OnceCell, sync::Arc};

use ruma::{
    RoomId, UserId,
    events::{
        StateEventType,
        room::{history_visibility::HistoryVisibility, member::MembershipState},
    },
};
use serde::Deserialize;

use super::{known, state_event};
use crate::{
    error::{Error, Result},
    room::visibility::{View, visible},
    service::{
        event::Event,
        ignored_users::{Ignored, hides},
        room_info::RoomInfo,
        timeline::Context,
    },
    storage::{
        Conn, Position, UserNid,
        members::{self, MembershipRow},
        rooms as room_rows,
        state::State,
    },
};

/// A user's relation to a room.
pub struct Access {
    pub info: Arc<RoomInfo>,
    pub membership: Option<MembershipRow>,
}

impl Access {
    pub fn load(
        context: &Context,
        conn: &mut Conn,
        room_id: &RoomId,
        user: UserNid,
    ) -> Result<Self> {
        let info = known(context, conn, room_id)?;
        let membership = members::get(conn, info.nid, user)?;
        Ok(Self { info, membership })
    }

    pub fn is_joined(&self) -> bool {
        self.membership.as_ref().is_some_and(|row| row.membership == "join")
    }

    /// Where the user's view of the room ends: `None` for no end.
    pub fn until(&self) -> Option<Position> {
        match &self.membership {
            Some(row) if row.membership == "leave" || row.membership == "ban" => Some(row.position),
            _ => None,
        }
    }

    /// The state that the user may see: the current one when joined or when everyone may read the room,
    /// the one at their leaving when they left. 403 for all others.
    pub fn state(&self, context: &Context, conn: &mut Conn) -> Result<State> {
        if !self.is_joined() {
            if let Some(row) = &self.membership
                && (row.membership == "leave" || row.membership == "ban")
                && was_joined(conn, row)?
            {
                let left = context.events.get(conn, row.event_nid)?;
                let nid =
                    left.state_after.ok_or_else(|| Error::internal("a leave has no state"))?;
                return context.states.get(conn, nid);
            }
            if !self.is_world_readable(context, conn)? {
                return Err(Error::forbidden("You are not in this room"));
            }
        }
        let nid = room_rows::state_nid(conn, self.info.nid)?;
        context.states.get(conn, nid)
    }

    /// 403 unless the user is or was in the room, or everyone may read it.
    pub fn check_history(&self, context: &Context, conn: &mut Conn) -> Result<()> {
        let was_in = match &self.membership {
            Some(row) => row.membership == "join" || was_joined(conn, row)?,
            None => false,
        };
        if was_in || self.is_world_readable(context, conn)? {
            return Ok(());
        }
        Err(Error::forbidden("You are not in this room"))
    }

    fn is_world_readable(&self, context: &Context, conn: &mut Conn) -> Result<bool> {
        let nid = room_rows::state_nid(conn, self.info.nid)?;
        let state = context.states.get(conn, nid)?;
        Ok(history_visibility(context, conn, &state)? == HistoryVisibility::WorldReadable)
    }
}

/// Filters events down to those that a user may see.
pub struct Filter<'a> {
    user_id: &'a UserId,
    joined_now: bool,
    /// When joined: since where without a break, at least.
    joined_from: Option<Position>,
    /// When not joined: where the user last was.
    last_joined: Option<Position>,
    ignored: OnceCell<Ignored>,
}

impl<'a> Filter<'a> {
    pub fn new(
        conn: &mut Conn,
        user_id: &'a UserId,
        membership: Option<&MembershipRow>,
    ) -> Result<Self> {
        let joined_now = membership.is_some_and(|row| row.membership == "join");
        let last_joined = match membership {
            Some(row) if !joined_now => members::changes(conn, row.room_nid, row.user_nid)?
                .into_iter()
                .rfind(|(_, membership)| membership == "join")
                .map(|(position, _)| position),
            _ => None,
        };
        let joined_from = membership.filter(|_| joined_now).map(|row| row.position);
        Ok(Self { user_id, joined_now, joined_from, last_joined, ignored: OnceCell::new() })
    }

    /// Whether the user may see `event`, which is in the room that this filter was made for.
    pub fn allows(&self, context: &Context, conn: &mut Conn, event: &Event) -> Result<bool> {
        if self.is_ignored(context, conn, event)? {
            return Ok(false);
        }
        let position = event.position();
        if let (Some(from), Some(position)) = (self.joined_from, position)
            && position >= from
        {
            return Ok(true);
        }
        let (Some(before), Some(after)) = (event.state_before, event.state_after) else {
            return Ok(false);
        };
        let before = context.states.get(conn, before)?;
        let visibility = history_visibility(context, conn, &before)?;
        let membership = membership(context, conn, &before, self.user_id)?;
        let (visibility_after, membership_after) = if event.pdu.is_state() {
            let after = context.states.get(conn, after)?;
            (
                Some(history_visibility(context, conn, &after)?),
                Some(self::membership(context, conn, &after, self.user_id)?),
            )
        } else {
            (None, None)
        };
        let joined_since = self.joined_now
            || self.last_joined.zip(position).is_some_and(|(joined, at)| joined > at);
        Ok(visible(&View {
            visibility: &visibility,
            visibility_after: visibility_after.as_ref(),
            membership: &membership,
            membership_after: membership_after.as_ref(),
            joined_since,
        }))
    }
}

impl Filter<'_> {
    /// Whether the user ignores the sender of a message.
    fn is_ignored(&self, context: &Context, conn: &mut Conn, event: &Event) -> Result<bool> {
        if let Some(ignored) = self.ignored.get() {
            return Ok(hides(ignored, event));
        }
        let ignored = match context.store.users().find(conn, self.user_id)? {
            Some(user) => context.ignored_users.of_user(conn, user)?,
            None => Ignored::default(),
        };
        Ok(hides(self.ignored.get_or_init(|| ignored), event))
    }
}

fn was_joined(conn: &mut Conn, row: &MembershipRow) -> Result<bool> {
    let changes = members::changes(conn, row.room_nid, row.user_nid)?;
    Ok(changes.iter().any(|(_, membership)| membership == "join"))
}

fn history_visibility(
    context: &Context,
    conn: &mut Conn,
    state: &State,
) -> Result<HistoryVisibility> {
    #[derive(Deserialize)]
    struct Content {
        history_visibility: HistoryVisibility,
    }
    let event = state_event(context, conn, state, &StateEventType::RoomHistoryVisibility, "")?;
    Ok(event
        .and_then(|event| event.pdu.content_as::<Content>().ok())
        .map_or(HistoryVisibility::Shared, |content| content.history_visibility))
}

fn membership(
    context: &Context,
    conn: &mut Conn,
    state: &State,
    user_id: &UserId,
) -> Result<MembershipState> {
    #[derive(Deserialize)]
    struct Content {
        membership: MembershipState,
    }
    let event = state_event(context, conn, state, &StateEventType::RoomMember, user_id.as_str())?;
    Ok(event
        .and_then(|event| event.pdu.content_as::<Content>().ok())
        .map_or(MembershipState::Leave, |content| content.membership))
}
