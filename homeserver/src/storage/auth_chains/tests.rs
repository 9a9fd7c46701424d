//! The chain cover against walking auth events one by one, on random graphs and both databases.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::storage::{
    Store,
    schema::{event_auth, events, rooms, state_keys, users},
    tests::on_both,
};

/// A reproducible series of numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

const KEYS: i64 = 14;

/// State events, numbered from `first`, each with its state key and its auth events.
struct Graph {
    events: Vec<(EventNid, StateKeyNid, Vec<EventNid>)>,
    auth: BTreeMap<EventNid, Vec<EventNid>>,
}

impl Graph {
    fn random(dice: &mut Dice, first: i64, length: i64) -> Self {
        let mut events = Vec::new();
        for nid in first..first + length {
            let before = (nid - first) as usize;
            let mut auth = BTreeSet::new();
            for _ in 0..dice.below(5) {
                // Mostly recent ones, as in rooms.
                let span = if dice.below(3) > 0 { before.min(6) } else { before };
                if span > 0 {
                    auth.insert(EventNid(nid - 1 - dice.below(span) as i64));
                }
            }
            let key = StateKeyNid(1 + dice.below(KEYS as usize) as i64);
            events.push((EventNid(nid), key, auth.into_iter().collect::<Vec<_>>()));
        }
        let auth = events.iter().map(|(event, _, auth)| (*event, auth.clone())).collect();
        Self { events, auth }
    }

    /// The events and all they stand on.
    fn closure(&self, events: impl IntoIterator<Item = EventNid>) -> BTreeSet<EventNid> {
        let mut closure = BTreeSet::new();
        let mut todo: Vec<EventNid> = events.into_iter().collect();
        while let Some(event) = todo.pop() {
            if closure.insert(event) {
                todo.extend(&self.auth[&event]);
            }
        }
        closure
    }

    /// Random states: most keys are shared, the others differ or are missing.
    fn forks(&self, dice: &mut Dice) -> Vec<BTreeMap<StateKeyNid, EventNid>> {
        let mut forks = vec![BTreeMap::new(); 2 + dice.below(3)];
        for key in (1..=KEYS).map(StateKeyNid) {
            let of_key: Vec<EventNid> =
                self.events.iter().filter(|(_, k, _)| *k == key).map(|(e, ..)| *e).collect();
            if of_key.is_empty() {
                continue;
            }
            let shared = of_key[dice.below(of_key.len())];
            let differs = dice.below(3) == 0;
            for fork in &mut forks {
                match dice.below(4) {
                    0 if differs => {}
                    1 | 2 if differs => {
                        fork.insert(key, of_key[dice.below(of_key.len())]);
                    }
                    _ => {
                        fork.insert(key, shared);
                    }
                }
            }
        }
        forks
    }
}

fn insert_room(conn: &mut Conn) -> Result<()> {
    diesel::insert_into(users::table)
        .values((users::user_nid.eq(1_i64), users::user_id.eq("@u:x")))
        .execute(conn)?;
    diesel::insert_into(rooms::table)
        .values((
            rooms::room_nid.eq(1_i64),
            rooms::room_id.eq("!r"),
            rooms::version.eq("12"),
            rooms::generation.eq(0_i64),
            rooms::state_nid.eq(0_i64),
            rooms::is_public.eq(false),
        ))
        .execute(conn)?;
    for key in 1..=KEYS {
        diesel::insert_into(state_keys::table)
            .values((
                state_keys::state_key_nid.eq(key),
                state_keys::event_type.eq("t"),
                state_keys::state_key.eq(key.to_string()),
            ))
            .execute(conn)?;
    }
    Ok(())
}

