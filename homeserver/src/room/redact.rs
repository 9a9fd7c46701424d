//! Redactions: whether one takes effect, and what it leaves.
//!
//! Since room version 3 a redaction is authorised like any event; whether it takes effect is decided when it
//! and its target are both known.

use ruma::{
    canonical_json::redact_in_place, events::TimelineEventType,
    room_version_rules::RoomVersionRules,
};
use sealpost_federation::canonical;

use super::{
    event::{EventError, Pdu},
    power::Power,
};

/// Does the redaction take effect on its target? `power` is that before the redaction.
pub fn takes_effect(redaction: &Pdu, target: &Pdu, power: &Power) -> bool {
    redaction.event_type == TimelineEventType::RoomRedaction
        && redaction.redacts.as_ref() == Some(&target.event_id)
        && redaction.room_id == target.room_id
        && (power.may_redact_others(&redaction.sender)
            || redaction.sender.server_name() == target.sender.server_name())
}

/// May one of our users ask for the redaction? Other servers answer for theirs; among ours, one user's events
/// are not another's.
pub fn may_be_asked_for(redaction: &Pdu, target: &Pdu, power: &Power) -> bool {
    takes_effect(redaction, target, power)
        && (redaction.sender == target.sender || power.may_redact_others(&redaction.sender))
}

/// What redaction leaves of an event. Its id stays the same.
pub fn redacted(pdu: &Pdu, rules: &RoomVersionRules) -> Result<Pdu, EventError> {
    let mut object = canonical::parse(&pdu.json, rules)?;
    redact_in_place(&mut object, &rules.redaction, None)
        .map_err(|error| EventError::Json(serde::de::Error::custom(error)))?;
    let json = canonical::to_string(&object, rules)?.into_boxed_str();
    let mut redacted = Pdu::from_json(pdu.event_id.clone(), json, rules)?;
    redacted.rejected = pdu.rejected;
    Ok(redacted)
}
