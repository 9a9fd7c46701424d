//! The chain cover as far as one question needs it: chains and links are read when they are first asked
//! for, and events that have no row yet stand on chains of their own.
//!
//! Most chains are short and belong to one user's membership. Where many are entered at once, from their
//! beginning, they are read whole and a few hundred at a time.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use diesel::prelude::*;

use super::Pending;
use crate::{
    error::{Error, Result},
    storage::{
        ChainNid, Conn, EventNid, StateKeyNid, each_backend,
        schema::{chain_links, event_auth, event_chains, events},
    },
};

/// A chain and a sequence on it.
pub(super) type Place = (ChainNid, i64);

/// What a set of events stands on, itself included: how high on each chain.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach(HashMap<ChainNid, i64>);

impl Reach {
    pub fn on(&self, chain: ChainNid) -> i64 {
        self.0.get(&chain).copied().unwrap_or(0)
    }

    pub fn chains(&self) -> impl Iterator<Item = ChainNid> + '_ {
        self.0.keys().copied()
    }
}

/// From a sequence of one chain to a place of another.
type LinkDown = (i64, ChainNid, i64);
/// From a place of another chain to a sequence of the one.
type LinkUp = (i64, ChainNid, i64);
type OnChain = (i64, EventNid, StateKeyNid);

pub(super) struct Cover<'a> {
    conn: &'a mut Conn,
    pending: HashMap<EventNid, &'a Pending>,
    /// Events without a place, with their state keys: each stands on a chain of its own, and on nothing else.
    alone: HashMap<EventNid, StateKeyNid>,
    /// Links of pending events: from, to.
    pending_links: Vec<(Place, Place)>,
    places: HashMap<EventNid, Place>,
    /// By the chain they come from, by sequence.
    down: HashMap<ChainNid, Arc<[LinkDown]>>,
    /// Of chains that were read whole: all links to them, and all their events.
    up: HashMap<ChainNid, Vec<LinkUp>>,
    on_chain: HashMap<ChainNid, Vec<OnChain>>,
}

/// How many chains or events are asked for in one query.
const AT_ONCE: usize = 250;

impl<'a> Cover<'a> {
    pub fn new(conn: &'a mut Conn, pending: &'a [Pending]) -> Result<Self> {
        let mut cover = Self {
            conn,
            pending: HashMap::new(),
            alone: HashMap::new(),
            pending_links: Vec::new(),
            places: HashMap::new(),
            down: HashMap::new(),
            up: HashMap::new(),
            on_chain: HashMap::new(),
        };
        for event in pending {
            // It may have been committed in the meantime.
            if cover.place_in_database(event.event)?.is_none() {
                cover.pending.insert(event.event, event);
            }
        }
        for event in cover.pending.values().copied().collect::<Vec<_>>() {
            let from = cover.place(event.event)?;
            for &auth in &event.auth {
                let to = cover.place(auth)?;
                cover.pending_links.push((from, to));
            }
        }
        Ok(cover)
    }

    pub fn place(&mut self, event: EventNid) -> Result<Place> {
        if self.pending.contains_key(&event) {
            return Ok((ChainNid(-event.0), 1));
        }
        match self.place_in_database(event)? {
            Some(place) => Ok(place),
            None => self.place_alone(event),
        }
    }

    /// Memberships that had come to their users before the room did were once left without a place when the room
    /// came: one of these must not keep the room from going on.
    fn place_alone(&mut self, event: EventNid) -> Result<Place> {
        let state_key: Option<Option<StateKeyNid>> =
            events::table.find(event).select(events::state_key_nid).first(self.conn).optional()?;
        let state_key = state_key
            .flatten()
            .ok_or_else(|| Error::internal(format!("event {event} is on no chain")))?;
        self.alone.insert(event, state_key);
        Ok((ChainNid(-event.0), 1))
    }

    fn place_in_database(&mut self, event: EventNid) -> Result<Option<Place>> {
        if let Some(&place) = self.places.get(&event) {
            return Ok(Some(place));
        }
        let place = event_chains::table
            .find(event)
            .select((event_chains::chain_nid, event_chains::sequence))
            .first(self.conn)
            .optional()?;
        self.places.extend(place.map(|place| (event, place)));
        Ok(place)
    }

