//! Which thread an event is in (client-server API, "Threaded read receipts").

use std::sync::Arc;

use ruma::{EventId, OwnedEventId};

use super::event::Event;
use crate::{
    error::Result,
    room::{event::Pdu, relation::Relation},
};

/// Of the events that lead to a thread no more are followed than this.
const HOPS: usize = 3;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Thread {
    Main,
    /// By its root.
    Of(OwnedEventId),
}

impl Thread {
    /// `main`, or the root's event id.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Main => "main",
            Self::Of(root) => root.as_str(),
        }
    }
}

/// The thread of an event. `find` looks others up.
pub fn thread_of(
    pdu: &Pdu,
    mut find: impl FnMut(&EventId) -> Result<Option<Arc<Event>>>,
) -> Result<Thread> {
    let mut relation = if pdu.is_state() { None } else { Relation::of(&pdu.content) };
    for _ in 0..HOPS {
        match relation {
            None => break,
            Some(Relation { rel_type, parent, .. }) if rel_type == "m.thread" => {
                return Ok(Thread::Of(parent));
            }
            Some(Relation { parent, .. }) => {
                let parent = find(&parent)?.filter(|parent| parent.pdu.room_id == pdu.room_id);
                relation = parent.and_then(|parent| Relation::of(&parent.pdu.content));
            }
        }
    }
    Ok(Thread::Main)
}
