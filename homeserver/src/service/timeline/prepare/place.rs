//! Moves a room's tip over an event.

use std::sync::Arc;

use ruma::{OwnedEventId, OwnedServerName, UserId, events::TimelineEventType};

use super::{
    Context, Extremity, Tip,
    after::Beyond,
    checks::{authorise, redaction_before},
    find_all, nids, notify,
    prepared::{MembershipChange, Prepared, Rows, Verdict},
    relate::relate,
    resolve,
    told::learn,
};
use crate::{
    error::{Error, Result},
    room::{
        event::{EventError, Pdu},
        redact,
    },
    service::{
        event::{Event, Parts, Replaced, SentWith},
        timeline::{entry::unwritten, tip::Partial},
    },
    storage::{
        Conn, EventNid, Position, UserNid,
        client_transactions::TransactionKey,
        state::{Change, Entry, NewState, State},
    },
};

/// More extremities than this are not named as prev_events (the format's limit).
const PREV_EVENTS_MAX: usize = 20;

/// So many places are kept free for events that are missing, at least and at most. The least serves rooms
/// whose depth has come to its end.
const PLACES_MIN: i64 = 200;
const PLACES_MAX: i64 = 100_000;

/// An event on its way to its place.
pub(super) struct Placing {
    pub pdu: Pdu,
    pub existing: Option<EventNid>,
    pub sender_nid: Option<UserNid>,
    pub prev: Vec<Extremity>,
    pub missing_prev: Vec<OwnedEventId>,
    pub state_before: State,
    pub states: Vec<NewState>,
    pub transaction: Option<TransactionKey>,
    pub redacts: Option<EventNid>,
    pub rejected: Option<String>,
    /// What the room was here before no longer counts.
    pub entry: bool,
    pub relay: bool,
    /// From before what is here: its place. The tip stays where it is.
    pub past: Option<Position>,
    /// An event that is here already follows it: it is none of the room's ends, and the room has moved on from
    /// it.
    pub followed: bool,
    /// Members whom the current state may not know, where the room's are not here.
    pub learned: Vec<Entry>,
    /// The room is entered without its members: the other servers in it.
    pub partial: Option<Arc<Vec<OwnedServerName>>>,
}

impl Placing {
    pub fn first(pdu: Pdu) -> Self {
        Self {
            pdu,
            existing: None,
            sender_nid: None,
            prev: Vec::new(),
            missing_prev: Vec::new(),
            state_before: State::empty(),
            states: Vec::new(),
            transaction: None,
            redacts: None,
            rejected: None,
            entry: false,
            relay: false,
            past: None,
            followed: false,
            learned: Vec::new(),
            partial: None,
        }
    }
}

/// What becomes of an event, but for what the room's policy server says.
pub(super) fn judge(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    placing: &Placing,
) -> Result<Verdict> {
    let Placing { pdu, state_before, .. } = placing;
    if let Some(reason) = &placing.rejected {
        return Ok(Verdict::Rejected(reason.clone()));
    }
    if let Err(reason) = authorise(context, conn, tip, pdu, state_before)? {
        return Ok(Verdict::Rejected(reason));
    }
    if placing.past.is_some() {
        return Ok(Verdict::Past);
    }
    if !placing.entry
        && !placing.followed
        && state_before.nid() != tip.state.nid()
        && let current = learn(context, tip, tip.state.clone(), &placing.learned).0
        && current.nid() != state_before.nid()
        && authorise(context, conn, tip, pdu, &current)?.is_err()
    {
        return Ok(Verdict::SoftFailed);
    }
    Ok(Verdict::Accepted)
}

