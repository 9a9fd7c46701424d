//! Auth chains by a chain cover: what an event stands on, without walking its auth events one by one.
//!
//! Every state event has a place on a chain: `(chain, sequence)`. An event has all earlier ones of its
//! chain in its auth chain. What it has of other chains is said by links, each from a place to a place, and
//! an event has what any link of its own or an earlier place on its chain leads to:
//!
//! ```text
//! chain 1   create ◄─ creator joins ◄─ power levels ◄─ join rules ◄─ a user joins
//!                                           ▲               ▲
//! chain 2                                 topic             │          link 2,1 → 1,3
//! chain 3                                            another joins     link 3,1 → 1,4
//! ```
//!
//! So all that a set of events stands on is one number for each chain ([`cover::Reach`]), and how two sets
//! differ is found by comparing these.
//!
//! - [`Placer`] gives an event its place, when it is inserted.
//! - [`conflict`] says what state resolution has to look at: the auth difference of forks and the
//!   conflicted state subgraph.

mod cover;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};

use diesel::{connection::Connection, prelude::*};

use self::cover::{Cover, Place, Reach};
use super::{
    ChainNid, Conn, EventNid, Nids, RoomNid, StateKeyNid,
    conn::{each_backend, prepared},
    schema::{chain_links, event_chains},
};
use crate::error::Result;

/// A state event that is on its way into the database.
#[derive(Clone, Debug)]
pub struct Pending {
    pub event: EventNid,
    pub state_key: StateKeyNid,
    pub auth: Vec<EventNid>,
}

/// What forks do not agree on.
#[derive(Clone, Debug, Default)]
pub struct Conflict {
    /// Events that not every fork has in its state or in the auth chains of it, beside those that every
    /// fork has in its state.
    pub auth_difference: Vec<EventNid>,
    /// All events on a way from one conflicted event to another, both included. State resolution asks for
    /// it since version 2.1.
    pub subgraph: Vec<EventNid>,
}

/// Gives state events their places, in one transaction: what is read for one is known for the others that the same
/// events authorise, as they do most members.
#[derive(Debug, Default)]
pub struct Placer {
    places: HashMap<EventNid, Option<Place>>,
    /// The last place of each chain.
    lasts: HashMap<ChainNid, i64>,
    /// By the places that an event stands on: those of them to which no other leads. It stays so: links are added from
    /// the last place of a chain only, on which nothing has stood before.
    links: HashMap<Vec<Place>, Vec<Place>>,
}

prepared! {
    InsertPlace = "INSERT INTO event_chains (event_nid, room_nid, chain_nid, sequence) VALUES ("
        event: i64 ", " room: i64 ", " chain: i64 ", " sequence: i64 => ")";
    InsertLink = "INSERT INTO chain_links (room_nid, from_chain, from_sequence, to_chain, to_sequence) VALUES ("
        room: i64 ", " from_chain: i64 ", " from_sequence: i64 ", " to_chain: i64 ", "
        to_sequence: i64 => ")";
}

impl Placer {
    /// Gives a state event its place. Its auth events have theirs; one that has not is not a state event and counts
    /// for nothing.
    pub fn place(
        &mut self,
        conn: &mut Conn,
        nids: &Nids,
        (room, event): (RoomNid, EventNid),
        auth: &[EventNid],
    ) -> Result<()> {
        let mut below: Vec<Place> = Vec::with_capacity(auth.len());
        for &auth in auth {
            below.extend(self.place_of(conn, auth)?);
        }
        // The last of each chain; the longest chain first.
        below.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut seen = BTreeSet::new();
        below.retain(|&(chain, _)| seen.insert(chain));

        let mut own = None;
        for &(chain, sequence) in &below {
            if self.last_of(conn, chain)? == sequence {
                own = Some((chain, sequence + 1));
                break;
            }
        }
        let (chain, sequence) = own.unwrap_or_else(|| (nids.chain(), 1));
        let insert = InsertPlace { event: event.0, room: room.0, chain: chain.0, sequence };
        each_backend!(conn, conn => conn.execute_returning_count(&insert))?;
        self.places.insert(event, Some((chain, sequence)));
        self.lasts.insert(chain, sequence);

        if !self.links.contains_key(&below) {
            let mut links = Vec::with_capacity(below.len());
            for &to in &below {
                if !implied(conn, &below, to)? {
                    links.push(to);
                }
            }
            self.links.insert(below.clone(), links);
        }
        let links = self.links.get(&below).map(Vec::as_slice).unwrap_or_default();
        for &(to_chain, to_sequence) in links.iter().filter(|&&(other, _)| other != chain) {
            let insert = InsertLink {
                room: room.0,
                from_chain: chain.0,
                from_sequence: sequence,
                to_chain: to_chain.0,
                to_sequence,
            };
            each_backend!(conn, conn => conn.execute_returning_count(&insert))?;
        }
        Ok(())
    }

    fn place_of(&mut self, conn: &mut Conn, event: EventNid) -> Result<Option<Place>> {
        if let Some(place) = self.places.get(&event) {
            return Ok(*place);
        }
        let place = event_chains::table
            .find(event)
            .select((event_chains::chain_nid, event_chains::sequence))
            .first(conn)
            .optional()?;
        self.places.insert(event, place);
        Ok(place)
    }

    fn last_of(&mut self, conn: &mut Conn, chain: ChainNid) -> Result<i64> {
        if let Some(last) = self.lasts.get(&chain) {
            return Ok(*last);
        }
        let last: Option<i64> = event_chains::table
            .filter(event_chains::chain_nid.eq(chain))
            .select(diesel::dsl::max(event_chains::sequence))
            .first(conn)?;
        let last = last.unwrap_or(0);
        self.lasts.insert(chain, last);
        Ok(last)
    }
}

