//! What a user may see of a room: the answers that `room/visibility.rs` decides on, found in the store.

use std::{
    cell::{OnceCell, RefCell},
    sync::Arc,
};

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
        Conn, EventNid, Position, RoomNid, StateKeyNid, StateNid, UserNid,
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

    /// Whether everyone may read the room.
    pub fn is_world_readable(&self, context: &Context, conn: &mut Conn) -> Result<bool> {
        let nid = room_rows::state_nid(conn, self.info.nid)?;
        let state = context.states.get(conn, nid)?;
        Ok(history_visibility(context, conn, &state)? == HistoryVisibility::WorldReadable)
    }
}

/// Filters events down to those that a user may see.
pub struct Filter<'a> {
    user_id: &'a UserId,
    joined_now: bool,
    /// The event that made the user's membership what it is now.
    membership_event: Option<EventNid>,
    /// Where it stands in a room's state.
    membership_key: OnceCell<StateKeyNid>,
    /// When not joined: where the user last was.
    last_joined: Option<Position>,
    /// How things stood in the state asked for last: most events share theirs with the one beside them.
    last: RefCell<Option<(StateNid, MembershipState)>>,
    ignored: OnceCell<Ignored>,
    /// Whose membership, and in which room.
    member: Option<(RoomNid, UserNid)>,
    /// Since when the user has been in the room without a break.
    in_since: OnceCell<Option<Position>>,
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
        Ok(Self {
            user_id,
            joined_now,
            membership_event: membership.map(|row| row.event_nid),
            membership_key: OnceCell::new(),
            last_joined,
            last: RefCell::default(),
            ignored: OnceCell::new(),
            member: membership.map(|row| (row.room_nid, row.user_nid)),
            in_since: OnceCell::new(),
        })
    }

    /// Whether the user may see `event`, which is in the room that this filter was made for.
    pub fn allows(&self, context: &Context, conn: &mut Conn, event: &Event) -> Result<bool> {
        Ok(!self.is_ignored(context, conn, event)? && self.sees(context, conn, event)?)
    }

    /// An event as the user may see it: of one who was erased, what a redaction would leave, unless the user was in
    /// the room when it was sent. `None` if they may not see it.
    pub fn shows(
        &self,
        context: &Context,
        conn: &mut Conn,
        event: Arc<Event>,
    ) -> Result<Option<Arc<Event>>> {
        if !self.allows(context, conn, &event)? {
            return Ok(None);
        }
        if !context.erased_users.contains(event.sender_nid) {
            return Ok(Some(event));
        }
        if let Some(before) = event.state_before
            && self.membership_in(context, conn, before)? == MembershipState::Join
        {
            return Ok(Some(event));
        }
        let info = context.rooms.by_nid(conn, event.room_nid)?;
        Ok(Some(Arc::new(event.hidden(info.rules)?)))
    }

    /// Whether the user may see `event`, whoever sent it.
    pub fn sees(&self, context: &Context, conn: &mut Conn, event: &Event) -> Result<bool> {
        let (Some(before), Some(after)) = (event.state_before, event.state_after) else {
            return Ok(false);
        };
        let membership = self.membership_in(context, conn, before)?;
        if membership == MembershipState::Join {
            // In the room at the event: whatever the room says.
            return Ok(true);
        }
        let before = context.states.get(conn, before)?;
        let visibility = history_visibility(context, conn, &before)?;
        let (visibility_after, membership_after) = if event.pdu.is_state() {
            let state = context.states.get(conn, after)?;
            (
                Some(history_visibility(context, conn, &state)?),
                Some(self.membership_in(context, conn, after)?),
            )
        } else {
            (None, None)
        };
        let joined_since = self.joined_now
            || self.last_joined.zip(event.position()).is_some_and(|(joined, at)| joined > at);
        Ok(visible(&View {
            visibility: &visibility,
            visibility_after: visibility_after.as_ref(),
            membership: &membership,
            membership_after: membership_after.as_ref(),
            joined_since,
        }))
    }

    /// Whether the user sees all events of a room from a position on: what is older too may be read, and has been
    /// since, or the user was in the room throughout. No means that it is to be asked of each.
    pub fn sees_all_since(
        &self,
        context: &Context,
        conn: &mut Conn,
        room: RoomNid,
        from: Position,
    ) -> Result<bool> {
        let state = room_rows::state_nid(conn, room)?;
        let state = context.states.get(conn, state)?;
        let event = state_event(context, conn, &state, &VISIBILITY, "")?;
        let was_so = match event.as_ref().map(|event| event.position()) {
            None => true,
            // In the state that the room was entered with: before all but what was fetched of before.
            Some(None) => from.0 > 0,
            Some(Some(at)) => at <= from,
        };
        if was_so {
            match visibility_of(event.as_deref()) {
                HistoryVisibility::WorldReadable => return Ok(true),
                HistoryVisibility::Shared if self.joined_now => return Ok(true),
                _ => {}
            }
        }
        Ok(self.joined_now && self.in_since(conn)?.is_some_and(|since| since <= from))
    }

    fn in_since(&self, conn: &mut Conn) -> Result<Option<Position>> {
        if let Some(since) = self.in_since.get() {
            return Ok(*since);
        }
        let Some((room, user)) = self.member else { return Ok(None) };
        let changes = members::changes(conn, room, user)?;
        let joined = changes.iter().rev().take_while(|(_, membership)| membership == "join");
        let since = joined.last().map(|(position, _)| *position);
        Ok(*self.in_since.get_or_init(|| since))
    }

    /// The user's membership at an event, which an event about them has changed already.
    pub fn membership_at(
        &self,
        context: &Context,
        conn: &mut Conn,
        event: &Event,
    ) -> Result<Option<MembershipState>> {
        let own = event.pdu.state_key.as_deref() == Some(self.user_id.as_str());
        let state = if own { event.state_after } else { event.state_before };
        state.map(|state| self.membership_in(context, conn, state)).transpose()
    }

    fn membership_in(
        &self,
        context: &Context,
        conn: &mut Conn,
        nid: StateNid,
    ) -> Result<MembershipState> {
        if let Some((known, membership)) = &*self.last.borrow()
            && *known == nid
        {
            return Ok(membership.clone());
        }
        let key = match self.membership_key.get() {
            Some(key) => Some(*key),
            None => {
                let key = ("m.room.member", self.user_id.as_str());
                let found = context.store.state_keys().find(conn, key)?;
                found.map(|key| *self.membership_key.get_or_init(|| key))
            }
        };
        let state = context.states.get(conn, nid)?;
        let membership = match key.and_then(|key| state.get(key)) {
            None => MembershipState::Leave,
            found if found == self.membership_event && self.joined_now => MembershipState::Join,
            Some(event) => membership(&*context.events.get(conn, event)?),
        };
        *self.last.borrow_mut() = Some((nid, membership.clone()));
        Ok(membership)
    }
}

