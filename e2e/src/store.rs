//! Where rows are kept.
//!
//! A [`crate::machine::Machine`] reads rows while it works, so a store answers at once. One in a browser reads its
//! database into a [`MemoryStore`] at the start and writes the [`Changes`] of each operation through.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::{
    changes::{Changes, Table},
    encoding,
};

/// Rows by table and key.
pub trait Store {
    /// The row of a key.
    fn get(&self, table: Table, key: &[u8]) -> Option<Zeroizing<Vec<u8>>>;

    /// Keys and rows of a table whose key begins with a prefix, in the order of their keys.
    fn scan(&self, table: Table, prefix: &[u8]) -> Vec<(Vec<u8>, Zeroizing<Vec<u8>>)>;

    /// Takes an operation's changes in: all of them, or the store must not be used again.
    fn apply(&mut self, changes: &Changes);
}

/// Rows in memory.
#[derive(Clone, Default)]
pub struct MemoryStore(Rows);

/// What a row holds, or that it is gone.
type Value = Option<Zeroizing<Vec<u8>>>;

/// Rows of a store, of which none is gone, or of what changed. One type for both: a map is 10 KB of code.
type Rows = BTreeMap<(Table, Vec<u8>), Value>;

/// Those of a table whose key begins with a prefix.
fn of_table<'r>(
    rows: &'r Rows,
    table: Table,
    prefix: &'r [u8],
) -> impl Iterator<Item = (&'r (Table, Vec<u8>), &'r Value)> {
    let from = (table, prefix.to_vec());
    rows.range(from..).take_while(move |((of, key), _)| *of == table && key.starts_with(prefix))
}

impl MemoryStore {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All rows, as changes to an empty store.
    pub fn rows(&self) -> Changes {
        let rows = self.0.iter().map(|((table, key), value)| crate::changes::Change {
            table: *table,
            key: key.clone(),
            value: value.clone(),
        });
        Changes(rows.collect())
    }
}

impl Store for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.0.get(&(table, key.to_vec())).cloned().flatten()
    }

    fn scan(&self, table: Table, prefix: &[u8]) -> Vec<(Vec<u8>, Zeroizing<Vec<u8>>)> {
        of_table(&self.0, table, prefix)
            .filter_map(|((_, key), value)| Some((key.clone(), value.clone()?)))
            .collect()
    }

    fn apply(&mut self, changes: &Changes) {
        for change in &changes.0 {
            let key = (change.table, change.key.clone());
            match &change.value {
                Some(_) => self.0.insert(key, change.value.clone()),
                None => self.0.remove(&key),
            };
        }
    }
}

/// A type of row.
pub(crate) trait Row: encoding::Encode + encoding::Decode {
    /// Where rows of this type are.
    const TABLE: Table;
}

/// What one operation reads and writes: its own changes first, then the store.
pub(crate) struct Transaction<'s> {
    store: &'s dyn Store,
    changed: Rows,
}

const ROW_MAX: usize = 64 * 1024 * 1024;

impl<'s> Transaction<'s> {
    pub fn new(store: &'s dyn Store) -> Self {
        Self { store, changed: BTreeMap::new() }
    }

    pub fn get<T: Row>(&self, key: &[u8]) -> Result<Option<T>, crate::Error> {
        match self.changed.get(&(T::TABLE, key.to_vec())) {
            Some(value) => value.as_ref().map(|value| read(value)).transpose(),
            None => self.store.get(T::TABLE, key).map(|value| read(&value)).transpose(),
        }
    }

    /// A row as it is stored.
    pub fn bytes<T: Row>(&self, key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self.changed.get(&(T::TABLE, key.to_vec())) {
            Some(value) => value.clone(),
            None => self.store.get(T::TABLE, key),
        }
    }

    pub fn put<T: Row>(&mut self, key: &[u8], row: &T) {
        let value = encoding::encode_versioned(crate::changes::VERSION, row);
        self.changed.insert((T::TABLE, key.to_vec()), Some(value));
    }

    pub fn delete<T: Row>(&mut self, key: &[u8]) {
        self.changed.insert((T::TABLE, key.to_vec()), None);
    }

    pub fn scan<T: Row>(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, T)>, crate::Error> {
        let mut stored = self.store.scan(T::TABLE, prefix).into_iter().peekable();
        let mut rows = Vec::new();
        // Both are in the order of their keys; of the same key, the change counts.
        for ((_, key), value) in of_table(&self.changed, T::TABLE, prefix) {
            while let Some((earlier, value)) = stored.next_if(|(earlier, _)| earlier < key) {
                rows.push((earlier, read(&value)?));
            }
            stored.next_if(|(same, _)| same == key);
            if let Some(value) = value {
                rows.push((key.clone(), read(value)?));
            }
        }
        for (key, value) in stored {
            rows.push((key, read(&value)?));
        }
        Ok(rows)
    }

    /// What is to be written.
    pub fn finish(self) -> Changes {
        let changed = self.changed.into_iter();
        Changes(
            changed
                .map(|((table, key), value)| crate::changes::Change { table, key, value })
                .collect(),
        )
    }
}

fn read<T: Row>(value: &[u8]) -> Result<T, crate::Error> {
    encoding::decode_versioned(crate::changes::VERSION, value, ROW_MAX)
        .map_err(|_| crate::Error::Store)
}

/// The key of several parts. None of them holds a zero byte but the last, see [`crate::machine`].
pub(crate) fn key(parts: &[&[u8]]) -> Vec<u8> {
    parts.join(&0)
}
