//! What waits to be sent to other servers.

use diesel::prelude::*;

use super::{Conn, EventNid, Position, schema::outbox};
use crate::error::Result;

/// Queues an event for a destination.
pub fn insert_event(
    conn: &mut Conn,
    destination: &ruma::ServerName,
    position: Position,
    event: EventNid,
) -> Result<()> {
    diesel::insert_into(outbox::table)
        .values((
            outbox::destination.eq(destination.as_str()),
            outbox::position.eq(position),
            outbox::event_nid.eq(event),
        ))
        .execute(conn)?;
    Ok(())
}
