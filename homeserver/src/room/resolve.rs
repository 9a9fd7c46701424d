//! State resolution: one state out of those of several forks.
//!
//! The algorithm is ruma's, but in room version 1 ([`resolve_v1`]). What it is handed is cut down to what can matter, with the same result:
//!
//! - instead of every fork's whole auth chain, their difference, computed beforehand;
//! - instead of whole states, the entries in conflict and those that [`entries_read`] names. Any other entry
//!   is the same in all forks, is in the result, and is read by no rule on the way to it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use ruma::{
    EventId, OwnedEventId,
    events::StateEventType,
    room_version_rules::RoomVersionRules,
    state_res::{self, StateMap, utils::event_id_set::EventIdSet},
};

use super::{auth::state_types, event::Pdu, resolve_v1};

/// Events by their id, as many as resolution may ask for.
pub type Known = HashMap<OwnedEventId, Arc<Pdu>>;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    #[error("state resolution: {0}")]
    Algorithm(#[from] state_res::Error),
}

/// Is the conflicted state subgraph asked for?
pub fn wants_subgraph(rules: &RoomVersionRules) -> bool {
    let rules = rules.state_res.v2_rules();
    rules.is_some_and(|rules| rules.consider_conflicted_state_subgraph)
}

/// The entries of a state that resolution may read or write because of these events: their own, and those
/// that authorise them.
pub fn entries_read<'a>(
    events: impl IntoIterator<Item = &'a Pdu>,
    rules: &RoomVersionRules,
) -> BTreeSet<(StateEventType, String)> {
    let mut entries = BTreeSet::from([
        (StateEventType::RoomCreate, String::new()),
        (StateEventType::RoomPowerLevels, String::new()),
    ]);
    for event in events {
        entries.extend(event.state_key_pair().map(|(kind, key)| (kind, key.to_owned())));
        // An event whose content is malformed is passed over.
        entries.extend(state_types(event, rules).unwrap_or_default());
    }
    entries
}

/// Resolves states. `auth_difference` and `subgraph` are those of the whole states; `known` has all events
/// of both and of `states`, the auth events of all these, and the auth events of every power level event
/// that these lead to by way of power level events.
pub fn resolve(
    rules: &RoomVersionRules,
    states: &[StateMap<OwnedEventId>],
    auth_difference: impl IntoIterator<Item = OwnedEventId>,
    subgraph: impl IntoIterator<Item = OwnedEventId>,
    known: &Known,
) -> Result<StateMap<OwnedEventId>, ResolveError> {
    let Some(resolution) = rules.state_res.v2_rules() else {
        return Ok(resolve_v1::resolve(rules, states, known));
    };
    // One chain has the difference and one has nothing: so what differs between them is the difference.
    let chains = vec![auth_difference.into_iter().collect(), EventIdSet::new()];
    let subgraph: EventIdSet<OwnedEventId> = subgraph.into_iter().collect();
    Ok(state_res::resolve(
        &rules.authorization,
        resolution,
        states,
        chains,
        |id: &EventId| known.get(id).cloned(),
        |_| Some(subgraph.clone()),
    )?)
}