    /// Reads the places of many events, and what links lead down from their chains.
    pub fn read_places(&mut self, wanted: &BTreeSet<EventNid>) -> Result<()> {
        let wanted: Vec<EventNid> =
            wanted.iter().filter(|event| !self.pending.contains_key(event)).copied().collect();
        if wanted.len() < 2 {
            return Ok(());
        }
        let mut chains = BTreeSet::new();
        for some in wanted.chunks(AT_ONCE) {
            let found: Vec<(EventNid, ChainNid, i64)> = each_backend!(self.conn, conn => {
                event_chains::table
                    .filter(event_chains::event_nid.eq_any(some))
                    .select((
                        event_chains::event_nid,
                        event_chains::chain_nid,
                        event_chains::sequence,
                    ))
                    .load(conn)
            })?;
            chains.extend(found.iter().map(|&(_, chain, _)| chain));
            self.places.extend(found.into_iter().map(|(event, chain, at)| (event, (chain, at))));
        }
        let chains: Vec<ChainNid> = chains.into_iter().collect();
        for some in chains.chunks(AT_ONCE) {
            let found: Vec<(ChainNid, i64, ChainNid, i64)> = each_backend!(self.conn, conn => {
                chain_links::table
                    .filter(chain_links::from_chain.eq_any(some))
                    .order((chain_links::from_chain, chain_links::from_sequence))
                    .select((
                        chain_links::from_chain,
                        chain_links::from_sequence,
                        chain_links::to_chain,
                        chain_links::to_sequence,
                    ))
                    .load(conn)
            })?;
            for links in found.chunk_by(|a, b| a.0 == b.0) {
                let chain = links.iter().map(|&(_, from, to, at)| (from, to, at)).collect();
                self.down.extend(links.first().map(|&(of, ..)| (of, chain)));
            }
            for &chain in some {
                self.down.entry(chain).or_default();
            }
        }
        Ok(())
    }

    /// Reads all events of many chains.
    pub fn read_events(&mut self, chains: &[ChainNid]) -> Result<()> {
        let unread = |chain: &&ChainNid| chain.0 > 0 && !self.on_chain.contains_key(chain);
        let chains: Vec<ChainNid> = chains.iter().filter(unread).copied().collect();
        for some in chains.chunks(AT_ONCE) {
            let found: Vec<(ChainNid, i64, EventNid, Option<StateKeyNid>)> = each_backend!(self.conn, conn => {
                event_chains::table
                    .inner_join(events::table.on(events::event_nid.eq(event_chains::event_nid)))
                    .filter(event_chains::chain_nid.eq_any(some))
                    .order((event_chains::chain_nid, event_chains::sequence))
                    .select((
                        event_chains::chain_nid,
                        event_chains::sequence,
                        event_chains::event_nid,
                        events::state_key_nid,
                    ))
                    .load(conn)
            })?;
            for &chain in some {
                self.on_chain.insert(chain, Vec::new());
            }
            for (chain, at, event, key) in found {
                let on_chain = self.on_chain.entry(chain).or_default();
                on_chain.extend(key.map(|key| (at, event, key)));
            }
        }
        Ok(())
    }

    /// Reads all links to many chains.
    fn read_links_to(&mut self, chains: &[ChainNid]) -> Result<()> {
        for some in chains.chunks(AT_ONCE) {
            let found: Vec<(ChainNid, i64, ChainNid, i64)> = each_backend!(self.conn, conn => {
                chain_links::table
                    .filter(chain_links::to_chain.eq_any(some))
                    .select((
                        chain_links::to_chain,
                        chain_links::to_sequence,
                        chain_links::from_chain,
                        chain_links::from_sequence,
                    ))
                    .load(conn)
            })?;
            for &chain in some {
                self.up.insert(chain, Vec::new());
            }
            for (chain, at, from, from_at) in found {
                self.up.entry(chain).or_default().push((at, from, from_at));
            }
        }
        Ok(())
    }

    /// The state keys of an event's auth events.
    pub fn auth_keys(&mut self, event: EventNid) -> Result<Vec<StateKeyNid>> {
        let Some(pending) = self.pending.get(&event) else {
            let keys: Vec<Option<StateKeyNid>> = event_auth::table
                .inner_join(events::table.on(events::event_nid.eq(event_auth::auth_nid)))
                .filter(event_auth::event_nid.eq(event))
                .select(events::state_key_nid)
                .load(self.conn)?;
            return Ok(keys.into_iter().flatten().collect());
        };
        let mut keys = Vec::with_capacity(pending.auth.len());
        for &auth in &pending.auth {
            keys.push(match self.pending.get(&auth) {
                Some(auth) => Some(auth.state_key),
                None => events::table.find(auth).select(events::state_key_nid).first(self.conn)?,
            });
        }
        Ok(keys.into_iter().flatten().collect())
    }

    /// Adds what a place stands on to a reach.
    pub fn extend(&mut self, reach: &mut Reach, place: Place) -> Result<()> {
        let mut todo = vec![place];
        while let Some((chain, sequence)) = todo.pop() {
            let before = reach.on(chain);
            if sequence <= before {
                continue;
            }
            reach.0.insert(chain, sequence);
            let links = self.links_from(chain)?;
            let start = links.partition_point(|&(from, ..)| from <= before);
            let new = links.iter().skip(start).take_while(|&&(from, ..)| from <= sequence);
            todo.extend(new.map(|&(_, to, at)| (to, at)));
        }
        Ok(())
    }