impl Filter<'_> {
    /// Whether the user ignores the sender of a message.
    fn is_ignored(&self, context: &Context, conn: &mut Conn, event: &Event) -> Result<bool> {
        Ok(hides(self.ignored(context, conn)?, event))
    }

    /// Whether the user ignores another.
    pub fn ignores(&self, context: &Context, conn: &mut Conn, other: UserNid) -> Result<bool> {
        let ignored = self.ignored(context, conn)?;
        if ignored.is_empty() {
            return Ok(false);
        }
        let other = context.store.users().key(conn, other)?;
        let other = other.as_deref().map(<&UserId>::try_from);
        Ok(other.is_some_and(|other| other.is_ok_and(|other| ignored.contains(other))))
    }

    fn ignored(&self, context: &Context, conn: &mut Conn) -> Result<&Ignored> {
        if let Some(ignored) = self.ignored.get() {
            return Ok(ignored);
        }
        let ignored = match context.store.users().find(conn, self.user_id)? {
            Some(user) => context.ignored_users.of_user(conn, user)?,
            None => Ignored::default(),
        };
        Ok(self.ignored.get_or_init(|| ignored))
    }
}

fn was_joined(conn: &mut Conn, row: &MembershipRow) -> Result<bool> {
    let changes = members::changes(conn, row.room_nid, row.user_nid)?;
    Ok(changes.iter().any(|(_, membership)| membership == "join"))
}

pub(super) fn history_visibility(
    context: &Context,
    conn: &mut Conn,
    state: &State,
) -> Result<HistoryVisibility> {
    Ok(visibility_of(state_event(context, conn, state, &VISIBILITY, "")?.as_deref()))
}

const VISIBILITY: StateEventType = StateEventType::RoomHistoryVisibility;

fn visibility_of(event: Option<&Event>) -> HistoryVisibility {
    #[derive(Deserialize)]
    struct Content {
        history_visibility: HistoryVisibility,
    }
    event
        .and_then(|event| event.pdu.content_as::<Content>().ok())
        .map_or(HistoryVisibility::Shared, |content| content.history_visibility)
}

fn membership(event: &Event) -> MembershipState {
    #[derive(Deserialize)]
    struct Content {
        membership: MembershipState,
    }
    let content = event.pdu.content_as::<Content>();
    content.map_or(MembershipState::Leave, |content| content.membership)
}