/// Authorises an event and moves the tip over it.
pub(super) fn place(
    context: &Context,
    conn: &mut Conn,
    tip: &mut Tip,
    placing: Placing,
) -> Result<Prepared> {
    let mut verdict = judge(context, conn, tip, &placing)?;
    // What the room was here before says nothing of who enters it.
    if verdict == Verdict::Accepted && !placing.entry && tip.policy_without(&placing.pdu).is_some()
    {
        verdict = Verdict::SoftFailed;
    }
    let Placing { mut pdu, state_before, mut states, .. } = placing;
    let rejected = matches!(verdict, Verdict::Rejected(_));
    pdu.rejected = rejected;

    let mut rows = Rows::default();
    let nid = placing.existing.unwrap_or_else(|| context.store.nids().event());
    let sender_nid = match placing.sender_nid {
        Some(sender_nid) => sender_nid,
        None => rows.user(context, conn, &pdu.sender)?,
    };
    let state_key_nid = rows.state_key(context, conn, &pdu)?;
    let replaces = match state_key_nid.and_then(|key| state_before.get(key)) {
        Some(nid) => Some(Replaced::by(nid, &tip.event(context, conn, nid)?.pdu)),
        None => None,
    };
    let state_after = match state_key_nid {
        Some(key) if !rejected => {
            let fresh = context.store.nids().state();
            let (state, row) = state_before.with(&[(key, Some(nid))], fresh, tip.info.nid);
            states.push(row);
            state
        }
        _ => state_before.clone(),
    };
    let redacted_because = match redaction_before(context, conn, tip, &pdu)? {
        Some(redaction) => {
            pdu = redact::redacted(&pdu, tip.info.rules).map_err(broken)?;
            Some(redaction)
        }
        None => None,
    };
    let auth = match state_key_nid {
        Some(_) => nids(&find_all(context, conn, tip, &pdu.auth_events)?.0),
        None => Vec::new(),
    };
    let sent_with = placing.transaction.as_ref().map(|key| SentWith {
        device_id: key.device_id.clone(),
        transaction_id: key.transaction_id.clone(),
    });
    let event = Arc::new(Event::new(
        Parts {
            nid,
            room_nid: tip.info.nid,
            sender_nid,
            state_key_nid,
            state_before: Some(state_before.nid()),
            state_after: Some(state_after.nid()),
            replaces,
            outlier: false,
            rejected,
            soft_failed: verdict == Verdict::SoftFailed,
            received_at: context.clock.now_ms(),
            sent_with,
            redacted_because: redacted_because.as_ref().map(|event| event.pdu.clone()),
            pdu: Arc::new(pdu),
        },
        None,
    ));
    tip.hold(event.clone(), Some(state_after.clone()));
    let mut hot_states = vec![state_before, state_after.clone()];

    let mut missing_prev = placing.missing_prev;
    let beyond = match verdict == Verdict::Accepted && !placing.entry {
        true => Beyond::of(context, conn, tip, &event.pdu.prev_events)?,
        false => Beyond::default(),
    };
    tip.pass(&beyond.missing);
    missing_prev.extend(beyond.missing);
    let leaves_free = match verdict == Verdict::Accepted && !missing_prev.is_empty() {
        true => places_before(tip, &event.pdu),
        false => 0,
    };
    let mut changes = Changes::default();
    let mut beside = Vec::new();
    if verdict == Verdict::Accepted {
        let servers_before = tip.servers.clone();
        let follows = |at: &Extremity| {
            placing.prev.iter().any(|prev| prev.nid == at.nid) || beyond.ids.contains(&at.event_id)
        };
        tip.extremities.retain(|at| !placing.entry && !follows(at));
        if !placing.followed {
            tip.extremities.push(Extremity {
                nid,
                event_id: event.pdu.event_id.clone(),
                depth: event.pdu.depth,
                state_after,
            });
        }
        let forks: Vec<State> = tip.extremities.iter().map(|at| at.state_after.clone()).collect();
        let (state, row) = merge(context, conn, tip, &forks)?;
        states.extend(row);
        if placing.entry {
            tip.leave_behind();
            tip.partial = placing.partial.clone().map(|servers| {
                let events = Arc::default();
                Partial { events, servers }
            });
        }
        changes = change_state(context, conn, tip, &mut rows, state.clone())?;
        if placing.entry {
            let all = std::mem::take(&mut changes.memberships);
            changes.memberships = unwritten(context, conn, tip.info.nid, all)?;
            // Who comes in is told the state as a whole.
            changes.state.retain(|&(key, _)| Some(key) == state_key_nid);
        }
        hot_states.push(state);
        // Of our entry the server that helped with it tells the others.
        let is_ours = event.pdu.sender.server_name() == context.server_name && !placing.entry;
        if placing.relay || is_ours {
            let mut servers = (*servers_before).clone();
            servers.extend((*tip.servers).clone());
            for server in tip.partial.iter().flat_map(|partial| &*partial.servers) {
                servers.entry(server.clone()).or_default();
            }
            let origin = event.pdu.sender.server_name();
            // Events that came since the template of a join: not before it, and not meant for who comes in with it.
            if placing.relay && !servers_before.contains_key(origin) && is_join(&event) {
                let others = tip.extremities.iter().filter(|at| at.nid != nid);
                beside.extend(others.map(|at| at.nid));
            }
            servers.remove(origin);
            changes.destinations = servers.into_keys().collect();
            if let Some(server) = refused_server(&event)
                && server != context.server_name
                && !changes.destinations.contains(&server)
            {
                changes.destinations.push(server);
            }
        }
    }
    tip.generation += 1;
    let enters = placing.entry && verdict == Verdict::Accepted;
    let is_partial = placing.past.is_none() && (enters || !placing.entry);
    let partial = tip.partial.as_mut().filter(|_| is_partial).map(|partial| {
        Arc::make_mut(&mut partial.events).push(nid);
        tip.generation
    });
    let counts = verdict == Verdict::Accepted && redacted_because.is_none();
    let notification = match counts {
        true => Some(notify::notify(context, conn, tip, &event)?),
        false => None,
    };
    let is_past = verdict == Verdict::Past && redacted_because.is_none();
    let related = match counts || is_past {
        true => relate(context, conn, tip, &event)?,
        false => None,
    };

    Ok(Prepared {
        known: placing.existing.is_some(),
        fresh: placing.sender_nid.is_some(),
        enters: enters.then_some(placing.partial),
        partial,
        past: placing.past,
        leaves_free,
        states,
        prev: placing.prev.iter().map(|prev| prev.nid).collect(),
        missing_prev,
        auth,
        state_changes: changes.state,
        memberships: changes.memberships,
        notification,
        related,
        redacts: match verdict {
            Verdict::Accepted | Verdict::Past => placing.redacts,
            _ => None,
        },
        redacted_by: redacted_because.map(|event| event.nid),
        transaction: placing.transaction,
        destinations: changes.destinations,
        beside,
        hot_states,
        verdict,
        ..Prepared::bare(event, rows)
    })
}