/// Whether an event has its place: a state event that was kept with what authorises it.
pub fn is_placed(conn: &mut Conn, event: EventNid) -> Result<bool> {
    let placed = event_chains::table.find(event);
    Ok(diesel::select(diesel::dsl::exists(placed)).get_result(conn)?)
}

/// What state resolution of forks has to look at.
///
/// `forks` has for each fork its events of the state keys on which the forks differ; `shared` gives the event
/// of any other key, which is the same in all; `pending` are events that have no row yet.
pub fn conflict(
    conn: &mut Conn,
    forks: &[Vec<EventNid>],
    shared: impl Fn(StateKeyNid) -> Option<EventNid>,
    pending: &[Pending],
    with_subgraph: bool,
) -> Result<Conflict> {
    let mut cover = Cover::new(conn, pending)?;
    let auth_difference = auth_difference(&mut cover, forks, shared)?;
    let subgraph = match with_subgraph {
        true => subgraph(&mut cover, forks)?,
        false => Vec::new(),
    };
    Ok(Conflict { auth_difference, subgraph })
}

/// How many conflicted events are asked for the shared events they stand on.
const HINTS: usize = 64;

/// 1. Reach of each fork's own events and of some shared events which those stand on.
/// 2. On each chain, what lies between the lowest and the highest reach is a candidate.
/// 3. A candidate that any shared event reaches is in every fork: shared events above the candidates are
///    looked for, and what they reach is taken off.
fn auth_difference(
    cover: &mut Cover<'_>,
    forks: &[Vec<EventNid>],
    shared: impl Fn(StateKeyNid) -> Option<EventNid>,
) -> Result<Vec<EventNid>> {
    let mut base = Reach::default();
    let conflicted: BTreeSet<EventNid> = forks.iter().flatten().copied().collect();
    cover.read_places(&conflicted)?;
    let mut hints = BTreeSet::new();
    for &event in conflicted.iter().rev().take(HINTS) {
        hints.extend(cover.auth_keys(event)?);
    }
    for event in hints.into_iter().filter_map(&shared) {
        let place = cover.place(event)?;
        cover.extend(&mut base, place)?;
    }

    let mut reaches = Vec::with_capacity(forks.len());
    for fork in forks {
        let mut reach = base.clone();
        for &event in fork {
            let place = cover.place(event)?;
            cover.extend(&mut reach, place)?;
        }
        reaches.push(reach);
    }
    let mut candidates: HashMap<ChainNid, (i64, i64)> = HashMap::new();
    for chain in reaches.iter().flat_map(Reach::chains).collect::<BTreeSet<_>>() {
        let heights = || reaches.iter().map(|reach| reach.on(chain));
        let (low, high) = (heights().min().unwrap_or(0), heights().max().unwrap_or(0));
        if low < high {
            candidates.insert(chain, (low, high));
        }
    }

    let floors = candidates.iter().map(|(&chain, &(low, _))| (chain, low + 1));
    let mut from_shared = Reach::default();
    let above = cover.above(floors)?;
    cover.read_events(&entered_at_the_beginning(&above))?;
    for (chain, from) in above {
        let events = cover.events(chain, from, i64::MAX)?;
        let top = events.iter().rev().find(|&&(_, event, key)| shared(key) == Some(event));
        if let Some(&(sequence, ..)) = top {
            cover.extend(&mut from_shared, (chain, sequence))?;
        }
    }
    let mut difference = Vec::new();
    for (chain, (low, high)) in candidates {
        let low = low.max(from_shared.on(chain));
        if low < high {
            let events = cover.events(chain, low + 1, high)?;
            difference.extend(events.iter().map(|&(_, event, _)| event));
        }
    }
    difference.sort_unstable();
    Ok(difference)
}

/// On each chain, what is reached from a conflicted event and reaches one: an interval.
fn subgraph(cover: &mut Cover<'_>, forks: &[Vec<EventNid>]) -> Result<Vec<EventNid>> {
    let mut below = Reach::default();
    let mut lowest: HashMap<ChainNid, i64> = HashMap::new();
    for event in forks.iter().flatten().copied().collect::<BTreeSet<_>>() {
        let (chain, sequence) = cover.place(event)?;
        cover.extend(&mut below, (chain, sequence))?;
        let low = lowest.entry(chain).or_insert(sequence);
        *low = sequence.min(*low);
    }
    let above = cover.above_within(lowest, &below)?;
    cover.read_events(&entered_at_the_beginning(&above))?;
    let mut events = Vec::new();
    for (chain, low) in above {
        let found = cover.events(chain, low, below.on(chain))?;
        events.extend(found.iter().map(|&(_, event, _)| event));
    }
    events.sort_unstable();
    Ok(events)
}

fn entered_at_the_beginning(from: &HashMap<ChainNid, i64>) -> Vec<ChainNid> {
    from.iter().filter(|&(_, from)| *from == 1).map(|(chain, _)| *chain).collect()
}

/// Does another of the places already lead to this one?
fn implied(conn: &mut Conn, places: &[Place], to: Place) -> Result<bool> {
    for &(chain, sequence) in places.iter().filter(|&&place| place != to) {
        let found: Option<i64> = chain_links::table
            .filter(chain_links::from_chain.eq(chain))
            .filter(chain_links::from_sequence.le(sequence))
            .filter(chain_links::to_chain.eq(to.0))
            .filter(chain_links::to_sequence.ge(to.1))
            .select(chain_links::to_sequence)
            .first(conn)
            .optional()?;
        if found.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
