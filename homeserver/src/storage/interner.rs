//! Text ids and their surrogates: users, and pairs of event type and state key.
//!
//! Prepare finds the nid of a key or reserves one; commit inserts the row. Two that prepare at once get
//! the same reserved nid. Should the reservation have been forgotten meanwhile (the memory of them is
//! bounded), the insert finds another nid for the key and answers [`Error::StaleRoom`]: prepare again.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Debug,
    hash::Hash,
    sync::Arc,
};

use diesel::{connection::Connection, prelude::*};
use quick_cache::{Equivalent, sync::Cache};
use ruma::UserId;

use super::{
    Conn, StateKeyNid, Tx, UserNid,
    conn::{each_backend, prepared},
    nid::Nids,
    schema::{state_keys, users},
};
use crate::error::{Error, Result};

prepared! {
    InsertUser<'a> = "INSERT INTO users (user_nid, user_id) VALUES (" user: i64 ", "
        user_id: &'a str => ") ON CONFLICT DO NOTHING";
    InsertStateKey<'a> = "INSERT INTO state_keys (state_key_nid, event_type, state_key) VALUES ("
        nid: i64 ", " event_type: &'a str ", " state_key: &'a str => ") ON CONFLICT DO NOTHING";
}

/// How many reservations are remembered.
const RESERVED: usize = 20_000;
/// How many keys are looked for in one query.
const AT_ONCE: usize = 500;

/// A kind of interned key, over its table.
pub trait Kind: 'static {
    type Key: Clone + Eq + Hash + Debug + Send + Sync + 'static;
    /// A key for looking up.
    type Ref<'a>: Copy + Hash + Equivalent<Self::Key>;
    type Nid: Copy + Eq + Hash + Debug + Send + Sync + 'static;

    fn to_key(key: Self::Ref<'_>) -> Self::Key;
    fn reserve(nids: &Nids) -> Self::Nid;
    fn select(conn: &mut Conn, key: Self::Ref<'_>) -> Result<Option<Self::Nid>>;
    /// Those of some keys that have rows. No more than [`AT_ONCE`].
    fn select_all(conn: &mut Conn, keys: &[&Self::Key]) -> Result<Vec<(Self::Key, Self::Nid)>>;
    fn select_key(conn: &mut Conn, nid: Self::Nid) -> Result<Option<Self::Key>>;
    /// Inserts the row unless the key has one. Returns how many were inserted.
    fn insert(conn: &mut Conn, key: &Self::Key, nid: Self::Nid) -> Result<usize>;
    fn by_ref(key: &Self::Key) -> Self::Ref<'_>;
}

/// A key with its nid. Unless committed, it must be inserted before rows refer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interned<K, N> {
    pub key: K,
    pub nid: N,
    pub committed: bool,
}

/// The interner of a kind. Clones share their memory.
pub struct Interner<K: Kind>(Arc<Memory<K>>);

struct Memory<K: Kind> {
    nids: Arc<Nids>,
    /// Committed ones only.
    by_key: Cache<K::Key, K::Nid>,
    by_nid: Cache<K::Nid, K::Key>,
    reserved: Cache<K::Key, K::Nid>,
}

impl<K: Kind> Clone for Interner<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Kind> Interner<K> {
    pub(super) fn new(capacity: usize, nids: Arc<Nids>) -> Self {
        Self(Arc::new(Memory {
            nids,
            by_key: Cache::new(capacity),
            by_nid: Cache::new(capacity),
            reserved: Cache::new(RESERVED),
        }))
    }

