//! Which thread an event is in (client-server API, "Threaded read receipts").

use std::sync::Arc;

use ruma::{EventId, OwnedEventId};
use serde::Deserialize;

use super::event::Event;
use crate::{error::Result, room::event::Pdu};

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
    let mut relation = if pdu.is_state() { None } else { relation(pdu) };
    for _ in 0..HOPS {
        match relation {
            None => break,
            Some(Relation { rel_type, event_id }) if rel_type == "m.thread" => {
                return Ok(Thread::Of(event_id));
            }
            Some(Relation { event_id, .. }) => {
                let parent = find(&event_id)?.filter(|parent| parent.pdu.room_id == pdu.room_id);
                relation = parent.and_then(|parent| self::relation(&parent.pdu));
            }
        }
    }
    Ok(Thread::Main)
}

#[derive(Deserialize)]
struct Relation {
    rel_type: String,
    event_id: OwnedEventId,
}

fn relation(pdu: &Pdu) -> Option<Relation> {
    #[derive(Deserialize)]
    struct Content {
        #[serde(rename = "m.relates_to")]
        relates_to: Relation,
    }
    // Most events have none: don't parse those.
    if !pdu.content.get().contains("m.relates_to") {
        return None;
    }
    pdu.content_as::<Content>().ok().map(|content| content.relates_to)
}
