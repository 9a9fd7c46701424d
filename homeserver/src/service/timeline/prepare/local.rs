//! Events of this server's users: built, signed and placed on the tip.

use http::StatusCode;
use ruma::{
    OwnedEventId, UserId, api::error::ErrorKind, events::TimelineEventType,
    room_version_rules::EventIdFormatVersion,
};

use super::{
    Answer, Context, Extremity, LocalEvent, Merged, Outcome, Preparation, Tip,
    checks::{authorise, redaction_target},
    known_prev,
    place::{Placing, membership, merge, place, prev_events},
    prepared::{Prepared, Verdict},
    relate::check_relation,
};
use crate::{
    error::{Error, Result},
    room::{
        auth,
        build::{self, BuildError, Draft},
        check, dag,
        event::Pdu,
        redact,
    },
    service::invite_permission,
    storage::{Conn, client_transactions, state::State},
};

/// Builds, signs and places an event of a user of this server.
pub(in crate::service::timeline) fn local(
    context: &Context,
    conn: &mut Conn,
    tip: &mut Tip,
    event: &LocalEvent,
) -> Result<Preparation> {
    if let Some(key) = &event.transaction
        && let Some(event_id) = client_transactions::response(conn, key)?
    {
        let event_id = OwnedEventId::try_from(event_id)
            .map_err(|_| Error::internal("a transaction's event id is broken"))?;
        let event = context.events.by_id(conn, &event_id)?;
        let event = event.ok_or_else(|| Error::internal("a transaction's event is missing"))?;
        return Ok(Preparation::done(Outcome::Known(event)));
    }

    let (pdu, prev, (state_before, row)) = match &event.signed {
        Some(pdu) => {
            let prev = known_prev(context, conn, tip, pdu)?.0;
            let forks: Vec<State> = prev.iter().map(|prev| prev.state_after.clone()).collect();
            (pdu.clone(), prev, merge(context, conn, tip, &forks)?)
        }
        None => build_on(context, conn, tip, &event.draft)?,
    };
    if event.signed.is_none()
        && let Some(policy) = tip.policy_without(&pdu)
    {
        let needed = Answer::NeedsSignature(Box::new(pdu), policy.clone());
        return Ok(Preparation::Done(needed));
    }

    check_invite(context, conn, &pdu)?;
    check_relation(context, conn, tip, (&pdu, event.sender_nid))?;
    let redacts = redaction_target(context, conn, tip, &pdu, redact::may_be_asked_for)?;
    let placing = Placing {
        sender_nid: Some(event.sender_nid),
        prev,
        state_before,
        states: row.into_iter().collect(),
        transaction: event.transaction.clone(),
        redacts,
        ..Placing::first(pdu)
    };
    let prepared = place(context, conn, tip, placing)?;
    match &prepared.verdict {
        Verdict::Rejected(reason) => Err(Error::forbidden(reason.clone())),
        Verdict::SoftFailed => Err(Error::forbidden("The room does not allow this event any more")),
        _ => Ok(Preparation::Prepared(Box::new(prepared))),
    }
}

/// Refuses to invite a user of this server who blocks invites.
fn check_invite(context: &Context, conn: &mut Conn, pdu: &Pdu) -> Result<()> {
    let invited = pdu.state_key.as_deref().and_then(|user| <&UserId>::try_from(user).ok());
    if let Some(invited) = invited
        && pdu.event_type == TimelineEventType::RoomMember
        && invited.server_name() == context.server_name
        && membership(pdu) == "invite"
        && let Some(invited) = context.store.users().find(conn, invited)?
    {
        invite_permission::check(conn, invited)?;
    }
    Ok(())
}

/// Builds and signs an event that could be placed on the tip.
pub(in crate::service::timeline) fn propose(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    draft: &Draft,
) -> Result<Pdu> {
    let (pdu, _, (state, _)) = build_on(context, conn, tip, draft)?;
    match authorise(context, conn, tip, &pdu, &state)? {
        Ok(()) => Ok(pdu),
        Err(reason) => Err(Error::forbidden(reason)),
    }
}

/// Builds and signs an event on the tip. Answers it, its prev_events and the state before it.
fn build_on(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    draft: &Draft,
) -> Result<(Pdu, Vec<Extremity>, Merged)> {
    check_text(&draft.event_type, draft.state_key.as_deref())?;
    let rules = tip.info.rules;
    let (prev, state) = prev_events(context, conn, tip)?;
    let types = auth::auth_types(draft, rules).map_err(|error| Error::bad_json(error.0))?;
    let mut auth_events = Vec::with_capacity(4);
    for (event_type, state_key) in types {
        if let Some(event) = tip.state_event(context, conn, &state.0, &event_type, &state_key)? {
            auth_events.push(event.pdu.event_id.clone());
        }
    }
    let old = match rules.event_id_format {
        EventIdFormatVersion::V1 => {
            let named = prev.iter().map(|prev| &prev.event_id).chain(&auth_events);
            Some(old_fields(context, conn, tip, named)?)
        }
        _ => None,
    };
    let pdu = build::build_old(
        draft.clone(),
        old,
        Some(&tip.info.id),
        prev.iter().map(|prev| prev.event_id.clone()).collect(),
        auth_events,
        dag::depth_after(prev.iter().map(|prev| prev.depth)),
        context.keys.current().pair(),
        &context.server_name,
        rules,
    )
    .map_err(refused)?;
    Ok((pdu, prev, state))
}

/// What an event of the oldest versions has besides, naming these.
fn old_fields<'a>(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    named: impl Iterator<Item = &'a OwnedEventId>,
) -> Result<build::Old> {
    let mut old = build::Old::new(&context.server_name);
    for id in named {
        if let Some(event) = tip.event_by_id(context, conn, id)? {
            let hash = check::reference_hash(&event.pdu, tip.info.rules);
            let hash = hash.map_err(|error| Error::internal(format!("hash of {id}: {error}")))?;
            old.hashes.insert(id.clone(), hash);
        }
    }
    Ok(old)
}

/// Places the first event of a room that is being made here.
pub(in crate::service::timeline) fn create_event(
    context: &Context,
    conn: &mut Conn,
    tip: &mut Tip,
    pdu: Pdu,
) -> Result<Prepared> {
    let prepared = place(context, conn, tip, Placing::first(pdu))?;
    match &prepared.verdict {
        Verdict::Rejected(reason) => Err(Error::forbidden(reason.clone())),
        _ => Ok(prepared),
    }
}

/// Refuses what a PostgreSQL TEXT column cannot hold.
fn check_text(event_type: &TimelineEventType, state_key: Option<&str>) -> Result<()> {
    let is_text = check::is_text;
    if !is_text(&event_type.to_string()) || !state_key.is_none_or(is_text) {
        return Err(Error::bad_json("An event's type and state key can't contain NUL"));
    }
    Ok(())
}

/// Why a draft can't become an event.
pub fn refused(error: BuildError) -> Error {
    match error {
        BuildError::TooLarge => Error::matrix(
            StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::TooLarge,
            "The event is too large",
        ),
        error => Error::bad_json(error.to_string()),
    }
}
