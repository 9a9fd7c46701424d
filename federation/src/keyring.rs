//! Other servers' signing keys: known, fetched, remembered as long as they are valid.
//! ([Retrieving server keys][1])
//!
//! A key is asked for with the time at which it must have been valid: `origin_server_ts` for events, now
//! for requests. What is known and valid then is used; otherwise the server itself is asked, once at a
//! time however many wait for the answer, with growing pauses while it does not answer. Where its answer does
//! not help, the notaries are asked, one after another; their answer needs their signature and the server's.
//! A key counts as valid for at most seven days after it was fetched, whatever its server says.
//!
//! [1]: https://spec.matrix.org/v1.19/server-server-api/#retrieving-server-keys

mod answer;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use futures_util::future::{BoxFuture, join_all};
use parking_lot::Mutex;
use ruma::{
    OwnedServerName, ServerName,
    api::federation::discovery::ServerSigningKeys,
    serde::{Base64, Raw},
    signatures::{PublicKeyMap, PublicKeySet},
};

use self::answer::add;
pub use self::answer::{KnownKey, KnownKeys, LONGEST_VALIDITY_MS, check_answer, check_notarised};
use crate::{Error, OwnKeys, event::NeededKeys};

/// How long after an answer the same server is not asked for yet another key, in milliseconds.
const ANSWERED_PAUSE_MS: i64 = 10_000;
/// The first and the longest pause after a failed fetch, in milliseconds.
const FAILED_PAUSE_MS: (i64, i64) = (2_000, 300_000);
/// How many answers of a notary about one server are looked at.
const MAX_ANSWERS: usize = 10;
const MAX_REMEMBERED: usize = 10_000;

/// Keeps keys over restarts.
pub trait KeyStore: Send + Sync {
    /// All keys known of `server`.
    fn load(&self, server: &ServerName) -> BoxFuture<'static, Result<KnownKeys, Error>>;
    /// Adds `keys` to those of `server`, in place of older ones with the same id. `answer` is what the server
    /// itself answered, signed, if it did: notaries keep it.
    fn save(
        &self,
        server: &ServerName,
        keys: KnownKeys,
        answer: Option<Raw<ServerSigningKeys>>,
    ) -> BoxFuture<'static, Result<(), Error>>;
}

/// Asks a server for its keys. [`crate::Client`] does.
pub trait KeySource: Send + Sync {
    /// What the server answers at `/_matrix/key/v2/server`.
    fn fetch(&self, server: &ServerName) -> BoxFuture<'_, Result<Raw<ServerSigningKeys>, Error>>;
    /// What `notary` answers about the keys of `server` that are valid until `valid_until` at least.
    fn query(
        &self,
        notary: &ServerName,
        server: &ServerName,
        valid_until: i64,
    ) -> BoxFuture<'_, Result<Vec<Raw<ServerSigningKeys>>, Error>>;
}

/// Finds the keys to verify signatures with.
pub struct Keyring {
    own_name: OwnedServerName,
    own_keys: OwnKeys,
    notaries: Vec<OwnedServerName>,
    store: Arc<dyn KeyStore>,
    source: Arc<dyn KeySource>,
    servers: Mutex<HashMap<OwnedServerName, Arc<Server>>>,
}

#[derive(Default)]
struct Server {
    known: Mutex<KnownKeys>,
    fetching: tokio::sync::Mutex<Fetching>,
}

#[derive(Default)]
struct Fetching {
    loaded: bool,
    failures: u32,
    not_before: i64,
}

/// The keys to verify one event with.
#[derive(Debug, Default)]
pub struct EventKeys {
    /// Those that could be had.
    pub keys: PublicKeyMap,
    /// Servers that did not say which keys they have: there may be keys of them later.
    pub awaited: BTreeSet<OwnedServerName>,
}

impl Keyring {
    /// `own_keys` are the keys of `own_name`, this server, which are never fetched.
    pub fn new(
        own_name: OwnedServerName,
        own_keys: impl Into<OwnKeys>,
        store: Arc<dyn KeyStore>,
        source: Arc<dyn KeySource>,
    ) -> Self {
        let own_keys = own_keys.into();
        Self { own_name, own_keys, notaries: Vec::new(), store, source, servers: Mutex::default() }
    }

    /// Asks these servers for keys that cannot be had of their own server.
    pub fn with_notaries(self, notaries: Vec<OwnedServerName>) -> Self {
        let own_name = &self.own_name;
        let notaries = notaries.into_iter().filter(|notary| notary != own_name).collect();
        Self { notaries, ..self }
    }