/// How many places before an event are kept free for those between it and what is here.
fn places_before(tip: &Tip, pdu: &Pdu) -> i64 {
    let Some(newest) = tip.extremities.iter().map(|at| at.depth).max() else { return 0 };
    // The depth counts the longest way, and there may be others beside it.
    pdu.depth.saturating_sub(newest).saturating_mul(2).clamp(PLACES_MIN, PLACES_MAX)
}

/// The server of a user whose invite or knock somebody else ends: it may not be in the room.
fn refused_server(event: &Event) -> Option<OwnedServerName> {
    #[derive(serde::Deserialize)]
    struct Member {
        membership: String,
    }
    let before = event.replaces.as_ref()?;
    let user = <&UserId>::try_from(event.pdu.state_key.as_deref()?).ok()?;
    if event.pdu.event_type != TimelineEventType::RoomMember || user == event.pdu.sender {
        return None;
    }
    let before: Member = serde_json::from_str(before.content.get()).ok()?;
    let ends = matches!(&*before.membership, "invite" | "knock")
        && matches!(&*membership(&event.pdu), "leave" | "ban");
    ends.then(|| user.server_name().to_owned())
}

fn is_join(event: &Event) -> bool {
    event.pdu.event_type == TimelineEventType::RoomMember && membership(&event.pdu) == "join"
}

