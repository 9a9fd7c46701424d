//! What a user was notified of, latest first.

use std::collections::{BTreeMap, HashMap};

use ruma::{
    MilliSecondsSinceUnixEpoch, UInt,
    api::client::push::get_notifications::v3::{Notification, Response},
    push::Action,
    serde::Raw,
};

use super::{Push, counts::default_intervals};
use crate::{
    error::{Error, Result},
    service::{
        event::{Event, Viewer},
        rooms::visibility::Filter,
        sessions::Session,
        timeline::Context,
    },
    storage::{
        Conn, Position, RoomNid,
        events::{self, Direction},
        members::{self, MembershipRow},
        push_counts::{self, CounterRow, ExceptionRow},
        read_positions::{self, ALL},
    },
};

const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 100;
/// Rows looked at in one step, of each room.
const STEP: i64 = 50;

pub struct NotificationsRequest {
    pub from: Option<String>,
    pub limit: Option<usize>,
    pub only_highlights: bool,
}

/// The rows of one event.
#[derive(Default)]
struct Rows {
    default: Option<CounterRow>,
    exception: Option<ExceptionRow>,
}

/// A room, as far as a user's notifications of it depend on the user.
struct Room {
    membership: MembershipRow,
    /// Since when the user is in it.
    joined_at: Position,
    modes: Vec<(Position, bool)>,
    read: HashMap<String, Position>,
}

impl Push {
    /// A page of what the caller was notified of.
    pub async fn notifications(
        &self,
        caller: &std::sync::Arc<Session>,
        request: NotificationsRequest,
    ) -> Result<Response> {
        let from = request.from.as_deref().map(position).transpose()?;
        let (context, caller) = (self.context.clone(), caller.clone());
        let read = self.context.store.read(move |conn| {
            let limit = request.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
            let mut rooms = rooms(&context, conn, &caller)?;
            let mut before = from.unwrap_or(Position(i64::MAX));
            let mut response = Response::new(Vec::new());
            loop {
                let (found, more) = step(conn, &caller, &rooms, before)?;
                for ((at, nid), rows) in found.into_iter().rev() {
                    let Some(room) = rooms.get_mut(&nid) else { continue };
                    let only = request.only_highlights;
                    let shown = show(&context, conn, &caller, room, (nid, at), rows, only)?;
                    if let Some(notification) = shown {
                        if response.notifications.len() == limit {
                            response.next_token = Some(format!("n{}", before.0));
                            return Ok(response);
                        }
                        response.notifications.push(notification);
                    }
                    before = at;
                }
                match more {
                    Some(horizon) => before = horizon,
                    None => return Ok(response),
                }
            }
        });
        read.await
    }
}

fn position(token: &str) -> Result<Position> {
    let digits = token.strip_prefix('n').and_then(|digits| digits.parse().ok());
    digits
        .map(Position)
        .ok_or_else(|| Error::invalid_param("The token is not one of this server's"))
}

fn rooms(context: &Context, conn: &mut Conn, caller: &Session) -> Result<HashMap<RoomNid, Room>> {
    let user = caller.user_nid;
    let has_modes = context.push_rules.changed_users(conn)?.contains_key(&user);
    let mut rooms = HashMap::new();
    for membership in members::of_user(conn, user)? {
        if !matches!(&*membership.membership, "join" | "invite") {
            continue;
        }
        let nid = membership.room_nid;
        let changes = members::changes(conn, nid, user)?;
        let away = changes.iter().rposition(|(_, membership)| membership != "join");
        let joined = changes.get(away.map_or(0, |at| at + 1));
        let room = Room {
            joined_at: joined.map_or(Position(i64::MAX), |(position, _)| *position),
            modes: if has_modes { push_counts::modes(conn, user, nid)? } else { Vec::new() },
            read: read_positions::of_user(conn, user, nid)?.into_iter().collect(),
            membership,
        };
        rooms.insert(nid, room);
    }
    Ok(rooms)
}

/// The rows of events before a position, down to a horizon, if there are more beyond it.
type Found = (BTreeMap<(Position, RoomNid), Rows>, Option<Position>);

