//! Authorisation rules: may this event be.

use std::sync::Arc;

use ruma::{
    EventId,
    events::{StateEventType, TimelineEventType},
    room_version_rules::RoomVersionRules,
    state_res::{
        auth_types_for_event, check_state_dependent_auth_rules, check_state_independent_auth_rules,
    },
};
use serde_json::value::RawValue;

use super::{build::Draft, event::Pdu};

/// Why an event may not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unauthorised(pub String);

/// The entries of the state before a draft that its `auth_events` name.
pub fn auth_types(
    draft: &Draft,
    rules: &RoomVersionRules,
) -> Result<Vec<(StateEventType, String)>, Unauthorised> {
    types(&draft.event_type, &draft.sender, draft.state_key.as_deref(), &draft.content, rules)
}

/// As [`auth_types`], of an event that is made: what its `auth_events` may name.
pub fn auth_types_of(
    pdu: &Pdu,
    rules: &RoomVersionRules,
) -> Result<Vec<(StateEventType, String)>, Unauthorised> {
    types(&pdu.event_type, &pdu.sender, pdu.state_key.as_deref(), &pdu.content, rules)
}

/// All entries of a state that [`authorise`] may ask for: those of `auth_events`, and the create event, which
/// a version may leave out of them.
pub fn state_types(
    pdu: &Pdu,
    rules: &RoomVersionRules,
) -> Result<Vec<(StateEventType, String)>, Unauthorised> {
    let mut types = auth_types_of(pdu, rules)?;
    if rules.authorization.room_create_event_id_as_room_id
        && pdu.event_type != TimelineEventType::RoomCreate
    {
        types.push((StateEventType::RoomCreate, String::new()));
    }
    Ok(types)
}

fn types(
    event_type: &TimelineEventType,
    sender: &ruma::UserId,
    state_key: Option<&str>,
    content: &RawValue,
    rules: &RoomVersionRules,
) -> Result<Vec<(StateEventType, String)>, Unauthorised> {
    auth_types_for_event(event_type, sender, state_key, content, &rules.authorization)
        .map_err(Unauthorised)
}

/// The rules that a state decides: over the event's auth events, the state before it, the current state.
pub fn authorise(
    rules: &RoomVersionRules,
    pdu: &Pdu,
    state: impl Fn(&StateEventType, &str) -> Option<Arc<Pdu>>,
) -> Result<(), Unauthorised> {
    check_state_dependent_auth_rules(&rules.authorization, pdu, state).map_err(Unauthorised)
}

/// The rules over the list of auth events itself: no duplicates, nothing that does not belong there, nothing
/// rejected, nothing of another room, and a create event. Also those of a create event.
pub fn check_auth_events(
    rules: &RoomVersionRules,
    pdu: &Pdu,
    fetch: impl Fn(&EventId) -> Option<Arc<Pdu>>,
) -> Result<(), Unauthorised> {
    check_state_independent_auth_rules(&rules.authorization, pdu, fetch).map_err(Unauthorised)
}

/// [`authorise`] over the events that the event itself names (check 4 on receipt). `fetch` finds what
/// [`check_auth_events`] has found good, and the create event.
pub fn authorise_by_auth_events(
    rules: &RoomVersionRules,
    pdu: &Pdu,
    fetch: impl Fn(&EventId) -> Option<Arc<Pdu>>,
) -> Result<(), Unauthorised> {
    let mut state: Vec<_> = pdu.auth_events.iter().filter_map(|id| keyed(fetch(id)?)).collect();
    if rules.authorization.room_create_event_id_as_room_id
        && let Ok(create) = super::event::create_of_room_id(&pdu.room_id)
    {
        state.extend(fetch(&create).and_then(keyed));
    }
    authorise(rules, pdu, |event_type, state_key| {
        let found = state.iter().find(|(of_type, event)| {
            of_type == event_type && event.state_key.as_deref() == Some(state_key)
        });
        found.map(|(_, event)| event.clone())
    })
}

fn keyed(pdu: Arc<Pdu>) -> Option<(StateEventType, Arc<Pdu>)> {
    let (event_type, _) = pdu.state_key_pair()?;
    Some((event_type, pdu))
}
