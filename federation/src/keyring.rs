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

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use futures_util::future::{BoxFuture, join_all};
use parking_lot::Mutex;
use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, OwnedServerName, ServerName,
    api::federation::discovery::ServerSigningKeys,
    serde::{Base64, Raw},
    signatures::{PublicKeyMap, PublicKeySet, verify_json},
};

use crate::{Error, OwnKeys, event::NeededKeys};

/// How long after its fetch a key may count as valid: seven days, in milliseconds.
pub const LONGEST_VALIDITY_MS: i64 = 7 * 24 * 3600 * 1000;
/// How long after an answer the same server is not asked for yet another key, in milliseconds.
const ANSWERED_PAUSE_MS: i64 = 10_000;
/// The first and the longest pause after a failed fetch, in milliseconds.
const FAILED_PAUSE_MS: (i64, i64) = (2_000, 300_000);
/// How many answers of a notary about one server are looked at.
const MAX_ANSWERS: usize = 10;
const MAX_REMEMBERED: usize = 10_000;

/// One key of another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKey {
    /// The public key, 32 bytes.
    pub public_key: Vec<u8>,
    /// Until when it is known to be in use. Milliseconds since the Unix epoch, as all times here.
    pub valid_until: i64,
    /// When it went out of use, if it did.
    pub expired_at: Option<i64>,
    /// When it was fetched.
    pub fetched_at: i64,
}

impl KnownKey {
    /// Whether the key was in use at `at`, as far as is known.
    pub fn is_valid_at(&self, at: i64) -> bool {
        at <= self.expired_at.unwrap_or(self.valid_until)
    }
}

