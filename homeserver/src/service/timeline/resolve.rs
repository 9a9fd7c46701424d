//! The state of a room after several forks.
//!
//! 1. The entries on which the forks differ, from the differences of their states.
//! 2. What else has to be looked at, from the chain cover: `auth_chains::conflict`.
//! 3. All events that the algorithm may ask for, loaded beforehand.
//! 4. `room::resolve` over states cut down to what can matter.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use ruma::{
    OwnedEventId,
    events::{StateEventType, TimelineEventType},
    state_res::StateMap,
};

use super::{context::Context, tip::Tip};
use crate::{
    error::{Error, Result},
    room::resolve::{self as algorithm, Known},
    service::event::Event,
    storage::{
        Conn, EventNid, StateKeyNid,
        auth_chains::{self, Pending},
        state::{Change, State},
    },
};

/// Resolves `forks` and says how the result differs from the first.
pub(super) fn resolve(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    forks: &[State],
) -> Result<Vec<Change>> {
    let Some((first, rest)) = forks.split_first() else { return Ok(Vec::new()) };
    let conflicted: BTreeSet<StateKeyNid> =
        rest.iter().flat_map(|fork| first.changes_to(fork)).map(|(key, _)| key).collect();
    if conflicted.is_empty() {
        return Ok(Vec::new());
    }
    let own: Vec<Vec<EventNid>> = forks
        .iter()
        .map(|fork| conflicted.iter().filter_map(|&key| fork.get(key)).collect())
        .collect();
    let rules = tip.info.rules;
    let mut events = Events { context, tip, by_id: HashMap::new() };
    let pending = events.pending(conn)?;
    let conflict = auth_chains::conflict(
        conn,
        &own,
        |key| if conflicted.contains(&key) { None } else { first.get(key) },
        &pending,
        algorithm::wants_subgraph(rules),
    )?;

    let mut looked_at = Vec::new();
    let all = own.iter().flatten().chain(&conflict.auth_difference).chain(&conflict.subgraph);
    for nid in all.copied().collect::<BTreeSet<_>>() {
        looked_at.push(events.load(conn, nid)?);
    }
    let pdus = looked_at.iter().map(|event| &*event.pdu);
    let mut entries: Entries = HashMap::new();
    for (event_type, state_key) in algorithm::entries_read(pdus, rules) {
        let kind = event_type.to_string();
        let key = context.store.state_keys().find_or_reserve(conn, (&*kind, &*state_key))?;
        entries.insert(key.nid, (event_type, state_key));
    }
    let mut states = vec![StateMap::new(); forks.len()];
    for (state, fork) in states.iter_mut().zip(forks) {
        for (&key, entry) in &entries {
            if let Some(nid) = fork.get(key) {
                let event = events.load(conn, nid)?;
                state.insert(entry.clone(), event.pdu.event_id.clone());
                looked_at.push(event);
            }
        }
    }
    events.load_auth_events(conn, &looked_at)?;

    let resolved = algorithm::resolve(
        rules,
        &states,
        events.ids(conn, &conflict.auth_difference)?,
        events.ids(conn, &conflict.subgraph)?,
        &events.known(),
    )
    .map_err(|error| Error::internal(error.to_string()))?;
    let mut changes = Vec::new();
    for (key, entry) in entries {
        let event = match resolved.get(&entry) {
            Some(id) => Some(events.nid(id)?),
            None => None,
        };
        if event != first.get(key) {
            changes.push((key, event));
        }
    }
    changes.sort_unstable();
    Ok(changes)
}

type Entries = HashMap<StateKeyNid, (StateEventType, String)>;

/// The events of one resolution.
struct Events<'a> {
    context: &'a Context,
    tip: &'a Tip,
    by_id: HashMap<OwnedEventId, Arc<Event>>,
}

impl Events<'_> {
    fn load(&mut self, conn: &mut Conn, nid: EventNid) -> Result<Arc<Event>> {
        let event = self.tip.event(self.context, conn, nid)?;
        self.by_id.insert(event.pdu.event_id.clone(), event.clone());
        Ok(event)
    }

    fn load_by_id(&mut self, conn: &mut Conn, id: &OwnedEventId) -> Result<Option<Arc<Event>>> {
        if let Some(event) = self.by_id.get(id) {
            return Ok(Some(event.clone()));
        }
        let event = self.tip.event_by_id(self.context, conn, id)?;
        if let Some(event) = &event {
            self.by_id.insert(id.clone(), event.clone());
        }
        Ok(event)
    }

    /// The auth events of these, and those of the power level events that they lead to.
    fn load_auth_events(&mut self, conn: &mut Conn, events: &[Arc<Event>]) -> Result<()> {
        let mut followed = BTreeSet::new();
        let mut todo = events.to_vec();
        while let Some(event) = todo.pop() {
            for id in &event.pdu.auth_events {
                let Some(auth) = self.load_by_id(conn, id)? else { continue };
                let is_levels = auth.pdu.event_type == TimelineEventType::RoomPowerLevels;
                if is_levels && followed.insert(auth.nid) {
                    todo.push(auth);
                }
            }
        }
        Ok(())
    }

    fn ids(&mut self, conn: &mut Conn, nids: &[EventNid]) -> Result<Vec<OwnedEventId>> {
        let events = nids.iter().map(|&nid| self.load(conn, nid));
        events.map(|event| Ok(event?.pdu.event_id.clone())).collect()
    }

    fn nid(&self, id: &OwnedEventId) -> Result<EventNid> {
        let event = self.by_id.get(id);
        event.map(|event| event.nid).ok_or_else(|| Error::internal("a resolved event is missing"))
    }

    fn known(&self) -> Known {
        self.by_id.iter().map(|(id, event)| (id.clone(), event.pdu.clone())).collect()
    }

    /// The state events by which the tip is ahead of the database.
    fn pending(&mut self, conn: &mut Conn) -> Result<Vec<Pending>> {
        let mut pending = Vec::new();
        for event in self.tip.unwritten() {
            let Some(state_key) = event.state_key_nid else { continue };
            let mut auth = Vec::with_capacity(event.pdu.auth_events.len());
            for id in &event.pdu.auth_events {
                auth.extend(self.load_by_id(conn, id)?.map(|auth| auth.nid));
            }
            pending.push(Pending { event: event.nid, state_key, auth });
        }
        Ok(pending)
    }
}
