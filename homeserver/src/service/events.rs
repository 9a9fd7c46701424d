//! Hot events: parsed, in memory, bounded. What is not there is read from the database.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use quick_cache::{Weighter, sync::Cache};
use ruma::{EventId, OwnedEventId};

use super::{
    event::{Event, Parts, Replaced, SentWith},
    room_info::RoomInfos,
};
use crate::{
    error::{Error, Result},
    room::{event::Pdu, redact::redacted},
    storage::{
        Conn, EventNid,
        events::{self, EventRow},
    },
};

/// How many redactions are remembered, so that a reader with an older view of the database does not put
/// the event as it was back into the cache; and so many events that got their first children.
const RECENT: usize = 4_096;

pub struct Events {
    rooms: Arc<RoomInfos>,
    cache: Cache<EventNid, Arc<Event>, Weight>,
    nids: Cache<OwnedEventId, EventNid>,
    redacted: Mutex<VecDeque<EventNid>>,
    parents: Mutex<VecDeque<EventNid>>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<EventNid, Arc<Event>> for Weight {
    fn weight(&self, _: &EventNid, event: &Arc<Event>) -> u64 {
        event.weight() as u64
    }
}

impl Events {
    /// `max_bytes` bounds the memory of the events held.
    pub fn new(rooms: Arc<RoomInfos>, max_bytes: u64) -> Self {
        let items = (max_bytes / 2_048).max(64) as usize;
        Self {
            rooms,
            cache: Cache::with_weighter(items, max_bytes, Weight),
            nids: Cache::new(items),
            redacted: Mutex::default(),
            parents: Mutex::default(),
        }
    }

    /// An event by its number.
    pub fn get(&self, conn: &mut Conn, nid: EventNid) -> Result<Arc<Event>> {
        if let Some(event) = self.cache.get(&nid) {
            return Ok(event);
        }
        let row = row(conn, nid)?;
        self.load(conn, row)
    }

    /// An event by its id, also one that was rejected.
    pub fn by_id(&self, conn: &mut Conn, event_id: &EventId) -> Result<Option<Arc<Event>>> {
        let nid = match self.nids.get(event_id) {
            Some(nid) => nid,
            None => match events::nid(conn, event_id)? {
                Some(nid) => {
                    self.nids.insert(event_id.to_owned(), nid);
                    nid
                }
                None => return Ok(None),
            },
        };
        self.get(conn, nid).map(Some)
    }

    /// The numbers of those of some events that are there, also of those that were rejected.
    pub fn nids<'a>(
        &self,
        conn: &mut Conn,
        event_ids: impl IntoIterator<Item = &'a EventId>,
    ) -> Result<HashMap<OwnedEventId, EventNid>> {
        let (mut nids, mut unknown) = (HashMap::new(), Vec::new());
        for event_id in event_ids {
            match self.nids.get(event_id) {
                Some(nid) => {
                    nids.insert(event_id.to_owned(), nid);
                }
                None => unknown.push(event_id),
            }
        }
        for (event_id, nid) in events::nids(conn, &unknown)? {
            if let Ok(event_id) = OwnedEventId::try_from(event_id) {
                self.nids.insert(event_id.clone(), nid);
                nids.insert(event_id, nid);
            }
        }
        Ok(nids)
    }

    /// Holds an event that was just committed.
    pub fn insert(&self, event: Arc<Event>) {
        self.cache.insert(event.nid, event);
    }

    /// Forgets an event that was just redacted; the next look reads it again.
    pub fn forget(&self, nid: EventNid) {
        remember(&self.redacted, nid);
        // What took its place tells of it, too.
        if self.cache.get(&nid).is_some_and(|event| event.pdu.is_state()) {
            self.cache.retain(|_, event| event.replaces.as_ref().is_none_or(|old| old.nid != nid));
        }
        self.cache.remove(&nid);
    }