/// Keys of one server by key id (`ed25519:…`).
pub type KnownKeys = BTreeMap<String, KnownKey>;

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

    /// Those of the `wanted` keys of `server` that were valid at `at`; at least one, or an error.
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
            return Err(unknown(server, wanted, at));
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
        asked.and_then(|()| Err(unknown(server, wanted, at)))
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

    /// The keys to verify events with, one map for each of `needed`, in order; each server is asked once.
    /// A server whose keys cannot be had is missing from the maps: the check of its signature then fails.
    pub async fn event_keys(&self, needed: &[NeededKeys], now: i64) -> Vec<PublicKeyMap> {
        join_all(needed.iter().map(|needed| async move {
            let sets = needed.servers.iter().map(|(server, ids)| async move {
                match self.keys(server, ids, needed.at, now).await {
                    Ok(keys) => Some((server.to_string(), keys)),
                    Err(error) => {
                        tracing::debug!(%server, %error, "no key to verify an event");
                        None
                    }
                }
            });
            join_all(sets).await.into_iter().flatten().collect()
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

/// Adds keys from a second hand: they never take the place of another key with the same id, and only ever
/// make one valid for longer. A key that went out of use stays out of use.
fn add(known: &mut KnownKeys, told: KnownKeys) {
    for (id, key) in told {
        match known.get(&id) {
            None => {
                known.insert(id, key);
            }
            Some(before)
                if before.public_key == key.public_key
                    && before.expired_at.is_none()
                    && (key.expired_at.is_some() || key.valid_until > before.valid_until) =>
            {
                known.insert(id, key);
            }
            Some(_) => {}
        }
    }
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

fn unknown(server: &ServerName, wanted: &BTreeSet<String>, at: i64) -> Error {
    Error::Unauthenticated(format!("{server} has no key {wanted:?} that was valid at {at}"))
}

/// Checks a notary's signature on an answer.
fn check_notarised(
    notary: &ServerName,
    keys: &PublicKeySet,
    answer: &Raw<ServerSigningKeys>,
) -> Result<(), Error> {
    let unauthenticated =
        |reason: String| Error::Unauthenticated(format!("notary {notary}: {reason}"));
    let mut object: CanonicalJsonObject = serde_json::from_str(answer.json().get())
        .map_err(|error| unauthenticated(error.to_string()))?;
    if let Some(CanonicalJsonValue::Object(signatures)) = object.get_mut("signatures") {
        signatures.retain(|signer, _| signer == notary.as_str());
        if let Some(CanonicalJsonValue::Object(own)) = signatures.get_mut(notary.as_str()) {
            own.retain(|id, _| keys.contains_key(id));
            if !own.is_empty() {
                let keys = PublicKeyMap::from([(notary.to_string(), keys.clone())]);
                return verify_json(&keys, &object)
                    .map_err(|error| unauthenticated(error.to_string()));
            }
        }
    }
    Err(unauthenticated("not signed with a key that is known".to_owned()))
}

/// Checks a server's answer about its own keys: that it is the server's, and signed by each key it says is
/// in use.
pub fn check_answer(
    server: &ServerName,
    answer: &Raw<ServerSigningKeys>,
    now: i64,
) -> Result<KnownKeys, Error> {
    let unauthenticated =
        |reason: String| Error::Unauthenticated(format!("keys of {server}: {reason}"));
    let keys = answer.deserialize().map_err(|error| unauthenticated(error.to_string()))?;
    if keys.server_name != server {
        return Err(unauthenticated(format!("the answer is about {}", keys.server_name)));
    }
    let mut object: CanonicalJsonObject = serde_json::from_str(answer.json().get())
        .map_err(|error| unauthenticated(error.to_string()))?;
    // Signatures of others, notaries say, are not asked for here.
    if let Some(CanonicalJsonValue::Object(signatures)) = object.get_mut("signatures") {
        signatures.retain(|signer, _| signer == server.as_str());
        if signatures.is_empty() {
            return Err(unauthenticated("not signed".to_owned()));
        }
    }
    let mut known = KnownKeys::new();
    let valid_until =
        i64::from(keys.valid_until_ts.get()).min(now.saturating_add(LONGEST_VALIDITY_MS));
    for (id, old) in &keys.old_verify_keys {
        let key = KnownKey {
            public_key: old.key.as_bytes().to_vec(),
            valid_until: i64::from(old.expired_ts.get()),
            expired_at: Some(i64::from(old.expired_ts.get())),
            fetched_at: now,
        };
        known.insert(id.to_string(), key);
    }
    for (id, current) in &keys.verify_keys {
        let set = PublicKeySet::from([(id.to_string(), current.key.clone())]);
        verify_json(&PublicKeyMap::from([(server.to_string(), set)]), &object)
            .map_err(|error| unauthenticated(format!("{id}: {error}")))?;
        let key = KnownKey {
            public_key: current.key.as_bytes().to_vec(),
            valid_until,
            expired_at: None,
            fetched_at: now,
        };
        known.insert(id.to_string(), key);
    }
    if keys.verify_keys.is_empty() {
        return Err(unauthenticated("no key is in use".to_owned()));
    }
    Ok(known)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use ruma::{
        MilliSecondsSinceUnixEpoch, UInt,
        api::federation::discovery::{OldVerifyKey, VerifyKey},
        owned_server_name, server_name,
        signatures::sign_json,
    };

    use super::*;
    use crate::SigningKey;

    pub(crate) const NOW: i64 = 1_700_000_000_000;
    const HOUR: i64 = 3_600_000;
    const NOTARY: &str = "notary.test";

    #[derive(Default)]
    struct Memory(Mutex<BTreeMap<OwnedServerName, KnownKeys>>);

    impl KeyStore for Memory {
        fn load(&self, server: &ServerName) -> BoxFuture<'static, Result<KnownKeys, Error>> {
            let keys = self.0.lock().get(server).cloned().unwrap_or_default();
            async move { Ok(keys) }.boxed()
        }

        fn save(
            &self,
            server: &ServerName,
            keys: KnownKeys,
            _: Option<Raw<ServerSigningKeys>>,
        ) -> BoxFuture<'static, Result<(), Error>> {
            self.0.lock().entry(server.to_owned()).or_default().extend(keys);
            async { Ok(()) }.boxed()
        }
    }

    #[derive(Default)]
    struct Peer {
        answer: Mutex<Option<Raw<ServerSigningKeys>>>,
        /// What a notary answers, and the answer about the notary's own keys.
        notarised: Mutex<Vec<Raw<ServerSigningKeys>>>,
        notary: Mutex<Option<Raw<ServerSigningKeys>>>,
        asked: AtomicUsize,
    }

    impl KeySource for Peer {
        fn query(
            &self,
            _: &ServerName,
            _: &ServerName,
            _: i64,
        ) -> BoxFuture<'_, Result<Vec<Raw<ServerSigningKeys>>, Error>> {
            async { Ok(self.notarised.lock().clone()) }.boxed()
        }

        fn fetch(
            &self,
            server: &ServerName,
        ) -> BoxFuture<'_, Result<Raw<ServerSigningKeys>, Error>> {
            let is_notary = server == NOTARY;
            async move {
                if is_notary {
                    return self.notary.lock().clone().ok_or(Error::Timeout);
                }
                self.asked.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                self.answer.lock().clone().ok_or(Error::Timeout)
            }
            .boxed()
        }
    }

    fn key(version: &str, seed: u8) -> SigningKey {
        SigningKey::from_seed(version, &[seed; 32]).unwrap()
    }

    fn ms(ms: i64) -> MilliSecondsSinceUnixEpoch {
        MilliSecondsSinceUnixEpoch(UInt::try_from(ms).unwrap())
    }

    fn answer(
        server: &ServerName,
        key: &SigningKey,
        old: Option<(&SigningKey, i64)>,
        valid_until: i64,
    ) -> Raw<ServerSigningKeys> {
        let mut keys = ServerSigningKeys::new(server.to_owned(), ms(valid_until));
        let public = |key: &SigningKey| Base64::new(key.public_key().to_vec());
        keys.verify_keys.insert(key.id().clone(), VerifyKey::new(public(key)));
        if let Some((old, expired)) = old {
            keys.old_verify_keys
                .insert(old.id().clone(), OldVerifyKey::new(ms(expired), public(old)));
        }
        let mut object = serde_json::from_value(serde_json::to_value(&keys).unwrap()).unwrap();
        sign_json(server.as_str(), key, &mut object).unwrap();
        Raw::from_json_string(serde_json::to_string(&object).unwrap()).unwrap()
    }

    struct Fixture {
        keyring: Keyring,
        peer: Arc<Peer>,
        store: Arc<Memory>,
    }

    fn fixture() -> Fixture {
        let (peer, store) = (Arc::new(Peer::default()), Arc::new(Memory::default()));
        let keyring = Keyring::new(
            owned_server_name!("own.test"),
            key("own", 9),
            store.clone(),
            peer.clone(),
        )
        .with_notaries(vec![owned_server_name!("notary.test")]);
        Fixture { keyring, peer, store }
    }

    /// A keyring whose peers all answer as `server` does.
    pub(crate) fn keyring_with(server: &ServerName, key: &SigningKey) -> Keyring {
        let fixture = fixture();
        *fixture.peer.answer.lock() = Some(answer(server, key, None, NOW + HOUR));
        fixture.keyring
    }

    fn ids(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[tokio::test]
    async fn a_key_is_fetched_once_for_all_who_wait() {
        let Fixture { keyring, peer, store } = fixture();
        let a = server_name!("a.test");
        *peer.answer.lock() = Some(answer(a, &key("1", 1), None, NOW + HOUR));
        let wanted = ids(&["ed25519:1"]);
        let all = join_all((0..20).map(|_| keyring.keys(a, &wanted, NOW, NOW))).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(peer.asked.load(Ordering::SeqCst), 1);
        assert!(store.0.lock().contains_key(a));
    }

    #[tokio::test]
    async fn a_stored_key_needs_no_fetch() {
        let Fixture { keyring, peer, store } = fixture();
        let a = server_name!("a.test");
        let keys = check_answer(a, &answer(a, &key("1", 1), None, NOW + HOUR), NOW).unwrap();
        store.0.lock().insert(a.to_owned(), keys);
        assert!(keyring.keys(a, &ids(&["ed25519:1"]), NOW, NOW).await.is_ok());
        assert_eq!(peer.asked.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_key_past_its_validity_is_fetched_again() {
        let Fixture { keyring, peer, .. } = fixture();
        let a = server_name!("a.test");
        let wanted = ids(&["ed25519:1"]);
        *peer.answer.lock() = Some(answer(a, &key("1", 1), None, NOW + HOUR));
        keyring.keys(a, &wanted, NOW, NOW).await.unwrap();
        let later = NOW + 2 * HOUR;
        *peer.answer.lock() = None;
        assert!(keyring.keys(a, &wanted, later, later).await.is_err());
        // What was signed while it was valid can still be verified.
        assert!(keyring.keys(a, &wanted, NOW, later).await.is_ok());
        *peer.answer.lock() = Some(answer(a, &key("1", 1), None, later + HOUR));
        assert!(keyring.keys(a, &wanted, later, later + HOUR).await.is_ok());
    }

    #[tokio::test]
    async fn an_old_key_verifies_what_is_older() {
        let Fixture { keyring, peer, .. } = fixture();
        let a = server_name!("a.test");
        let (new, old) = (key("2", 2), key("1", 1));
        *peer.answer.lock() = Some(answer(a, &new, Some((&old, NOW - HOUR)), NOW + HOUR));
        let wanted = ids(&["ed25519:1"]);
        assert!(keyring.keys(a, &wanted, NOW - 2 * HOUR, NOW).await.is_ok());
        assert!(keyring.keys(a, &wanted, NOW, NOW).await.is_err());
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_not_asked_all_the_time() {
        let Fixture { keyring, peer, .. } = fixture();
        let a = server_name!("a.test");
        let wanted = ids(&["ed25519:1"]);
        for _ in 0..10 {
            assert!(keyring.keys(a, &wanted, NOW, NOW).await.is_err());
        }
        assert_eq!(peer.asked.load(Ordering::SeqCst), 1);
        keyring.heard_from(a);
        *peer.answer.lock() = Some(answer(a, &key("1", 1), None, NOW + HOUR));
        assert!(keyring.keys(a, &wanted, NOW, NOW).await.is_ok());
    }

    #[tokio::test]
    async fn a_key_that_the_server_does_not_have_is_not_asked_for_all_the_time() {
        let Fixture { keyring, peer, .. } = fixture();
        let a = server_name!("a.test");
        *peer.answer.lock() = Some(answer(a, &key("1", 1), None, NOW + HOUR));
        for version in 0..10 {
            let wanted = ids(&[&format!("ed25519:unknown{version}")]);
            assert!(keyring.keys(a, &wanted, NOW, NOW).await.is_err());
        }
        assert_eq!(peer.asked.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn an_answer_must_be_the_server_s_own_and_signed_by_every_key() {
        let (a, b) = (server_name!("a.test"), server_name!("b.test"));
        let good = answer(a, &key("1", 1), None, NOW + HOUR);
        assert!(check_answer(a, &good, NOW).is_ok());
        assert!(check_answer(b, &good, NOW).is_err());

        let mut forged: serde_json::Value = serde_json::from_str(good.json().get()).unwrap();
        forged["verify_keys"]["ed25519:1"]["key"] =
            Base64::<ruma::serde::base64::Standard, _>::new(key("1", 2).public_key())
                .encode()
                .into();
        let forged = Raw::from_json_string(forged.to_string()).unwrap();
        assert!(check_answer(a, &forged, NOW).is_err());
    }

    #[test]
    fn no_answer_is_believed_for_more_than_a_week() {
        let a = server_name!("a.test");
        let keys = check_answer(a, &answer(a, &key("1", 1), None, NOW * 2), NOW).unwrap();
        assert_eq!(keys["ed25519:1"].valid_until, NOW + LONGEST_VALIDITY_MS);
    }

    /// An answer with the signature of a notary added.
    fn notarised(
        answer: &Raw<ServerSigningKeys>,
        signer: &SigningKey,
    ) -> Vec<Raw<ServerSigningKeys>> {
        let mut object = serde_json::from_str(answer.json().get()).unwrap();
        sign_json(NOTARY, signer, &mut object).unwrap();
        vec![Raw::from_json_string(serde_json::to_string(&object).unwrap()).unwrap()]
    }

    #[tokio::test]
    async fn a_notary_helps_where_the_server_does_not_answer() {
        let Fixture { keyring, peer, store } = fixture();
        let (a, notary) = (server_name!("a.test"), <&ServerName>::try_from(NOTARY).unwrap());
        let of_a = answer(a, &key("1", 1), None, NOW + HOUR);
        let wanted = ids(&["ed25519:1"]);
        *peer.notary.lock() = Some(answer(notary, &key("n", 5), None, NOW + HOUR));
        *peer.notarised.lock() = notarised(&of_a, &key("n", 5));
        assert!(keyring.keys(a, &wanted, NOW, NOW).await.is_ok());
        assert!(store.0.lock().contains_key(a));
    }

    #[tokio::test]
    async fn a_notary_must_sign_and_cannot_replace_a_key() {
        let (a, notary) = (server_name!("a.test"), <&ServerName>::try_from(NOTARY).unwrap());
        let wanted = ids(&["ed25519:1"]);
        let of_a = answer(a, &key("1", 1), None, NOW + HOUR);
        for told in [vec![of_a.clone()], notarised(&of_a, &key("n", 6))] {
            let Fixture { keyring, peer, .. } = fixture();
            *peer.notary.lock() = Some(answer(notary, &key("n", 5), None, NOW + HOUR));
            *peer.notarised.lock() = told;
            assert!(keyring.keys(a, &wanted, NOW, NOW).await.is_err());
        }

        let mut known = check_answer(a, &of_a, NOW).unwrap();
        let before = known.clone();
        add(&mut known, check_answer(a, &answer(a, &key("1", 2), None, NOW * 2), NOW).unwrap());
        assert_eq!(known, before);
        let longer = answer(a, &key("1", 1), None, NOW + 2 * HOUR);
        add(&mut known, check_answer(a, &longer, NOW).unwrap());
        assert_eq!(known["ed25519:1"].valid_until, NOW + 2 * HOUR);
    }

    #[tokio::test]
    async fn our_own_key_is_known() {
        let Fixture { keyring, peer, .. } = fixture();
        let own = server_name!("own.test");
        assert!(keyring.keys(own, &ids(&["ed25519:own"]), NOW, NOW).await.is_ok());
        assert!(keyring.keys(own, &ids(&["ed25519:x"]), NOW, NOW).await.is_err());
        assert_eq!(peer.asked.load(Ordering::SeqCst), 0);
    }
}