    /// The nid of a key that has a row.
    pub fn find<'a>(&self, conn: &mut Conn, key: impl Into<K::Ref<'a>>) -> Result<Option<K::Nid>> {
        let key = key.into();
        if let Some(nid) = self.0.by_key.get(&key) {
            return Ok(Some(nid));
        }
        let found = K::select(conn, key)?;
        if let Some(nid) = found
            // In a write transaction the row may be one that is yet to be committed.
            && self.0.reserved.get(&key).is_none()
        {
            self.remember(K::to_key(key), nid);
        }
        Ok(found)
    }

    /// The nid of a key that has a row, or is about to: for what is prepared and not committed.
    pub fn find_reserved<'a>(
        &self,
        conn: &mut Conn,
        key: impl Into<K::Ref<'a>>,
    ) -> Result<Option<K::Nid>> {
        let key = key.into();
        match self.0.reserved.get(&key) {
            Some(nid) => Ok(Some(nid)),
            None => self.find(conn, key),
        }
    }

    /// The nid of a key, reserved if it has no row yet.
    pub fn find_or_reserve<'a>(
        &self,
        conn: &mut Conn,
        key: impl Into<K::Ref<'a>>,
    ) -> Result<Interned<K::Key, K::Nid>> {
        let key = key.into();
        // What is committed is held there before it is reserved no more.
        let reserved = self.0.reserved.get(&key).filter(|_| self.0.by_key.get(&key).is_none());
        if let Some(nid) = reserved {
            return Ok(Interned { key: K::to_key(key), nid, committed: false });
        }
        if let Some(nid) = self.find(conn, key)? {
            return Ok(Interned { key: K::to_key(key), nid, committed: true });
        }
        let key = K::to_key(key);
        let nid = self.reserve(&key)?;
        Ok(Interned { key, nid, committed: false })
    }

    /// Has the nids of keys, found or reserved, in memory for those that are about to ask for them one by one.
    pub fn reserve_all(
        &self,
        conn: &mut Conn,
        keys: impl IntoIterator<Item = K::Key>,
    ) -> Result<()> {
        let is_new = |key: &K::Key| {
            let key = K::by_ref(key);
            self.0.by_key.get(&key).is_none() && self.0.reserved.get(&key).is_none()
        };
        let keys: HashSet<K::Key> = keys.into_iter().filter(is_new).collect();
        let keys: Vec<&K::Key> = keys.iter().collect();
        for keys in keys.chunks(AT_ONCE) {
            let found: HashMap<K::Key, K::Nid> = K::select_all(conn, keys)?.into_iter().collect();
            for &key in keys {
                match found.get(key) {
                    Some(nid) if self.0.reserved.get(key).is_none() => {
                        self.remember(key.clone(), *nid);
                    }
                    Some(_) => {}
                    None => {
                        self.reserve(key)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn reserve(&self, key: &K::Key) -> Result<K::Nid> {
        // It may have been committed since the snapshot of who asks.
        let committed = || self.0.by_key.get(&K::by_ref(key));
        let reserve = || Ok(committed().unwrap_or_else(|| K::reserve(&self.0.nids)));
        self.0.reserved.get_or_insert_with(key, reserve)
    }

    /// The key of a nid that has a row.
    pub fn key(&self, conn: &mut Conn, nid: K::Nid) -> Result<Option<K::Key>> {
        if let Some(key) = self.0.by_nid.get(&nid) {
            return Ok(Some(key));
        }
        let found = K::select_key(conn, nid)?;
        if let Some(key) = &found
            && self.0.reserved.get(key).is_none()
        {
            self.remember(key.clone(), nid);
        }
        Ok(found)
    }

    /// Inserts the row of a key that was reserved; nothing to do for a committed one.
    pub fn insert(&self, tx: &mut Tx<'_>, interned: &Interned<K::Key, K::Nid>) -> Result<()> {
        let Interned { key, nid, committed } = interned;
        if *committed {
            return Ok(());
        }
        if K::insert(tx, key, *nid)? == 0 && K::select(tx, K::by_ref(key))? != Some(*nid) {
            self.0.reserved.remove(key);
            return Err(Error::StaleRoom);
        }
        let (interner, key, nid) = (self.clone(), key.clone(), *nid);
        tx.after_commit(move || {
            interner.remember(key.clone(), nid);
            interner.0.reserved.remove(&key);
        });
        Ok(())
    }

    fn remember(&self, key: K::Key, nid: K::Nid) {
        self.0.by_nid.insert(nid, key.clone());
        self.0.by_key.insert(key, nid);
    }
}

/// All users ever seen, by their id.
pub enum Users {}

impl Kind for Users {
    type Key = Arc<str>;
    type Ref<'a> = UserRef<'a>;
    type Nid = UserNid;

    fn to_key(key: UserRef<'_>) -> Arc<str> {
        Arc::from(key.0)
    }

    fn reserve(nids: &Nids) -> UserNid {
        nids.user()
    }

    fn select(conn: &mut Conn, key: UserRef<'_>) -> Result<Option<UserNid>> {
        Ok(users::table
            .filter(users::user_id.eq(key.0))
            .select(users::user_nid)
            .first(conn)
            .optional()?)
    }

    fn select_all(conn: &mut Conn, keys: &[&Arc<str>]) -> Result<Vec<(Arc<str>, UserNid)>> {
        let found: Vec<(String, UserNid)> = users::table
            .filter(users::user_id.eq_any(keys.iter().map(|key| &***key)))
            .select((users::user_id, users::user_nid))
            .load(conn)?;
        Ok(found.into_iter().map(|(user_id, nid)| (Arc::from(user_id), nid)).collect())
    }

    fn select_key(conn: &mut Conn, nid: UserNid) -> Result<Option<Arc<str>>> {
        let found: Option<String> =
            users::table.find(nid).select(users::user_id).first(conn).optional()?;
        Ok(found.map(Arc::from))
    }

    fn insert(conn: &mut Conn, key: &Arc<str>, nid: UserNid) -> Result<usize> {
        let insert = InsertUser { user: nid.0, user_id: key };
        Ok(each_backend!(conn, conn => conn.execute_returning_count(&insert))?)
    }

    fn by_ref(key: &Arc<str>) -> UserRef<'_> {
        UserRef(key)
    }
}

/// A user id for looking up.
#[derive(Clone, Copy, Debug, Hash)]
pub struct UserRef<'a>(&'a str);

impl<'a> From<&'a str> for UserRef<'a> {
    fn from(user_id: &'a str) -> Self {
        Self(user_id)
    }
}

impl<'a> From<&'a UserId> for UserRef<'a> {
    fn from(user_id: &'a UserId) -> Self {
        Self(user_id.as_str())
    }
}

