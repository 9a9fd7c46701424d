//! `to_device`: messages to the caller's device, in order.

use ruma::{events::AnyToDeviceEvent, serde::Raw};
use serde_json::value::RawValue;

use crate::{
    error::{Error, Result},
    service::{notifier::Subject, sessions::Session, timeline::Context},
    storage::{Conn, Position, to_device as rows},
};

/// An answer has no more than this; the rest is in the next ones.
pub const AT_ONCE: usize = 100;

/// The messages after a position, and up to where that is all.
#[derive(Debug)]
pub struct Messages {
    pub events: Vec<Raw<AnyToDeviceEvent>>,
    pub until: Position,
}

/// The first `limit` messages with `since < position <= now`; all that wait without `since`.
pub fn to_device(
    context: &Context,
    conn: &mut Conn,
    caller: &Session,
    (since, now): (Option<Position>, Position),
    limit: usize,
) -> Result<Messages> {
    let none = Messages { events: Vec::new(), until: now };
    let subject = Subject::device(caller.user_nid, caller.device_id.as_str());
    if since.is_some_and(|since| context.notifier.last_change(subject) <= since) {
        return Ok(none);
    }
    let device = (caller.user_nid, caller.device_id.as_str());
    // What has come may be there still: it is deleted in the background.
    let range = (since.unwrap_or_else(|| caller.delivery.come()), now);
    // One more tells whether that is all.
    let limit = limit.clamp(1, AT_ONCE);
    let mut rows = rows::waiting(conn, device, range, limit as i64 + 1)?;
    let is_all = rows.len() <= limit;
    rows.truncate(limit);
    let Some(&(last, _)) = rows.last() else { return Ok(none) };
    caller.delivery.handed(last);
    let events = rows.into_iter().map(|(_, json)| RawValue::from_string(json).map(Raw::from_json));
    let events = events
        .collect::<Result<_, _>>()
        .map_err(|error| Error::internal(format!("a message to a device: {error}")))?;
    Ok(Messages { events, until: if is_all { now } else { last } })
}
