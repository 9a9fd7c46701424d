//! The state of a room at a point, as an immutable value: a snapshot and what differs from it.
//!
//! ```text
//! states row, base_nid NULL     snapshot: all entries
//! states row, base_nid S        entries that differ from snapshot S (event_nid 0 = removed)
//! StateNid(0)                   the state before the create event: empty, has no row
//! ```
//!
//! A difference is always against a snapshot, so reading any state takes two rows at most. It grows
//! with each change until a new snapshot is cheaper to keep.

use std::sync::Arc;

use diesel::prelude::*;

use super::{Conn, EventNid, RoomNid, StateKeyNid, StateNid, schema::states};
use crate::error::{Error, Result};

/// One entry of a state: which event holds which state key.
pub type Entry = (StateKeyNid, EventNid);

/// One change of a state; `None` removes the entry.
pub type Change = (StateKeyNid, Option<EventNid>);

const REMOVED: EventNid = EventNid(0);
const ENTRY_BYTES: usize = 16;
/// A difference holds no more entries than this, however large the snapshot.
const DELTA_MAX: usize = 128;
const DELTA_MIN: usize = 16;

/// All entries of a state, sorted by key.
#[derive(Debug)]
pub struct Snapshot {
    nid: StateNid,
    entries: Box<[Entry]>,
}

/// The state of a room at a point. Cheap to clone, never changes.
#[derive(Clone, Debug)]
pub struct State {
    nid: StateNid,
    base: Arc<Snapshot>,
    delta: Arc<[Entry]>,
}

/// The row that makes a state durable.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = states)]
pub struct NewState {
    pub state_nid: StateNid,
    pub room_nid: RoomNid,
    pub base_nid: Option<StateNid>,
    pub entries: Vec<u8>,
}

impl State {
    /// The state before a room's first event.
    pub fn empty() -> Self {
        let base = Arc::new(Snapshot { nid: StateNid(0), entries: Box::default() });
        Self { nid: StateNid(0), base, delta: Arc::default() }
    }

    pub fn nid(&self) -> StateNid {
        self.nid
    }

    /// The event that holds `key`.
    pub fn get(&self, key: StateKeyNid) -> Option<EventNid> {
        let found = find(&self.delta, key).or_else(|| find(&self.base.entries, key))?;
        (found != REMOVED).then_some(found)
    }

    /// All entries, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        let mut base = self.base.entries.iter().copied().peekable();
        let mut delta = self.delta.iter().copied().peekable();
        std::iter::from_fn(move || {
            loop {
                let entry = match (base.peek(), delta.peek()) {
                    (Some(b), Some(d)) if b.0 < d.0 => base.next()?,
                    (Some(b), Some(d)) => {
                        if b.0 == d.0 {
                            base.next();
                        }
                        delta.next()?
                    }
                    (Some(_), None) => base.next()?,
                    (None, _) => delta.next()?,
                };
                if entry.1 != REMOVED {
                    return Some(entry);
                }
            }
        })
    }

    /// How many bytes this state keeps in memory, its snapshot included.
    pub fn weight(&self) -> usize {
        (self.base.entries.len() + self.delta.len()) * ENTRY_BYTES + 64
    }

    /// The state after `changes`, with the row to insert. `nid` is fresh.
    pub fn with(&self, changes: &[Change], nid: StateNid, room_nid: RoomNid) -> (Self, NewState) {
        let mut changes: Vec<Entry> =
            changes.iter().map(|&(key, event)| (key, event.unwrap_or(REMOVED))).collect();
        changes.sort_by_key(|&(key, _)| key);
        let delta = overlay(&self.delta, &changes);
        let limit = (self.base.entries.len() * 2).isqrt().clamp(DELTA_MIN, DELTA_MAX);
        if delta.len() <= limit {
            let row = NewState {
                state_nid: nid,
                room_nid,
                base_nid: Some(self.base.nid),
                entries: encode(&delta),
            };
            (Self { nid, base: self.base.clone(), delta: delta.into() }, row)
        } else {
            let mut entries = overlay(&self.base.entries, &delta);
            entries.retain(|&(_, event)| event != REMOVED);
            Self::snapshot(entries, nid, room_nid)
        }
    }

    /// A state of its own, with the row to insert. `entries` are sorted by key; `nid` is fresh.
    pub fn snapshot(entries: Vec<Entry>, nid: StateNid, room_nid: RoomNid) -> (Self, NewState) {
        let row = NewState { state_nid: nid, room_nid, base_nid: None, entries: encode(&entries) };
        let base = Arc::new(Snapshot { nid, entries: entries.into() });
        (Self { nid, base, delta: Arc::default() }, row)
    }

    /// What turns `self` into `other`, sorted by key. Cheap when both have the same snapshot.
    pub fn changes_to(&self, other: &Self) -> Vec<Change> {
        if Arc::ptr_eq(&self.base, &other.base) || self.base.nid == other.base.nid {
            let mut keys: Vec<StateKeyNid> =
                self.delta.iter().chain(other.delta.iter()).map(|&(key, _)| key).collect();
            keys.sort_unstable();
            keys.dedup();
            return keys
                .into_iter()
                .filter_map(|key| {
                    let after = other.get(key);
                    (self.get(key) != after).then_some((key, after))
                })
                .collect();
        }
        let (mut old, mut new) = (self.iter().peekable(), other.iter().peekable());
        let mut changes = Vec::new();
        loop {
            match (old.peek().copied(), new.peek().copied()) {
                (None, None) => return changes,
                (Some(o), Some(n)) if o.0 == n.0 => {
                    if o.1 != n.1 {
                        changes.push((n.0, Some(n.1)));
                    }
                    old.next();
                    new.next();
                }
                (Some(o), n) if n.is_none_or(|n| o.0 < n.0) => {
                    changes.push((o.0, None));
                    old.next();
                }
                (_, Some(n)) => {
                    changes.push((n.0, Some(n.1)));
                    new.next();
                }
                (Some(_), None) => return changes,
            }
        }
    }
}