fn step(
    conn: &mut Conn,
    caller: &Session,
    rooms: &HashMap<RoomNid, Room>,
    before: Position,
) -> Result<Found> {
    let mut found: BTreeMap<(Position, RoomNid), Rows> = BTreeMap::new();
    let mut horizon: Option<Position> = None;
    let mut ends_at = |rows: usize, last: Option<Position>| {
        if rows as i64 == STEP {
            horizon = horizon.max(last);
        }
    };
    for (&nid, room) in rooms.iter().filter(|(_, room)| room.membership.membership == "join") {
        let rows = push_counts::counters_before(conn, nid, before, STEP)?;
        let rows: Vec<_> = rows.into_iter().filter(|row| row.position > room.joined_at).collect();
        ends_at(rows.len(), rows.last().map(|row| row.position));
        for row in rows {
            let rows = found.entry((row.position, nid)).or_default();
            rows.default = Some(row);
        }
    }
    let rows = push_counts::exceptions_before(conn, caller.user_nid, before, STEP)?;
    ends_at(rows.len(), rows.last().map(|row| row.position));
    for row in rows {
        let rows = found.entry((row.position, row.room_nid)).or_default();
        rows.exception = Some(row);
    }
    if let Some(horizon) = horizon {
        found = found.split_off(&(horizon, RoomNid(i64::MIN)));
    }
    Ok((found, horizon))
}

fn show(
    context: &Context,
    conn: &mut Conn,
    caller: &Session,
    room: &Room,
    (nid, at): (RoomNid, Position),
    rows: Rows,
    only_highlights: bool,
) -> Result<Option<Notification>> {
    let counts_by_default = !default_intervals(&room.modes, (Position(at.0 - 1), at)).is_empty();
    let default = rows.default.filter(|_| counts_by_default);
    let number = |of_default: fn(&CounterRow) -> i64, of_exception: fn(&ExceptionRow) -> i64| {
        default.as_ref().map_or(0, of_default) + rows.exception.as_ref().map_or(0, of_exception)
    };
    let notify = number(|row| row.notify, |row| row.notify);
    let highlight = number(|row| row.highlight, |row| row.highlight);
    if notify <= 0 || (only_highlights && highlight <= 0) {
        return Ok(None);
    }
    let Some(event) = visible(context, conn, caller, room, (nid, at))? else { return Ok(None) };
    let own = rows.exception.as_ref().map(|row| row.actions.as_str());
    let actions = own.filter(|actions| !actions.is_empty());
    let actions = actions.or(default.as_ref().map(|row| row.actions.as_str())).unwrap_or("[]");
    let actions: Vec<Action> = serde_json::from_str(actions)
        .map_err(|error| Error::internal(format!("stored actions: {error}")))?;
    let thread = default.as_ref().map(|row| &row.thread);
    let thread = thread.or(rows.exception.as_ref().map(|row| &row.thread));
    let read_to = |thread: &str| room.read.get(thread).is_some_and(|read| *read >= at);
    let viewer = Viewer::new(caller);
    let received = u64::try_from(event.received_at).unwrap_or(0);
    Ok(Some(Notification::new(
        actions,
        Raw::from_json(event.for_sync(viewer)?),
        read_to(ALL) || thread.is_some_and(|thread| read_to(thread)),
        event.pdu.room_id.clone(),
        MilliSecondsSinceUnixEpoch(UInt::new_saturating(received)),
    )))
}

/// The event at a place, if it is there for the user to see: not their own, not redacted, or their invite.
fn visible(
    context: &Context,
    conn: &mut Conn,
    caller: &Session,
    room: &Room,
    (nid, at): (RoomNid, Position),
) -> Result<Option<std::sync::Arc<Event>>> {
    let before = Position(at.0 - 1);
    let row = events::timeline(conn, nid, (before, at), Direction::Backward, 1)?;
    let Some(&(event, _)) = row.first() else { return Ok(None) };
    let event = context.events.get(conn, event)?;
    if event.sender_nid == caller.user_nid || event.redacted_because.is_some() {
        return Ok(None);
    }
    if room.membership.membership == "invite" {
        return Ok((event.nid == room.membership.event_nid).then_some(event));
    }
    let filter = Filter::new(conn, &caller.user_id, Some(&room.membership))?;
    filter.shows(context, conn, event)
}