    /// Those of the `wanted` keys of `server` that were valid at `at`; at least one, or an error:
    /// [`Error::KeysAwaited`] where the server may have them and could not be asked.
    pub async fn keys(
        &self,
        server: &ServerName,
        wanted: &BTreeSet<String>,
        at: i64,
        now: i64,
    ) -> Result<PublicKeySet, Error> {
        if server == self.own_name {
            return pick(&self.own_keys.known(), wanted, at)
                .ok_or_else(|| unknown(server, wanted, at));
        }
        let entry = self.server(server);
        if let Some(keys) = pick(&entry.known.lock(), wanted, at) {
            return Ok(keys);
        }
        let mut fetching = entry.fetching.lock().await;
        self.load(server, &entry, &mut fetching).await?;
        // Another request may have fetched them while this one waited.
        if let Some(keys) = pick(&entry.known.lock(), wanted, at) {
            return Ok(keys);
        }
        if now < fetching.not_before {
            return Err(match fetching.has_answered(at) {
                true => unknown(server, wanted, at),
                false => awaited(server, "it was asked a moment ago"),
            });
        }
        let asked = self.ask_server(server, &entry, &mut fetching, now).await;
        if let Some(keys) = pick(&entry.known.lock(), wanted, at) {
            return Ok(keys);
        }
        for notary in self.notaries.iter().filter(|notary| *notary != server) {
            match self.ask_notary(notary, server, at, now).await {
                Ok(keys) => {
                    let added = entry.add(keys);
                    self.store.save(server, added, None).await?;
                    if let Some(keys) = pick(&entry.known.lock(), wanted, at) {
                        return Ok(keys);
                    }
                }
                Err(error) => tracing::debug!(%server, %notary, %error, "no keys from a notary"),
            }
        }
        Err(match asked {
            Ok(()) => unknown(server, wanted, at),
            Err(error) if may_pass(&error) => awaited(server, &error.to_string()),
            Err(error) => error,
        })
    }

    /// Asks a server for its keys although some may be known, unless it was asked a moment ago: for who wants
    /// them to be valid for longer. What it answers is saved.
    pub async fn refresh(&self, server: &ServerName, now: i64) -> Result<(), Error> {
        if server == self.own_name {
            return Ok(());
        }
        let entry = self.server(server);
        let mut fetching = entry.fetching.lock().await;
        self.load(server, &entry, &mut fetching).await?;
        if now < fetching.not_before {
            return Ok(());
        }
        self.ask_server(server, &entry, &mut fetching, now).await
    }

    async fn load(
        &self,
        server: &ServerName,
        entry: &Server,
        fetching: &mut Fetching,
    ) -> Result<(), Error> {
        if !fetching.loaded {
            let stored = self.store.load(server).await?;
            entry.known.lock().extend(stored);
            fetching.loaded = true;
        }
        Ok(())
    }

    async fn ask_server(
        &self,
        server: &ServerName,
        entry: &Server,
        fetching: &mut Fetching,
        now: i64,
    ) -> Result<(), Error> {
        let fetched = match self.source.fetch(server).await {
            Ok(answer) => check_answer(server, &answer, now).map(|keys| (keys, answer)),
            Err(error) => Err(error),
        };
        match fetched {
            Ok((keys, answer)) => {
                fetching.failures = 0;
                fetching.not_before = now.saturating_add(ANSWERED_PAUSE_MS);
                entry.known.lock().extend(keys.clone());
                self.store.save(server, keys, Some(answer)).await
            }
            Err(error) => {
                let (first, longest) = FAILED_PAUSE_MS;
                let pause = first.checked_shl(fetching.failures.min(16)).unwrap_or(longest);
                fetching.failures = fetching.failures.saturating_add(1);
                fetching.not_before = now.saturating_add(pause.min(longest));
                Err(error)
            }
        }
    }

    /// Keys of `server` as `notary` tells them, signed by both.
    async fn ask_notary(
        &self,
        notary: &ServerName,
        server: &ServerName,
        valid_until: i64,
        now: i64,
    ) -> Result<KnownKeys, Error> {
        let answers = self.source.query(notary, server, valid_until).await?;
        let signers = self.notary_keys(notary, now).await?;
        let mut keys = KnownKeys::new();
        for answer in answers.iter().take(MAX_ANSWERS) {
            let told = check_notarised(notary, &signers, answer)
                .and_then(|()| check_answer(server, answer, now));
            match told {
                Ok(told) => add(&mut keys, told),
                Err(error) => tracing::debug!(%server, %notary, %error, "a notary's answer"),
            }
        }
        Ok(keys)
    }

