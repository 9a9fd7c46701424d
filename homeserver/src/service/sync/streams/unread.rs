//! `unread_notifications` of a room, and `unread_thread_notifications`.

use std::collections::BTreeMap;

use ruma::{OwnedEventId, UInt, api::client::sync::sync_events::UnreadNotificationsCount};

use crate::{
    error::Result,
    service::{notifier::Subject, push::counts, sessions::Session, timeline::Context},
    storage::{Conn, Position, RoomNid, push_counts::Totals, receipts},
};

/// What is unread in a room, of all of it or, `by_thread`, of what is in no thread and of each thread.
pub fn unread(
    context: &Context,
    conn: &mut Conn,
    caller: &Session,
    room: RoomNid,
    now: Position,
    by_thread: bool,
) -> Result<(UnreadNotificationsCount, BTreeMap<OwnedEventId, UnreadNotificationsCount>)> {
    let unread = counts::unread(context, conn, (caller.user_nid, room), now, by_thread)?;
    let threads = unread.threads.into_iter().map(|(root, totals)| (root, block(totals)));
    Ok((block(unread.room), threads.collect()))
}

/// Whether the caller has sent receipts after `since`, which may have changed what is unread.
pub fn has_read(
    context: &Context,
    conn: &mut Conn,
    caller: &Session,
    room: RoomNid,
    since: Option<Position>,
    now: Position,
) -> Result<bool> {
    let Some(since) = since else { return Ok(true) };
    if context.notifier.last_change(Subject::Receipts(room)) <= since {
        return Ok(false);
    }
    let changed = receipts::changed(conn, room, (since, now))?;
    Ok(changed.iter().any(|(row, _)| row.user_nid == caller.user_nid))
}

fn block(totals: Totals) -> UnreadNotificationsCount {
    let number = |n: i64| Some(UInt::new_saturating(u64::try_from(n).unwrap_or(0)));
    let mut block = UnreadNotificationsCount::new();
    block.notification_count = number(totals.notify);
    block.highlight_count = number(totals.highlight);
    block
}
