//! Prepares events for a commit: everything that can be done without writing.
//!
//! 1. [`local`]: build and sign on the tip. [`remote`]: find prev_events and auth_events, authorise
//!    against the latter.
//! 2. [`place`]: authorise against the state before the event; for others' events, against the current
//!    state (soft failure).
//! 3. Move the tip on: extremities, state after the event, current state resolved over all extremities.
//! 4. Note what that changes: state, memberships, who is to be sent the event, whom it
//!    [notifies](notify), and which event it [relates](relate) to.
//!
//! Beside that way: [`outlier`] keeps an event without a place, [`past`] gives it one before all others, [`end`]
//! checks again what came while a room's members were not here.

mod after;
mod checks;
mod local;
mod missed;
mod notify;
mod outlier;
mod past;
mod place;
mod prepared;
mod relate;
mod remote;
mod told;
mod whole;

use std::sync::Arc;

use ruma::{OwnedEventId, OwnedServerName};

use self::place::Merged;
use super::{
    Answer, Outcome,
    context::Context,
    out_of_band::is_out_of_band,
    resolve,
    tip::{Extremity, Tip},
};
use crate::{
    error::Result,
    room::{build::Draft, event::Pdu},
    service::event::Event,
    storage::{Conn, EventNid, Position, UserNid, client_transactions::TransactionKey},
};

pub use self::{local::refused, whole::WholeState};
pub(super) use self::{
    local::{create_event, local, propose},
    notify::{Counted, Notification},
    outlier::{known_outliers, outlier},
    past::past,
    place::membership,
    prepared::{MembershipChange, Prepared, Verdict},
    remote::remote,
    whole::{End, Ending, Rechecked, Whole, end},
};

/// What a user of this server wants to append.
#[derive(Clone, Debug)]
pub struct LocalEvent {
    pub draft: Draft,
    pub sender_nid: UserNid,
    /// The event built from the draft, with the policy server's signature.
    pub signed: Option<Pdu>,
    /// The request it came with; a repeat gets the first one's event.
    pub transaction: Option<TransactionKey>,
}

/// An event of another server, whose format, hashes and signatures were checked.
#[derive(Clone, Debug)]
pub struct RemoteEvent {
    pub pdu: Pdu,
    pub before: Before,
    /// It came to this server alone (`send_join`): the others are to be sent it.
    pub relay: bool,
    /// It is from before what is here: its place.
    pub past: Option<Position>,
    /// It enters the room, whose members are not in the state: the other servers that are in the room.
    pub partial: Option<Arc<Vec<OwnedServerName>>>,
    /// The room's policy server was asked to sign it: what it lacks now, it will always lack.
    pub asked: bool,
}

/// What is known of the room before an event of another server.
#[derive(Clone, Debug)]
pub enum Before {
    /// Its prev_events.
    PrevEvents,
    /// Some prev_events, and the state after each of the others.
    Gap(Vec<(OwnedEventId, Vec<EventNid>)>),
    /// Some prev_events. While a room's members are not here, the others are taken to be where the room stands: what
    /// they were is asked when it is checked again.
    Assumed,
    /// This server enters the room with the event, or enters it again: the state before it.
    Entry(Vec<EventNid>),
}

impl RemoteEvent {
    /// An event as it comes in a transaction.
    pub fn new(pdu: Pdu) -> Self {
        let before = Before::PrevEvents;
        Self { pdu, before, relay: false, past: None, partial: None, asked: false }
    }
}

pub(super) enum Preparation {
    Prepared(Box<Prepared>),
    /// There is nothing to commit.
    Done(Answer),
}

impl Preparation {
    fn done(outcome: Outcome) -> Self {
        Self::Done(Answer::Outcome(outcome))
    }
}

/// The prev_events of an event that have a place here, and those that don't.
fn known_prev(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    pdu: &Pdu,
) -> Result<(Vec<Extremity>, Vec<OwnedEventId>)> {
    let (known, mut missing) = find_all(context, conn, tip, &pdu.prev_events)?;
    let mut prev = Vec::with_capacity(known.len());
    for event in known {
        if event.outlier {
            missing.push(event.pdu.event_id.clone());
        } else if let Some(at) = tip.extremities.iter().find(|at| at.nid == event.nid) {
            prev.push(at.clone());
        } else {
            prev.push(tip.extremity(context, conn, &event)?);
        }
    }
    Ok((prev, missing))
}

/// The events with these ids, and the ids that are not known.
fn find_all(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    ids: &[OwnedEventId],
) -> Result<(Vec<Arc<Event>>, Vec<OwnedEventId>)> {
    let (mut found, mut missing) = (Vec::with_capacity(ids.len()), Vec::new());
    for id in ids {
        match tip.event_by_id(context, conn, id)? {
            Some(event) if !is_out_of_band(context, conn, &event)? => found.push(event),
            _ => missing.push(id.clone()),
        }
    }
    Ok((found, missing))
}

fn nids(events: &[Arc<Event>]) -> Vec<EventNid> {
    events.iter().map(|event| event.nid).collect()
}
