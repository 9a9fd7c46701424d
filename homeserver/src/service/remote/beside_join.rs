//! What a server that joins would miss: events that came between the template of its join and the join. They are
//! neither in the state that it is told nor before its join, and were not meant for it when they were sent.

use std::sync::Arc;

use ruma::ServerName;

use super::Remote;
use crate::{
    error::Result,
    service::{event::Event, notifier::Subject, room_info::RoomInfo},
    storage::{Conn, Tx, events, outbox},
};

impl Remote {
    /// Sends the ends of the room that its join does not follow to a server that came in with `join`. It asks for
    /// what is before them, if that is missing.
    pub(super) async fn tell_beside(
        &self,
        server: &ServerName,
        info: &Arc<RoomInfo>,
        join: &Event,
    ) -> Result<()> {
        let (context, room, join) = (self.context.clone(), info.nid, join.nid);
        let read = move |conn: &mut Conn| {
            let mut beside = events::forward_extremities(conn, room)?;
            beside.retain(|&nid| nid != join);
            let mut counts = Vec::with_capacity(beside.len());
            for nid in beside {
                let event = context.events.get(conn, nid)?;
                counts.extend((!event.soft_failed && !event.rejected).then_some(nid));
            }
            Ok(counts)
        };
        let beside = self.context.store.read(read).await?;
        if beside.is_empty() {
            return Ok(());
        }
        let (context, server) = (self.context.clone(), server.to_owned());
        let write = move |tx: &mut Tx<'_>| {
            for &event in &beside {
                let position = tx.next_position()?;
                outbox::insert_event(tx, &server, position, event)?;
                let context = context.clone();
                tx.after_commit(move || context.notifier.advance(position, [Subject::Outbox]));
            }
            Ok(())
        };
        self.context.store.write(write).await
    }
}