    /// Notes that an event has children from now on.
    pub fn set_parent(&self, nid: EventNid) {
        remember(&self.parents, nid);
        if let Some(event) = self.cache.get(&nid) {
            event.set_parent();
        }
    }

    fn load(&self, conn: &mut Conn, mut row: EventRow) -> Result<Arc<Event>> {
        let pdu = self.parse(conn, &mut row)?;
        // Of these the event alone, not what they replaced or were redacted by in turn: there may be thousands.
        let redacted_because = match row.redacted_by_nid {
            Some(redaction) => Some(self.pdu(conn, redaction)?),
            None => None,
        };
        let replaces = match row.replaces_nid {
            Some(nid) => Some(Replaced::by(nid, &*self.pdu(conn, nid)?)),
            None => None,
        };
        let sent_with = match (row.device_id, row.transaction_id) {
            (Some(device_id), Some(transaction_id)) => Some(SentWith { device_id, transaction_id }),
            _ => None,
        };
        let redacted = redacted_because.is_some();
        let event = Arc::new(Event::new(
            Parts {
                nid: row.event_nid,
                room_nid: row.room_nid,
                sender_nid: row.sender_nid,
                state_key_nid: row.state_key_nid,
                state_before: row.state_before_nid,
                state_after: row.state_after_nid,
                replaces,
                outlier: row.outlier,
                rejected: row.rejected,
                soft_failed: row.soft_failed,
                received_at: row.received_at,
                sent_with,
                redacted_because,
                pdu: Arc::new(pdu),
            },
            row.position,
        ));
        if row.is_parent {
            event.set_parent();
        }
        self.cache.insert(event.nid, event.clone());
        if !event.is_parent() && self.parents.lock().contains(&event.nid) {
            event.set_parent();
        }
        if !redacted && self.redacted.lock().contains(&event.nid) {
            self.cache.remove(&event.nid);
        }
        Ok(event)
    }

    /// An event without what the server knows of it.
    fn pdu(&self, conn: &mut Conn, nid: EventNid) -> Result<Arc<Pdu>> {
        if let Some(event) = self.cache.get(&nid) {
            return Ok(event.pdu.clone());
        }
        let mut row = row(conn, nid)?;
        self.parse(conn, &mut row).map(Arc::new)
    }

    /// As signed or, after a redaction, what the redaction leaves of it. Takes id and JSON out of the row.
    fn parse(&self, conn: &mut Conn, row: &mut EventRow) -> Result<Pdu> {
        let info = self.rooms.by_nid(conn, row.room_nid)?;
        let event_id = OwnedEventId::try_from(std::mem::take(&mut row.event_id))
            .map_err(|error| Error::internal(format!("a stored event id is broken: {error}")))?;
        let json = std::mem::take(&mut row.json).into_boxed_str();
        let mut pdu = Pdu::from_json(event_id, json, info.rules)
            .map_err(|error| Error::internal(format!("event {}: {error}", row.event_nid.0)))?;
        pdu.rejected = row.rejected;
        if row.redacted_by_nid.is_some() {
            pdu = redacted(&pdu, info.rules)
                .map_err(|error| Error::internal(format!("redaction: {error}")))?;
        }
        Ok(pdu)
    }
}

fn row(conn: &mut Conn, nid: EventNid) -> Result<EventRow> {
    events::by_nid(conn, nid)?.ok_or_else(|| Error::internal(format!("event {} is missing", nid.0)))
}

fn remember(recent: &Mutex<VecDeque<EventNid>>, nid: EventNid) {
    let mut recent = recent.lock();
    if recent.len() == RECENT {
        recent.pop_front();
    }
    recent.push_back(nid);
}

impl Replaced {
    /// What an event leaves behind when another takes its place.
    pub fn by(nid: EventNid, pdu: &Pdu) -> Self {
        Self {
            nid,
            event_id: pdu.event_id.clone(),
            sender: pdu.sender.clone(),
            content: pdu.content.clone(),
        }
    }
}
