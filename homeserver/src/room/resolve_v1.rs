//! The first algorithm of state resolution, of room version 1.
//!
//! 1. Entries on which no two states differ are taken ([`resolve`]); one that some states lack is no conflict.
//! 2. Conflicts over power levels, then over join rules, then over members: the shallowest event is taken, and
//!    each deeper one in turn as long as it is allowed after the one before ([`deepest_allowed`]).
//! 3. Any other conflict: the deepest event that is allowed ([`first_allowed`]).
//!
//! What a pass finds is seen by the next one only, as servers have always done it. The algorithm has known
//! faults, which later versions mend: <https://spec.matrix.org/v1.19/rooms/v1/#state-resolution>

use std::{cmp::Reverse, collections::BTreeSet, sync::Arc};

use ruma::{
    OwnedEventId, events::StateEventType, room_version_rules::RoomVersionRules, state_res::StateMap,
};
use sha1::{Digest as _, Sha1};

use super::{Pdu, auth::authorise, resolve::Known};

type Entry = (StateEventType, String);

pub fn resolve(
    rules: &RoomVersionRules,
    states: &[StateMap<OwnedEventId>],
    known: &Known,
) -> StateMap<OwnedEventId> {
    let mut resolved = StateMap::new();
    let mut conflicts: Vec<(Entry, Vec<Arc<Pdu>>)> = Vec::new();
    for entry in states.iter().flat_map(StateMap::keys).collect::<BTreeSet<_>>() {
        let ids: BTreeSet<_> = states.iter().filter_map(|state| state.get(entry)).collect();
        let events: Vec<_> = ids.iter().filter_map(|id| known.get(*id).cloned()).collect();
        match (ids.first(), events.len()) {
            (Some(id), _) if ids.len() == 1 => {
                resolved.insert(entry.clone(), (*id).clone());
            }
            (_, 0) => {}
            _ => conflicts.push((entry.clone(), sorted(events))),
        }
    }
    for pass in [
        Some(StateEventType::RoomPowerLevels),
        Some(StateEventType::RoomJoinRules),
        Some(StateEventType::RoomMember),
        None,
    ] {
        let found: Vec<_> = conflicts
            .extract_if(.., |((kind, _), _)| pass.as_ref().is_none_or(|pass| pass == kind))
            .filter_map(|(entry, events)| {
                let state = State { rules, known, resolved: &resolved };
                let event = match pass {
                    Some(_) => deepest_allowed(&state, &entry, &events),
                    None => first_allowed(&state, &events),
                };
                Some((entry, event?.event_id.clone()))
            })
            .collect();
        resolved.extend(found);
    }
    resolved
}

/// Deepest first, then by the SHA-1 of their ids.
fn sorted(mut events: Vec<Arc<Pdu>>) -> Vec<Arc<Pdu>> {
    events.sort_by_cached_key(|event| {
        (Reverse(event.depth), <[u8; 20]>::from(Sha1::digest(event.event_id.as_bytes())))
    });
    events
}

/// What is resolved so far.
struct State<'a> {
    rules: &'a RoomVersionRules,
    known: &'a Known,
    resolved: &'a StateMap<OwnedEventId>,
}

impl State<'_> {
    /// Is an event allowed here, where `instead` stands in place of one entry?
    fn allows(&self, event: &Pdu, instead: Option<(&Entry, &Arc<Pdu>)>) -> bool {
        let found = authorise(self.rules, event, |kind, key| match instead {
            Some(((of_kind, of_key), event)) if of_kind == kind && of_key == key => {
                Some(event.clone())
            }
            _ => {
                let id = self.resolved.get(&(kind.clone(), key.to_owned()))?;
                self.known.get(id).cloned()
            }
        });
        found.is_ok()
    }
}

fn deepest_allowed<'a>(
    state: &State<'_>,
    entry: &Entry,
    events: &'a [Arc<Pdu>],
) -> Option<&'a Arc<Pdu>> {
    let mut events = events.iter().rev();
    let mut taken = events.next()?;
    for event in events {
        if !state.allows(event, Some((entry, taken))) {
            break;
        }
        taken = event;
    }
    Some(taken)
}

/// The shallowest one when none is allowed.
fn first_allowed<'a>(state: &State<'_>, events: &'a [Arc<Pdu>]) -> Option<&'a Arc<Pdu>> {
    events.iter().find(|event| state.allows(event, None)).or(events.last())
}