    /// The keys that a notary signs with now, from itself alone. Takes no lock over the fetch: two notaries may
    /// be asked about each other.
    async fn notary_keys(&self, notary: &ServerName, now: i64) -> Result<PublicKeySet, Error> {
        let entry = self.server(notary);
        if let Some(keys) = valid(&entry.known.lock(), now) {
            return Ok(keys);
        }
        let answer = self.source.fetch(notary).await?;
        let keys = check_answer(notary, &answer, now)?;
        entry.known.lock().extend(keys.clone());
        let usable = valid(&keys, now);
        self.store.save(notary, keys, Some(answer)).await?;
        usable.ok_or_else(|| Error::Unauthenticated(format!("{notary} has no valid key")))
    }

    /// The keys to verify events with, for each of `needed`, in order; each server is asked once.
    /// A server whose keys cannot be had is missing from the maps: the check of its signature then fails.
    pub async fn event_keys(&self, needed: &[NeededKeys], now: i64) -> Vec<EventKeys> {
        join_all(needed.iter().map(|needed| async move {
            let sets = needed.servers.iter().map(|(server, ids)| async move {
                (server, self.keys(server, ids, needed.at, now).await)
            });
            let mut found = EventKeys::default();
            for (server, keys) in join_all(sets).await {
                match keys {
                    Ok(keys) => {
                        found.keys.insert(server.to_string(), keys);
                    }
                    Err(error) => {
                        tracing::debug!(%server, %error, "no key to verify an event");
                        if matches!(error, Error::KeysAwaited { .. }) {
                            found.awaited.insert(server.clone());
                        }
                    }
                }
            }
            found
        }))
        .await
    }

    /// The server was heard from: if its keys could not be had, they may be asked for at once.
    pub fn heard_from(&self, server: &ServerName) {
        let entry = self.servers.lock().get(server).cloned();
        if let Some(entry) = entry
            && let Ok(mut fetching) = entry.fetching.try_lock()
            && fetching.failures > 0
        {
            fetching.failures = 0;
            fetching.not_before = 0;
        }
    }

    fn server(&self, server: &ServerName) -> Arc<Server> {
        let mut servers = self.servers.lock();
        if servers.len() >= MAX_REMEMBERED && !servers.contains_key(server) {
            // Those in use stay; the others are in the store.
            servers.retain(|_, entry| Arc::strong_count(entry) > 1);
        }
        Arc::clone(servers.entry(server.to_owned()).or_default())
    }
}

impl Fetching {
    /// Whether the server told its keys last time it was asked, and after `at`: newer ones it may have since.
    fn has_answered(&self, at: i64) -> bool {
        self.failures == 0 && at <= self.not_before.saturating_sub(ANSWERED_PAUSE_MS)
    }
}

impl Server {
    /// Adds what a notary tells. Answers what is new in it.
    fn add(&self, keys: KnownKeys) -> KnownKeys {
        let mut known = self.known.lock();
        let before = known.clone();
        add(&mut known, keys);
        known.iter().filter(|(id, key)| before.get(*id) != Some(*key)).map(cloned).collect()
    }
}

fn cloned((id, key): (&String, &KnownKey)) -> (String, KnownKey) {
    (id.clone(), key.clone())
}

fn pick(known: &KnownKeys, wanted: &BTreeSet<String>, at: i64) -> Option<PublicKeySet> {
    let keys: PublicKeySet = wanted
        .iter()
        .filter_map(|id| {
            let key = known.get(id).filter(|key| key.is_valid_at(at))?;
            Some((id.clone(), Base64::new(key.public_key.clone())))
        })
        .collect();
    (!keys.is_empty()).then_some(keys)
}

fn valid(known: &KnownKeys, at: i64) -> Option<PublicKeySet> {
    pick(known, &known.keys().cloned().collect(), at)
}

/// Whether a server that was asked in vain may tell its keys later.
fn may_pass(error: &Error) -> bool {
    error.is_outage() || matches!(error, Error::Status { .. } | Error::KeyStore(_))
}

fn awaited(server: &ServerName, reason: &str) -> Error {
    Error::KeysAwaited { server: server.to_owned(), reason: reason.to_owned() }
}

fn unknown(server: &ServerName, wanted: &BTreeSet<String>, at: i64) -> Error {
    Error::Unauthenticated(format!("{server} has no key {wanted:?} that was valid at {at}"))
}

#[cfg(test)]
pub(crate) mod tests;
