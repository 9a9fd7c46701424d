//! Where rows are kept.
//!
//! A [`crate::machine::Machine`] reads rows while it works, so a store answers at once. One in a browser reads its
//! database into a [`MemoryStore`] at the start and writes the [`Changes`] of each operation through.

use std::{collections::BTreeMap, ops::Bound};

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

    /// Keys of a table behind one, in their order, at most so many.
    fn keys_after(&self, table: Table, after: &[u8], count: usize) -> Vec<Vec<u8>>;

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

    fn keys_after(&self, table: Table, after: &[u8], count: usize) -> Vec<Vec<u8>> {
        let behind = (Bound::Excluded((table, after.to_vec())), Bound::Unbounded);
        let of_table = self.0.range(behind).take_while(|((of, _), _)| *of == table);
        of_table.take(count).map(|((_, key), _)| key.clone()).collect()
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

    /// Puts a row that may be the same as before: then nothing is to be written.
    pub fn renew<T: Row>(&mut self, key: &[u8], row: &T) {
        let value = encoding::encode_versioned(crate::changes::VERSION, row);
        if self.bytes::<T>(key).as_ref() != Some(&value) {
            self.changed.insert((T::TABLE, key.to_vec()), Some(value));
        }
    }

    /// Keys of a table behind one, as the store has them: what this operation changed is not looked at.
    pub fn keys_after(&self, table: Table, after: &[u8], count: usize) -> Vec<Vec<u8>> {
        self.store.keys_after(table, after, count)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, changes::Change, encoding::coded};

    #[derive(Debug, PartialEq)]
    struct Number(u32);

    coded!(Number = 0);

    impl Row for Number {
        const TABLE: Table = Table::Rooms;
    }

    struct Long(Vec<u8>);

    coded!(Long = 0);

    impl Row for Long {
        const TABLE: Table = Table::Audiences;
    }

    fn change(table: Table, key: &[u8], value: Option<&[u8]>) -> Change {
        let value = value.map(|value| Zeroizing::new(value.to_vec()));
        Change { table, key: key.to_vec(), value }
    }

    /// Rows of the table, and one before and one after it.
    fn store() -> MemoryStore {
        let mut store = MemoryStore::default();
        store.apply(&Changes(vec![
            change(Table::Members, b"a", Some(&[1, 9])),
            change(Table::Rooms, b"a\0y", Some(&[1, 2])),
            change(Table::Rooms, b"a\0x", Some(&[1, 1])),
            change(Table::Rooms, b"b", Some(&[1, 3])),
            change(Table::Sessions, b"b", Some(&[1, 9])),
        ]));
        store
    }

    #[test]
    fn keys_behind_one_are_told_of_one_table_in_their_order() {
        let store = store();
        let transaction = Transaction::new(&store);
        let keys = |after: &[u8], count| transaction.keys_after(Table::Rooms, after, count);
        assert_eq!(keys(b"", 9), [b"a\0x".to_vec(), b"a\0y".to_vec(), b"b".to_vec()]);
        assert_eq!(keys(b"a\0x", 1), [b"a\0y".to_vec()]);
        assert!(keys(b"b", 9).is_empty());
    }

    #[test]
    fn a_row_that_is_the_same_is_not_written_again() {
        let store = store();
        let mut transaction = Transaction::new(&store);
        transaction.renew(b"b", &Number(3));
        transaction.renew(b"a\0x", &Number(7));
        transaction.renew(b"new", &Number(8));
        let changed: Vec<_> = transaction.finish().0.into_iter().map(|one| one.key).collect();
        assert_eq!(changed, [b"a\0x".to_vec(), b"new".to_vec()]);
    }

    #[test]
    fn a_store_holds_what_was_written_until_it_is_gone() {
        let mut store = store();
        assert!(MemoryStore::default().is_empty() && !store.is_empty());
        assert_eq!(store.len(), 5);
        let value = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
        assert_eq!(store.get(Table::Rooms, b"a\0x"), Some(value(&[1, 1])));
        assert_eq!(store.get(Table::Rooms, b"a"), None);
        assert_eq!(store.get(Table::Members, b"b"), None);
        let found = |store: &MemoryStore, prefix: &[u8]| -> Vec<Vec<u8>> {
            store.scan(Table::Rooms, prefix).into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(found(&store, b""), [&b"a\0x"[..], b"a\0y", b"b"]);
        assert_eq!(found(&store, b"a\0"), [b"a\0x", b"a\0y"]);
        assert_eq!(store.scan(Table::Rooms, b"b"), [(b"b".to_vec(), value(&[1, 3]))]);
        let behind = |after: &[u8], count| store.keys_after(Table::Rooms, after, count);
        assert_eq!(behind(b"", 9), [&b"a\0x"[..], b"a\0y", b"b"]);
        assert_eq!(behind(b"", 2), [b"a\0x", b"a\0y"]);
        assert_eq!(behind(b"a\0x", 9), [&b"a\0y"[..], b"b"]);
        assert!(behind(b"b", 9).is_empty() && behind(b"", 0).is_empty());
        assert!(found(&store, b"c").is_empty());
        let mut copy = MemoryStore::default();
        copy.apply(&store.rows());
        assert_eq!((copy.len(), &copy.rows()), (5, &store.rows()));
        assert_eq!(copy.get(Table::Rooms, b"b"), Some(value(&[1, 3])));
        store.apply(&Changes(vec![
            change(Table::Rooms, b"b", None),
            change(Table::Rooms, b"a\0x", Some(&[1, 7])),
        ]));
        assert_eq!((store.len(), store.get(Table::Rooms, b"b")), (4, None));
        assert_eq!(store.get(Table::Rooms, b"a\0x"), Some(value(&[1, 7])));
    }

    #[test]
    fn an_operation_reads_its_own_changes_before_the_store() {
        let store = store();
        let mut work = Transaction::new(&store);
        let numbers = |work: &Transaction<'_>, prefix: &[u8]| -> Vec<(Vec<u8>, u32)> {
            let rows = work.scan::<Number>(prefix).unwrap();
            rows.into_iter().map(|(key, Number(number))| (key, number)).collect()
        };
        let row = |key: &[u8], number: u32| (key.to_vec(), number);
        assert_eq!(numbers(&work, b"a"), [row(b"a\0x", 1), row(b"a\0y", 2)]);
        assert_eq!(work.get(b"b"), Ok(Some(Number(3))));
        assert_eq!(work.get::<Number>(b"c"), Ok(None));
        work.put(b"b", &Number(30));
        work.put(b"a\0z", &Number(4));
        work.put(b"a\0w", &Number(0));
        work.delete::<Number>(b"a\0y");
        assert_eq!(work.get(b"b"), Ok(Some(Number(30))));
        work.renew(b"b", &Number(30));
        work.renew(b"a\0x", &Number(1));
        assert_eq!(work.bytes::<Number>(b"b").unwrap()[..], [1, 0x18, 30]);
        assert_eq!(work.bytes::<Number>(b"a\0x").unwrap()[..], [1, 1]);
        assert_eq!(work.get::<Number>(b"a\0y"), Ok(None));
        assert_eq!(work.bytes::<Number>(b"a\0y"), None);
        let of_a = [row(b"a\0w", 0), row(b"a\0x", 1), row(b"a\0z", 4)];
        assert_eq!(numbers(&work, b"a"), of_a);
        assert_eq!(numbers(&work, b""), [&of_a[..], &[row(b"b", 30)]].concat());
        let mut after = store.clone();
        let changes = work.finish();
        assert_eq!(changes.0.len(), 4);
        after.apply(&changes);
        assert_eq!(numbers(&Transaction::new(&after), b""), [&of_a[..], &[row(b"b", 30)]].concat());
    }

    #[test]
    fn a_row_of_another_version_or_form_is_not_read_as_one() {
        let mut store = store();
        for bytes in [&[2, 1][..], &[1], &[1, 0x41, 0], &[]] {
            store.apply(&Changes(vec![change(Table::Rooms, b"b", Some(bytes))]));
            let work = Transaction::new(&store);
            assert_eq!(work.get::<Number>(b"b"), Err(Error::Store), "{bytes:?}");
            assert_eq!(work.scan::<Number>(b""), Err(Error::Store), "{bytes:?}");
        }
        assert_eq!(key(&[b"a", b"", b"b"]), b"a\0\0b");
        let mut work = Transaction::new(&store);
        work.put(b"long", &Long(vec![7; 1_200_000]));
        assert_eq!(work.get::<Long>(b"long").map(|row| row.unwrap().0.len()), Ok(1_200_000));
    }
}