/// Reads a state. `cached` may hand back snapshots that are already in memory.
pub fn load(
    conn: &mut Conn,
    nid: StateNid,
    cached: impl Fn(StateNid) -> Option<Arc<Snapshot>>,
) -> Result<State> {
    if nid == StateNid(0) {
        return Ok(State::empty());
    }
    let (base_nid, entries) = row(conn, nid)?;
    let Some(base_nid) = base_nid else {
        let base = Arc::new(Snapshot { nid, entries: decode(&entries)?.into() });
        return Ok(State { nid, base, delta: Arc::default() });
    };
    let base = match cached(base_nid) {
        Some(base) => base,
        None if base_nid == StateNid(0) => State::empty().base,
        None => {
            let (_, entries) = row(conn, base_nid)?;
            Arc::new(Snapshot { nid: base_nid, entries: decode(&entries)?.into() })
        }
    };
    Ok(State { nid, base, delta: decode(&entries)?.into() })
}

impl State {
    /// The snapshot this state stands on, to be shared with others that do.
    pub fn base(&self) -> &Arc<Snapshot> {
        &self.base
    }
}

impl Snapshot {
    pub fn nid(&self) -> StateNid {
        self.nid
    }
}

pub fn insert(conn: &mut Conn, state: &NewState) -> Result<()> {
    diesel::insert_into(states::table).values(state).execute(conn)?;
    Ok(())
}

fn row(conn: &mut Conn, nid: StateNid) -> Result<(Option<StateNid>, Vec<u8>)> {
    Ok(states::table.find(nid).select((states::base_nid, states::entries)).first(conn)?)
}

fn find(entries: &[Entry], key: StateKeyNid) -> Option<EventNid> {
    let at = entries.binary_search_by_key(&key, |&(key, _)| key).ok()?;
    entries.get(at).map(|&(_, event)| event)
}

/// `base` with the entries of `changes` laid over it. Both are sorted, as is the result.
fn overlay(base: &[Entry], changes: &[Entry]) -> Vec<Entry> {
    let mut merged = Vec::with_capacity(base.len() + changes.len());
    let mut base = base.iter().copied().peekable();
    for &change in changes {
        while let Some(entry) = base.next_if(|entry| entry.0 < change.0) {
            merged.push(entry);
        }
        base.next_if(|entry| entry.0 == change.0);
        merged.push(change);
    }
    merged.extend(base);
    merged
}

fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    for (key, event) in entries {
        bytes.extend_from_slice(&key.0.to_be_bytes());
        bytes.extend_from_slice(&event.0.to_be_bytes());
    }
    bytes
}

fn decode(bytes: &[u8]) -> Result<Vec<Entry>> {
    let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
    if !rest.is_empty() {
        return Err(Error::internal("a row of states has a broken length"));
    }
    Ok(entries
        .iter()
        .map(|entry| {
            let entry = u128::from_be_bytes(*entry);
            (StateKeyNid((entry >> 64) as i64), EventNid(entry as i64))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: i64) -> StateKeyNid {
        StateKeyNid(n)
    }

    /// Applies pseudo-random changes and keeps a plain map beside.
    #[test]
    fn a_state_equals_a_plain_map_after_any_changes() {
        let room = RoomNid(1);
        let mut state = State::empty();
        let mut plain = std::collections::BTreeMap::new();
        let mut earlier = vec![(state.clone(), plain.clone())];
        let mut seed = 7_u64;
        for step in 1..2_000_i64 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let k = key((seed >> 33) as i64 % 300 + 1);
            let change = (!seed.is_multiple_of(11)).then_some(EventNid(step));
            match change {
                Some(event) => plain.insert(k, event),
                None => plain.remove(&k),
            };
            let (next, row) = state.with(&[(k, change)], StateNid(step), room);
            assert!(row.base_nid.is_none() || row.entries.len() <= DELTA_MAX * ENTRY_BYTES);
            state = next;
            assert_eq!(state.get(k), change);
            if step % 100 == 0 {
                assert!(state.iter().eq(plain.iter().map(|(&k, &e)| (k, e))));
                for (old, old_plain) in &earlier {
                    let mut rebuilt = old_plain.clone();
                    for (k, e) in old.changes_to(&state) {
                        match e {
                            Some(e) => rebuilt.insert(k, e),
                            None => rebuilt.remove(&k),
                        };
                    }
                    assert_eq!(rebuilt, plain);
                }
                earlier.push((state.clone(), plain.clone()));
            }
        }
    }

    #[test]
    fn entries_survive_their_encoding() {
        let entries = vec![(key(1), EventNid(i64::MAX)), (key(i64::MAX), EventNid(2))];
        assert_eq!(decode(&encode(&entries)).unwrap(), entries);
        assert!(decode(&[0; 15]).is_err());
    }
}