fn insert(conn: &mut Conn, nids: &Nids, graph: &Graph, count: usize) -> Result<()> {
    let mut placer = Placer::default();
    for (event, key, auth) in graph.events.iter().take(count) {
        diesel::insert_into(events::table)
            .values((
                events::event_nid.eq(event),
                events::event_id.eq(format!("${event}")),
                events::room_nid.eq(1_i64),
                events::sender_nid.eq(1_i64),
                events::event_type.eq("t"),
                events::state_key_nid.eq(key),
                events::depth.eq(0_i64),
                events::origin_server_ts.eq(0_i64),
                events::received_at.eq(0_i64),
                events::outlier.eq(false),
                events::rejected.eq(false),
                events::soft_failed.eq(false),
                events::json.eq("{}"),
            ))
            .execute(conn)?;
        for auth in auth {
            diesel::insert_into(event_auth::table)
                .values((event_auth::event_nid.eq(event), event_auth::auth_nid.eq(auth)))
                .execute(conn)?;
        }
        placer.place(conn, nids, (RoomNid(1), *event), auth)?;
    }
    Ok(())
}

/// The forks' own events of the keys they differ on, and the events of the others.
fn split(
    forks: &[BTreeMap<StateKeyNid, EventNid>],
) -> (Vec<Vec<EventNid>>, BTreeMap<StateKeyNid, EventNid>) {
    let mut shared = forks[0].clone();
    shared.retain(|key, event| forks.iter().all(|fork| fork.get(key) == Some(event)));
    let own = forks.iter().map(|fork| {
        fork.iter().filter(|(key, _)| !shared.contains_key(key)).map(|(_, event)| *event).collect()
    });
    (own.collect(), shared)
}

fn check(store: &Store, graph: &Graph, pending: &[Pending], dice: &mut Dice) {
    for _ in 0..12 {
        let forks = graph.forks(dice);
        let (own, shared) = split(&forks);
        let closures: Vec<_> =
            forks.iter().map(|fork| graph.closure(fork.values().copied())).collect();
        let naive: Vec<EventNid> = closures
            .iter()
            .flatten()
            .filter(|event| !closures.iter().all(|closure| closure.contains(event)))
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let conflicted: BTreeSet<EventNid> = own.iter().flatten().copied().collect();
        let naive_subgraph: Vec<EventNid> = graph
            .closure(conflicted.iter().copied())
            .into_iter()
            .filter(|event| !graph.closure([*event]).is_disjoint(&conflicted))
            .collect();

        let pending = pending.to_vec();
        let found = store
            .read_blocking(move |conn| {
                conflict(conn, &own, |key| shared.get(&key).copied(), &pending, true)
            })
            .unwrap();
        assert_eq!(found.auth_difference, naive);
        assert_eq!(found.subgraph, naive_subgraph);
    }
}

#[test]
fn the_chain_cover_finds_what_a_walk_over_all_auth_events_finds() {
    on_both(|store| {
        store.write_blocking(|tx| insert_room(tx)).unwrap();
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
        for run in 0..8 {
            let graph = std::sync::Arc::new(Graph::random(&mut dice, 1 + run * 1_000, 90));
            let (committed, inserting) = (90 - 10 * (run as usize % 3), graph.clone());
            let writing = store.clone();
            store
                .write_blocking(move |tx| insert(tx, writing.nids(), &inserting, committed))
                .unwrap();
            // Some have a row by now.
            let pending: Vec<Pending> = graph.events[committed - 5..]
                .iter()
                .map(|(event, state_key, auth)| Pending {
                    event: *event,
                    state_key: *state_key,
                    auth: auth.clone(),
                })
                .collect();
            check(store, &graph, &pending, &mut dice);
        }
    });
}

#[test]
fn joins_after_one_another_are_one_chain_and_one_link_each() {
    on_both(|store| {
        store.write_blocking(|tx| insert_room(tx)).unwrap();
        // Create, creator, power levels, join rules; then users who join.
        let mut events: Vec<_> = (1..=4)
            .map(|nid| (EventNid(nid), StateKeyNid(nid), (1..nid).map(EventNid).collect()))
            .collect();
        events.extend((5..=14).map(|nid| {
            (EventNid(nid), StateKeyNid(nid), vec![EventNid(1), EventNid(3), EventNid(4)])
        }));
        let graph = std::sync::Arc::new(Graph { events, auth: BTreeMap::new() });
        let writing = store.clone();
        let links: i64 = store
            .write_blocking(move |tx| {
                insert(tx, writing.nids(), &graph, usize::MAX)?;
                Ok(chain_links::table.count().get_result(&mut **tx)?)
            })
            .unwrap();
        assert_eq!(links, 9);
    });
}
