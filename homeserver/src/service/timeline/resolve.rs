//! The state of a room after several forks.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use ruma::{
    EventId, OwnedEventId,
    state_res::{self, StateMap, utils::event_id_set::EventIdSet},
};

use super::{context::Context, tip::Tip};
use crate::{
    error::{Error, Result},
    room::event::Pdu,
    storage::{
        Conn,
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
    let mut known: HashMap<OwnedEventId, Arc<Pdu>> = HashMap::new();
    let mut maps = Vec::new();
    let mut chains = Vec::new();
    for fork in forks {
        let mut map = StateMap::new();
        let mut chain = EventIdSet::new();
        let mut todo = Vec::new();
        for (_, nid) in fork.iter() {
            let event = tip.event(context, conn, nid)?;
            if let Some((event_type, state_key)) = event.pdu.state_key_pair() {
                map.insert((event_type, state_key.to_owned()), event.pdu.event_id.clone());
            }
            todo.push(event.pdu.clone());
        }
        let mut seen: HashSet<OwnedEventId> = HashSet::new();
        while let Some(pdu) = todo.pop() {
            known.insert(pdu.event_id.clone(), pdu.clone());
            for id in &pdu.auth_events {
                if seen.insert(id.clone()) {
                    chain.insert(id.clone());
                    if let Some(event) = tip.event_by_id(context, conn, id)? {
                        todo.push(event.pdu.clone());
                    }
                }
            }
        }
        maps.push(map);
        chains.push(chain);
    }
    let Some(rules) = tip.info.rules.state_res.v2_rules() else {
        return Err(Error::internal("state resolution of this room version is not supported"));
    };
    let resolved = state_res::resolve(
        &tip.info.rules.authorization,
        rules,
        &maps,
        chains,
        |id: &EventId| known.get(id).cloned(),
        |_| Some(EventIdSet::new()),
    )
    .map_err(|error| Error::internal(format!("state resolution: {error}")))?;
    let mut changes = Vec::new();
    let Some(first) = forks.first() else { return Ok(changes) };
    let mut kept = HashSet::new();
    for ((event_type, state_key), id) in resolved {
        let key = context
            .store
            .state_keys()
            .find_or_reserve(conn, (&*event_type.to_string(), &*state_key))?;
        kept.insert(key.nid);
        let event = tip
            .event_by_id(context, conn, &id)?
            .ok_or_else(|| Error::internal("a resolved event is missing"))?;
        if first.get(key.nid) != Some(event.nid) {
            changes.push((key.nid, Some(event.nid)));
        }
    }
    changes.extend(first.iter().filter(|(key, _)| !kept.contains(key)).map(|(key, _)| (key, None)));
    changes.sort_unstable();
    Ok(changes)
}
