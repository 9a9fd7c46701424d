//! The answer of `GET /_matrix/client/v3/sync` (client-server API, "Syncing"), out of one snapshot.

use ruma::{
    OwnedRoomId,
    api::client::sync::sync_events::v3::{InvitedRoom, KnockedRoom, Response},
    events::AnyRoomAccountDataEvent,
    serde::Raw,
};

use super::{
    SyncRequest, room,
    streams::{
        Scope, account_data, device_lists,
        ephemeral::{receipts, typing},
        invites, presence,
        to_device::{self, to_device},
        unread::{has_read, unread},
    },
    stripped::stripped_state,
    token::SyncToken,
};
use crate::{
    error::Result,
    service::{
        keys::counts::Counts,
        notifier::{Serial, Subject},
        room_info::RoomInfo,
    },
    storage::{
        Conn, Position, current_position,
        members::{self, MembershipRow},
    },
};

pub(super) fn build(
    scope: &Scope<'_>,
    conn: &mut Conn,
    request: &SyncRequest,
    since: Option<SyncToken>,
) -> Result<Response> {
    let &Scope { context, caller, streams } = scope;
    if since.is_none() {
        scope.streams.lazy.forget(caller);
    }
    let serial = context.notifier.serial();
    // What is committed and not yet published is left to the next sync: caches don't know it.
    let now = current_position(conn)?.min(context.notifier.position());
    let memberships = context.user_rooms.at(conn, caller.user_nid, now)?;
    let range = (since.map(|since| since.to_device()), now);
    let messages = to_device(context, conn, caller, range, to_device::AT_ONCE)?;
    let to_device = Some(messages.until).filter(|&until| until < now);
    let token = SyncToken { position: now, serial, to_device };
    let mut response = Response::new(token.to_string());
    response.to_device.events = messages.events;
    let since_serial = since.map(|since| since.serial);
    let since = since.map(|since| since.position);
    let filter = &request.filter;
    let mut account_data = account_data::changed(context, conn, caller, filter, since, now)?;
    response.account_data.events = std::mem::take(&mut account_data.global);
    let ignored = context.ignored_users.of_user(conn, caller.user_nid)?;
    let (serials, at) = ((since_serial, since), context.clock.now_ms());
    let told = &filter.presence;
    response.presence.events = presence::presence(
        &scope.streams.presence,
        caller,
        told,
        &ignored,
        &memberships,
        serials,
        at,
    )?;
    add_key_counts(&mut response, &*streams.key_counts.get(context, conn, caller)?);
    if let Some(since) = since {
        response.device_lists =
            device_lists::changed(context, conn, caller, &memberships, (since, now))?;
    }
    for row in &memberships.rows {
        let changed = since.is_none_or(|since| row.position > since);
        let at_rest = !changed && row.membership != "join";
        let subjects = [Subject::Room(row.room_nid), Subject::Receipts(row.room_nid)];
        let silent = since.is_some_and(|since| !context.notifier.changed_since(since, subjects))
            && since_serial.is_some_and(|since| !context.notifier.stirred_since(since, subjects));
        let own = account_data.rooms.contains_key(&row.room_nid);
        if at_rest || (silent && !changed && !own && !request.full_state) {
            continue;
        }
        let info = context.rooms.by_nid(conn, row.room_nid)?;
        if !request.filter.wants_room(&info.id) {
            continue;
        }
        let range = room::Range { since, now };
        let own = Own {
            account_data: account_data.rooms.remove(&row.room_nid).unwrap_or_default(),
            since_serial,
        };
        add(scope, conn, request, range, &info, row, own, &mut response)?;
    }
    Ok(response)
}

/// A device is told of its own keys in each answer: by what is left out it would think that there are none.
pub(super) fn add_key_counts(response: &mut Response, counts: &Counts) {
    response.device_one_time_keys_count = counts.one_time.clone();
    response.device_unused_fallback_key_types = Some(counts.unused_fallback.clone());
}

/// What goes into a joined room besides its events.
struct Own {
    account_data: Vec<Raw<AnyRoomAccountDataEvent>>,
    since_serial: Option<Serial>,
}

#[expect(clippy::too_many_arguments, reason = "one room out of the loop above")]
fn add(
    scope: &Scope<'_>,
    conn: &mut Conn,
    request: &SyncRequest,
    range: room::Range,
    info: &RoomInfo,
    row: &MembershipRow,
    own: Own,
    response: &mut Response,
) -> Result<()> {
    let &Scope { context, caller, streams } = scope;
    let id: OwnedRoomId = info.id.clone();
    match &*row.membership {
        // Who wants all members sees a room when they are here.
        "join" if !is_lazy(request) && context.partial_rooms.is_partial(info.nid) => {}
        "join" => {
            let is_whole_since = |since| context.partial_rooms.is_whole_since(info.nid, since);
            let newly = newly_joined(conn, row, range.since)?
                || (!is_lazy(request) && range.since.is_some_and(is_whole_since));
            let mut room = room::joined(scope, conn, request, range, info, row, newly)?;
            let filter = &request.filter;
            room.account_data.events = match newly && range.since.is_some() {
                true => account_data::of_room(conn, caller, &filter.room_account_data, &info.id)?,
                false => own.account_data,
            };
            if filter.ephemeral.wants_room(&info.id) {
                let since = range.since.filter(|_| !newly);
                let events = &mut room.ephemeral.events;
                if filter.ephemeral.wants_type("m.receipt") {
                    *events = receipts(context, conn, caller, info.nid, since, range.now)?;
                }
                if filter.ephemeral.wants_type("m.typing") {
                    let (typing_in, since) = (&streams.typing, own.since_serial);
                    let since = since.filter(|_| !newly);
                    events.extend(typing(context, conn, caller, typing_in, info.nid, since)?);
                }
            }
            let since = range.since.filter(|_| !newly);
            if !room.is_empty() || has_read(context, conn, caller, info.nid, since, range.now)? {
                let by_thread = filter.unread_thread_notifications;
                (room.unread_notifications, room.unread_thread_notifications) =
                    unread(context, conn, caller, info.nid, range.now, by_thread)?;
                response.rooms.join.insert(id, room);
            }
        }
        "invite" if !invites::is_shown(context, conn, caller, row)? => {}
        "invite" => {
            let mut invited = InvitedRoom::default();
            invited.invite_state.events = stripped_state(context, conn, row)?;
            response.rooms.invite.insert(id, invited);
        }
        "knock" => {
            let mut knocked = KnockedRoom::default();
            knocked.knock_state.events = stripped_state(context, conn, row)?;
            response.rooms.knock.insert(id, knocked);
        }
        _ => {
            if range.since.is_none() && !request.filter.include_leave {
                return Ok(());
            }
            if let Some(room) = room::left(scope, conn, request, range, info, row)? {
                response.rooms.leave.insert(id, room);
            }
        }
    }
    Ok(())
}

/// Whether members are told when they are needed.
fn is_lazy(request: &SyncRequest) -> bool {
    !request.filter.state.lazy.is_disabled()
}

/// Whether the user was not joined at `since`.
fn newly_joined(conn: &mut Conn, row: &MembershipRow, since: Option<Position>) -> Result<bool> {
    let Some(since) = since else { return Ok(true) };
    if row.position <= since {
        return Ok(false);
    }
    let changes = members::changes(conn, row.room_nid, row.user_nid)?;
    let before = changes.iter().rfind(|(position, _)| *position <= since);
    let left_since = changes.iter().any(|(position, m)| *position > since && m != "join");
    Ok(left_since || before.is_none_or(|(_, membership)| membership != "join"))
}