impl Equivalent<Arc<str>> for UserRef<'_> {
    fn equivalent(&self, key: &Arc<str>) -> bool {
        *self.0 == **key
    }
}

/// All pairs of event type and state key ever seen.
pub enum StateKeys {}

/// A pair of event type and state key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StateKey {
    pub event_type: Arc<str>,
    pub state_key: Arc<str>,
}

impl Kind for StateKeys {
    type Key = StateKey;
    type Ref<'a> = StateKeyRef<'a>;
    type Nid = StateKeyNid;

    fn to_key(key: StateKeyRef<'_>) -> StateKey {
        StateKey { event_type: Arc::from(key.event_type), state_key: Arc::from(key.state_key) }
    }

    fn reserve(nids: &Nids) -> StateKeyNid {
        nids.state_key()
    }

    fn select(conn: &mut Conn, key: StateKeyRef<'_>) -> Result<Option<StateKeyNid>> {
        Ok(state_keys::table
            .filter(state_keys::event_type.eq(key.event_type))
            .filter(state_keys::state_key.eq(key.state_key))
            .select(state_keys::state_key_nid)
            .first(conn)
            .optional()?)
    }

    fn select_all(conn: &mut Conn, keys: &[&StateKey]) -> Result<Vec<(StateKey, StateKeyNid)>> {
        let mut of_types: BTreeMap<&Arc<str>, Vec<&str>> = BTreeMap::new();
        for key in keys {
            of_types.entry(&key.event_type).or_default().push(&key.state_key);
        }
        let mut all = Vec::new();
        for (event_type, keys) in of_types {
            let found: Vec<(String, StateKeyNid)> = state_keys::table
                .filter(state_keys::event_type.eq(&**event_type))
                .filter(state_keys::state_key.eq_any(keys))
                .select((state_keys::state_key, state_keys::state_key_nid))
                .load(conn)?;
            all.extend(found.into_iter().map(|(state_key, nid)| {
                let (event_type, state_key) = (Arc::clone(event_type), Arc::from(state_key));
                (StateKey { event_type, state_key }, nid)
            }));
        }
        Ok(all)
    }

    fn select_key(conn: &mut Conn, nid: StateKeyNid) -> Result<Option<StateKey>> {
        let found: Option<(String, String)> = state_keys::table
            .find(nid)
            .select((state_keys::event_type, state_keys::state_key))
            .first(conn)
            .optional()?;
        Ok(found.map(|(event_type, state_key)| StateKey {
            event_type: Arc::from(event_type),
            state_key: Arc::from(state_key),
        }))
    }

    fn insert(conn: &mut Conn, key: &StateKey, nid: StateKeyNid) -> Result<usize> {
        let (event_type, state_key) = (&*key.event_type, &*key.state_key);
        let insert = InsertStateKey { nid: nid.0, event_type, state_key };
        Ok(each_backend!(conn, conn => conn.execute_returning_count(&insert))?)
    }

    fn by_ref(key: &StateKey) -> StateKeyRef<'_> {
        StateKeyRef { event_type: &key.event_type, state_key: &key.state_key }
    }
}

/// A pair of event type and state key for looking up.
#[derive(Clone, Copy, Debug, Hash)]
pub struct StateKeyRef<'a> {
    event_type: &'a str,
    state_key: &'a str,
}

impl<'a> From<(&'a str, &'a str)> for StateKeyRef<'a> {
    fn from((event_type, state_key): (&'a str, &'a str)) -> Self {
        Self { event_type, state_key }
    }
}

impl Equivalent<StateKey> for StateKeyRef<'_> {
    fn equivalent(&self, key: &StateKey) -> bool {
        *self.event_type == *key.event_type && *self.state_key == *key.state_key
    }
}
