//! What an event comes after, and whether an event comes late: what others come after is no end of the room.

use std::collections::HashSet;

use ruma::{EventId, OwnedEventId};

use super::{Context, Tip};
use crate::{
    error::Result,
    service::event::Event,
    storage::{Conn, Position, events},
};

/// So many events that count for nothing are looked past on the way from one event.
const LOOKED_PAST_MAX: usize = 1_000;

/// What an event comes after by way of events that count for nothing here, soft-failed or rejected. Else it would stay
/// an end of the room for ever, on the servers that refused those events and on no other, and its state take part in
/// the current one.
#[derive(Default)]
pub(super) struct Beyond {
    pub ids: HashSet<OwnedEventId>,
    /// Those of them that have no place here.
    pub missing: Vec<OwnedEventId>,
}

impl Beyond {
    pub fn of(
        context: &Context,
        conn: &mut Conn,
        tip: &Tip,
        prev_events: &[OwnedEventId],
    ) -> Result<Self> {
        let mut beyond = Self::default();
        let mut todo = prev_events.to_vec();
        let mut looked_past = 0;
        while let Some(id) = todo.pop() {
            // The ends of the room count.
            if tip.extremities.iter().any(|at| at.event_id == id) {
                continue;
            }
            let event = tip.event_by_id(context, conn, &id)?;
            let Some(event) = event.filter(|event| !event.outlier) else {
                if beyond.ids.contains(&id) {
                    beyond.missing.push(id);
                }
                continue;
            };
            if counts(&event) || looked_past == LOOKED_PAST_MAX {
                continue;
            }
            looked_past += 1;
            for prev in &event.pdu.prev_events {
                if beyond.ids.insert(prev.clone()) {
                    todo.push(prev.clone());
                }
            }
        }
        Ok(beyond)
    }
}

/// Whether an event that came over a gap comes after this one, which so comes late: where the room goes on is after
/// that one.
pub(super) fn is_followed(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    event_id: &EventId,
) -> Result<bool> {
    let follows =
        |event: &Event| counts(event) && event.pdu.prev_events.iter().any(|prev| prev == event_id);
    if tip.is_passed(event_id) || tip.pending().any(|event| follows(event)) {
        return Ok(true);
    }
    let (room, anywhere) = (tip.info.nid, (Position(i64::MIN), Position(i64::MAX)));
    // Nothing is missing in most rooms, which costs no query.
    Ok(context.gaps.newest(conn, room, anywhere)?.is_some()
        && events::is_followed(conn, room, event_id)?)
}

/// Soft-failed and rejected events end nothing.
fn counts(event: &Event) -> bool {
    !event.outlier && !event.rejected && !event.soft_failed
}