    /// For each chain, from where on its events stand on any of the given places.
    pub fn above(
        &mut self,
        places: impl IntoIterator<Item = Place>,
    ) -> Result<HashMap<ChainNid, i64>> {
        let mut lowest: HashMap<ChainNid, i64> = HashMap::new();
        let mut todo: Vec<Place> = places.into_iter().collect();
        while !todo.is_empty() {
            let whole: BTreeSet<ChainNid> = todo
                .iter()
                .filter(|(chain, sequence)| {
                    *sequence == 1 && chain.0 > 0 && !self.up.contains_key(chain)
                })
                .map(|&(chain, _)| chain)
                .collect();
            if whole.len() > 1 {
                self.read_links_to(&whole.into_iter().collect::<Vec<_>>())?;
            }
            for (chain, sequence) in std::mem::take(&mut todo) {
                let before = lowest.get(&chain).copied().unwrap_or(i64::MAX);
                if sequence >= before {
                    continue;
                }
                lowest.insert(chain, sequence);
                let links = self.links_to(chain, sequence, before)?;
                todo.extend(links.into_iter().map(|(_, from, at)| (from, at)));
            }
        }
        Ok(lowest)
    }

    /// As [`Cover::above`], of the events that `within` reaches.
    pub fn above_within(
        &mut self,
        places: HashMap<ChainNid, i64>,
        within: &Reach,
    ) -> Result<HashMap<ChainNid, i64>> {
        let mut up: HashMap<ChainNid, Vec<LinkUp>> = HashMap::new();
        for chain in within.chains() {
            for &(from, to, at) in self.links_from(chain)?.iter() {
                if from <= within.on(chain) {
                    up.entry(to).or_default().push((at, chain, from));
                }
            }
        }
        let mut lowest: HashMap<ChainNid, i64> = HashMap::new();
        let mut todo: Vec<Place> = places.into_iter().collect();
        while let Some((chain, sequence)) = todo.pop() {
            let before = lowest.get(&chain).copied().unwrap_or(i64::MAX);
            if sequence >= before {
                continue;
            }
            lowest.insert(chain, sequence);
            let links = up.get(&chain).into_iter().flatten();
            let new = links.filter(|&&(at, ..)| at >= sequence && at < before);
            todo.extend(new.map(|&(_, from, at)| (from, at)));
        }
        Ok(lowest)
    }

    /// The events of a chain in a range, both ends included, in order.
    pub fn events(&mut self, chain: ChainNid, from: i64, to: i64) -> Result<Vec<OnChain>> {
        let event = EventNid(-chain.0);
        let pending = self.pending.get(&event).map(|pending| pending.state_key);
        if let Some(state_key) = pending.or_else(|| self.alone.get(&event).copied()) {
            let inside = from <= 1 && 1 <= to;
            return Ok(inside.then_some((1, event, state_key)).into_iter().collect());
        }
        if let Some(all) = self.on_chain.get(&chain) {
            return Ok(all.iter().filter(|&&(at, ..)| from <= at && at <= to).copied().collect());
        }
        let found: Vec<(i64, EventNid, Option<StateKeyNid>)> = event_chains::table
            .inner_join(events::table.on(events::event_nid.eq(event_chains::event_nid)))
            .filter(event_chains::chain_nid.eq(chain))
            .filter(event_chains::sequence.between(from, to))
            .order(event_chains::sequence)
            .select((event_chains::sequence, event_chains::event_nid, events::state_key_nid))
            .load(self.conn)?;
        Ok(found.into_iter().filter_map(|(at, event, key)| Some((at, event, key?))).collect())
    }

    fn links_from(&mut self, chain: ChainNid) -> Result<Arc<[LinkDown]>> {
        if let Some(links) = self.down.get(&chain) {
            return Ok(Arc::clone(links));
        }
        let links: Vec<LinkDown> = if self.pending.contains_key(&EventNid(-chain.0)) {
            let own = self.pending_links.iter().filter(|&&((from, _), _)| from == chain);
            own.map(|&((_, at), (to, to_at))| (at, to, to_at)).collect()
        } else {
            chain_links::table
                .filter(chain_links::from_chain.eq(chain))
                .order(chain_links::from_sequence)
                .select((
                    chain_links::from_sequence,
                    chain_links::to_chain,
                    chain_links::to_sequence,
                ))
                .load(self.conn)?
        };
        let links: Arc<[LinkDown]> = links.into();
        self.down.insert(chain, Arc::clone(&links));
        Ok(links)
    }

    /// Links to the sequences of a chain from `from` on and before `before`.
    fn links_to(&mut self, chain: ChainNid, from: i64, before: i64) -> Result<Vec<LinkUp>> {
        let mut links: Vec<LinkUp> = if chain.0 < 0 {
            Vec::new()
        } else if let Some(all) = self.up.get(&chain) {
            all.iter().filter(|&&(at, ..)| (from..before).contains(&at)).copied().collect()
        } else {
            chain_links::table
                .filter(chain_links::to_chain.eq(chain))
                .filter(chain_links::to_sequence.ge(from))
                .filter(chain_links::to_sequence.lt(before))
                .select((
                    chain_links::to_sequence,
                    chain_links::from_chain,
                    chain_links::from_sequence,
                ))
                .load(self.conn)?
        };
        let pending = self.pending_links.iter();
        links.extend(pending.filter_map(|&((up, up_at), (to, at))| {
            (to == chain && (from..before).contains(&at)).then_some((at, up, up_at))
        }));
        Ok(links)
    }
}
