//! An event with all that its commit writes.

use std::sync::Arc;

use ruma::{OwnedEventId, OwnedServerName, UserId};

use super::{Context, Outcome, notify::Notification, relate::Related};
use crate::{
    error::Result,
    room::event::Pdu,
    service::event::Event,
    storage::{
        Conn, EventNid, Interned, Position, StateKey, StateKeyNid, UserNid,
        client_transactions::TransactionKey,
        state::{Change, NewState, State},
    },
};

/// An event with all that its commit writes.
pub(in crate::service::timeline) struct Prepared {
    pub event: Arc<Event>,
    pub verdict: Verdict,
    /// An outlier that gets its place, or one that came to its user alone: its row exists.
    pub known: bool,
    /// It is made here, just now: nobody can have missed it.
    pub fresh: bool,
    /// It enters the room; without its members: the other servers in it.
    pub enters: Option<Option<Arc<Vec<OwnedServerName>>>>,
    /// Of a room whose members are not here: the generation that the event makes.
    pub partial: Option<i64>,
    /// Of an event of the past: its place.
    pub past: Option<Position>,
    /// How many positions before its own stay free for events that are missing.
    pub leaves_free: i64,
    pub users: Vec<Interned<Arc<str>, UserNid>>,
    pub state_key: Option<Interned<StateKey, StateKeyNid>>,
    pub states: Vec<NewState>,
    pub prev: Vec<EventNid>,
    pub missing_prev: Vec<OwnedEventId>,
    /// For state events.
    pub auth: Vec<EventNid>,
    pub state_changes: Vec<Change>,
    pub memberships: Vec<MembershipChange>,
    pub notification: Option<Notification>,
    pub related: Option<Related>,
    pub redacts: Option<EventNid>,
    pub redacted_by: Option<EventNid>,
    pub transaction: Option<TransactionKey>,
    pub destinations: Vec<OwnedServerName>,
    /// Other ends of the room, which the server that comes in with the event is to be sent.
    pub beside: Vec<EventNid>,
    /// States that sync and the next events will ask for.
    pub hot_states: Vec<State>,
}

pub(in crate::service::timeline) struct MembershipChange {
    pub user_nid: UserNid,
    pub membership: String,
    pub event_nid: EventNid,
    pub local: bool,
    /// The user was not joined before and is now.
    pub joins: bool,
    /// For a user of this server who joins: whether their rules make the default not count for them.
    pub quiet: Option<bool>,
}

impl MembershipChange {
    /// Of a user of another server, whose coming changes nothing for anybody's counters.
    pub fn of_other(user_nid: UserNid, membership: String, event_nid: EventNid) -> Self {
        Self { user_nid, membership, event_nid, local: false, joins: false, quiet: None }
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::service::timeline) enum Verdict {
    Accepted,
    SoftFailed,
    Rejected(String),
    /// Kept without a place in the graph.
    Outlier,
    /// Placed before what is here.
    Past,
}

impl Prepared {
    pub(super) fn bare(event: Arc<Event>, rows: Rows) -> Self {
        Self {
            event,
            verdict: Verdict::Accepted,
            known: false,
            fresh: false,
            enters: None,
            partial: None,
            past: None,
            leaves_free: 0,
            users: rows.users,
            state_key: rows.state_key,
            states: Vec::new(),
            prev: Vec::new(),
            missing_prev: Vec::new(),
            auth: Vec::new(),
            state_changes: Vec::new(),
            memberships: Vec::new(),
            notification: None,
            related: None,
            redacts: None,
            redacted_by: None,
            transaction: None,
            destinations: Vec::new(),
            beside: Vec::new(),
            hot_states: Vec::new(),
        }
    }

    pub fn outcome(&self) -> Outcome {
        let event = self.event.clone();
        match &self.verdict {
            Verdict::Accepted | Verdict::Outlier | Verdict::Past => Outcome::Accepted(event),
            Verdict::SoftFailed => Outcome::SoftFailed(event),
            Verdict::Rejected(reason) => Outcome::Rejected(event, reason.clone()),
        }
    }
}

/// Users and state keys that the commit may have to insert.
#[derive(Default)]
pub(super) struct Rows {
    pub users: Vec<Interned<Arc<str>, UserNid>>,
    state_key: Option<Interned<StateKey, StateKeyNid>>,
}

impl Rows {
    pub fn user(&mut self, context: &Context, conn: &mut Conn, user: &UserId) -> Result<UserNid> {
        let interned = context.store.users().find_or_reserve(conn, user)?;
        let nid = interned.nid;
        if !interned.committed && !self.users.iter().any(|user| user.nid == nid) {
            self.users.push(interned);
        }
        Ok(nid)
    }

    pub fn state_key(
        &mut self,
        context: &Context,
        conn: &mut Conn,
        pdu: &Pdu,
    ) -> Result<Option<StateKeyNid>> {
        let Some(state_key) = &pdu.state_key else { return Ok(None) };
        let event_type = pdu.event_type.to_string();
        let key = (event_type.as_str(), state_key.as_str());
        let interned = context.store.state_keys().find_or_reserve(conn, key)?;
        let nid = interned.nid;
        if !interned.committed {
            self.state_key = Some(interned);
        }
        Ok(Some(nid))
    }
}
