//! The newest events of a room that a user may see; both kinds of sync show them.

use std::sync::Arc;

use ruma::events::room::member::MembershipState;

use super::{filter::EventFilter, streams::Scope};
use crate::{
    error::Result,
    service::{
        event::{Event, Extra, Viewer},
        relations::{Bundle, Bundler, Shape},
        room_info::RoomInfo,
        rooms::visibility::Filter,
    },
    storage::{
        Conn, Position,
        events::{self, Direction},
        members::MembershipRow,
    },
};

/// The newest events of a range, oldest first.
pub(super) struct Newest {
    pub events: Vec<Shown>,
    /// There are more in the range, before these.
    pub limited: bool,
    /// Just before the first of them.
    pub start: Position,
}

/// An event, and the viewer's membership at it.
pub(super) struct Shown {
    pub event: Arc<Event>,
    pub membership: Option<MembershipState>,
    /// Of its children, where not all of them follow.
    pub bundle: Option<Bundle>,
}

impl Shown {
    /// What is told in `unsigned` that depends on who looks.
    pub fn extra(&self) -> Extra<'_> {
        let relations = self.bundle.as_ref().map(|bundle| &*bundle.json);
        Extra { membership: self.membership.as_ref(), relations }
    }
}

/// Before the first event of every room.
const BEGINNING: Position = Position(i64::MIN);

/// Events after `after` up to `until`; `row` is the user's membership.
pub(super) fn newest(
    scope: &Scope<'_>,
    conn: &mut Conn,
    wanted: &EventFilter,
    info: &RoomInfo,
    row: &MembershipRow,
    after: Option<Position>,
    until: Position,
) -> Result<Newest> {
    let context = scope.context;
    let mut found = Newest { events: Vec::new(), limited: false, start: until };
    if !wanted.wants_room(&info.id) {
        return Ok(found);
    }
    let visible = Filter::new(conn, &scope.caller.user_id, Some(row))?;
    let is_whole = after.is_none();
    // Nobody takes what is before a gap for what came just before what is after it.
    let gap = context.gaps.newest(conn, info.nid, (after.unwrap_or(BEGINNING), until))?;
    let after = gap.map_or(after.unwrap_or(BEGINNING), |gap| Position(gap.0 - 1));
    let mut at = until;
    'pages: loop {
        // One more than asked for tells whether there are more.
        let page = (wanted.limit - found.events.len() + 1) as i64;
        let rows = events::timeline(conn, info.nid, (after, at), Direction::Backward, page)?;
        let last_page = (rows.len() as i64) < page;
        for (nid, position) in rows {
            let event = context.events.get(conn, nid)?;
            if wanted.wants(&event)
                && let Some(event) = visible.shows(context, conn, event)?
            {
                if found.events.len() == wanted.limit {
                    found.limited = true;
                    break 'pages;
                }
                let membership = visible.membership_at(context, conn, &event)?;
                found.events.push(Shown { event, membership, bundle: None });
            }
            at = Position(position.0 - 1);
            found.start = at;
        }
        if last_page {
            break;
        }
    }
    found.limited |= gap.is_some();
    found.events.reverse();
    if found.limited || is_whole {
        bundle(scope, conn, &visible, until, &mut found.events)?;
    }
    Ok(found)
}

/// Adds what is to be told of the events' children.
fn bundle(
    scope: &Scope<'_>,
    conn: &mut Conn,
    filter: &Filter<'_>,
    until: Position,
    events: &mut [Shown],
) -> Result<()> {
    let context = scope.context;
    let viewer = Viewer::new(scope.caller).at(context.clock.now_ms());
    let bundler = Bundler { context, filter, viewer, shape: Shape::Sync, until };
    let mut bundles = bundler.bundle(conn, events.iter().map(|shown| &shown.event))?;
    for shown in events {
        shown.bundle = bundles.remove(&shown.event.nid);
    }
    Ok(())
}

impl Newest {
    /// Only this event.
    pub fn only(event: Arc<Event>) -> Self {
        let start = event.position().map_or(Position(0), |at| Position(at.0 - 1));
        let events = match event.position() {
            Some(_) => vec![Shown { event, membership: None, bundle: None }],
            None => Vec::new(),
        };
        Self { events, limited: false, start }
    }
}