/// What an accepted event changes of the room.
#[derive(Default)]
pub(super) struct Changes {
    pub state: Vec<Change>,
    pub memberships: Vec<MembershipChange>,
    destinations: Vec<OwnedServerName>,
}

/// Makes `state` the current one and says what that changes.
pub(super) fn change_state(
    context: &Context,
    conn: &mut Conn,
    tip: &mut Tip,
    rows: &mut Rows,
    state: State,
) -> Result<Changes> {
    let changes = tip.state.changes_to(&state);
    let before = std::mem::replace(&mut tip.state, state);
    let mut memberships = Vec::new();
    for &(key, after) in &changes {
        let Some(nid) = after.or_else(|| before.get(key)) else { continue };
        let event = tip.event(context, conn, nid)?;
        if event.pdu.event_type == TimelineEventType::RoomPolicy
            && event.pdu.state_key.as_deref() == Some("")
        {
            tip.set_policy(after.is_some().then_some(&*event));
        }
        if event.pdu.event_type != TimelineEventType::RoomMember {
            continue;
        }
        let Some(Ok(user)) = event.pdu.state_key.as_deref().map(<&UserId>::try_from) else {
            continue;
        };
        let was = match before.get(key) {
            Some(nid) => Some(membership(&tip.event(context, conn, nid)?.pdu)),
            None => None,
        };
        let now = if after.is_some() { membership(&event.pdu) } else { "leave".to_owned() };
        let user_nid = rows.user(context, conn, user)?;
        let changes = (now == "join") != (was.as_deref() == Some("join"));
        if changes {
            tip.count_member(context, (user_nid, user.as_str()), now == "join");
        }
        let joins = changes && now == "join";
        let local = user.server_name() == context.server_name;
        let quiet = match joins && local {
            true => notify::mode(context, conn, &tip.info.id, (user_nid, user))?,
            false => None,
        };
        memberships.push(MembershipChange {
            user_nid,
            membership: now,
            event_nid: nid,
            local,
            joins,
            quiet,
        });
    }
    Ok(Changes { state: changes, memberships, destinations: Vec::new() })
}

pub(in crate::service::timeline) fn membership(pdu: &Pdu) -> String {
    #[derive(serde::Deserialize)]
    struct Content {
        membership: String,
    }
    serde_json::from_str::<Content>(pdu.content.get())
        .map_or_else(|_| "leave".to_owned(), |content| content.membership)
}

/// A state of several forks, and its row if it is new.
pub(super) type Merged = (State, Option<NewState>);

/// The prev_events of a local event and the state before it.
pub(super) fn prev_events(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
) -> Result<(Vec<Extremity>, Merged)> {
    if tip.extremities.len() <= PREV_EVENTS_MAX {
        return Ok((tip.extremities.clone(), (tip.state.clone(), None)));
    }
    let mut prev = tip.extremities.clone();
    prev.sort_by_key(|at| std::cmp::Reverse(at.depth));
    prev.truncate(PREV_EVENTS_MAX);
    let forks: Vec<State> = prev.iter().map(|at| at.state_after.clone()).collect();
    let state = merge(context, conn, tip, &forks)?;
    Ok((prev, state))
}

/// One state out of those of several forks, and its row if it is new.
pub(super) fn merge(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    forks: &[State],
) -> Result<Merged> {
    let Some((first, rest)) = forks.split_first() else { return Ok((State::empty(), None)) };
    if rest.iter().all(|fork| fork.nid() == first.nid()) {
        return Ok((first.clone(), None));
    }
    let changes = resolve::resolve(context, conn, tip, forks)?;
    for known in forks.iter().chain([&tip.state]) {
        let differs = first.changes_to(known);
        if differs == changes {
            return Ok((known.clone(), None));
        }
    }
    let (state, row) = first.with(&changes, context.store.nids().state(), tip.info.nid);
    Ok((state, Some(row)))
}

fn broken(error: EventError) -> Error {
    Error::internal(format!("a redacted event is broken: {error}"))
}
