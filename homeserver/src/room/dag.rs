//! The graph of a room's events: order and depth.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap},
    hash::Hash,
};

use super::check::MAX_DEPTH;

/// The depth of an event after events of these depths.
pub fn depth_after(prev_depths: impl IntoIterator<Item = i64>) -> i64 {
    let deepest = prev_depths.into_iter().max().unwrap_or(0);
    deepest.saturating_add(1).clamp(1, MAX_DEPTH)
}

/// Puts events after those they name, among the given ones, and otherwise by `key`. Events on a cycle, which
/// no honest server can make, are left out.
///
/// `edges` gives for an event the events it comes after: its `prev_events` for the order of a room, its
/// `auth_events` for the order in which they can be authorised.
pub fn sort<Id, Key, Edges>(
    events: impl IntoIterator<Item = Id>,
    edges: impl Fn(&Id) -> Edges,
    key: impl Fn(&Id) -> Key,
) -> Vec<Id>
where
    Id: Clone + Eq + Hash + Ord,
    Key: Ord,
    Edges: IntoIterator<Item = Id>,
{
    let mut waiting_for: HashMap<Id, usize> = events.into_iter().map(|id| (id, 0)).collect();
    let mut followers: HashMap<Id, Vec<Id>> = HashMap::new();
    let ids: Vec<Id> = waiting_for.keys().cloned().collect();
    for id in &ids {
        let before: BTreeSet<Id> =
            edges(id).into_iter().filter(|prev| waiting_for.contains_key(prev)).collect();
        waiting_for.insert(id.clone(), before.len());
        for prev in before {
            followers.entry(prev).or_default().push(id.clone());
        }
    }
    let mut ready: BinaryHeap<Reverse<(Key, Id)>> = ids
        .into_iter()
        .filter(|id| waiting_for.get(id) == Some(&0))
        .map(|id| Reverse((key(&id), id)))
        .collect();
    let mut sorted = Vec::with_capacity(waiting_for.len());
    while let Some(Reverse((_, id))) = ready.pop() {
        for follower in followers.remove(&id).unwrap_or_default() {
            if let Some(count) = waiting_for.get_mut(&follower) {
                *count -= 1;
                if *count == 0 {
                    ready.push(Reverse((key(&follower), follower)));
                }
            }
        }
        sorted.push(id);
    }
    sorted
}
