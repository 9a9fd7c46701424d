use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

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

    fn fetch(&self, server: &ServerName) -> BoxFuture<'_, Result<Raw<ServerSigningKeys>, Error>> {
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
        keys.old_verify_keys.insert(old.id().clone(), OldVerifyKey::new(ms(expired), public(old)));
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
    let keyring =
        Keyring::new(owned_server_name!("own.test"), key("own", 9), store.clone(), peer.clone())
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

#[tokio::test]
async fn keys_of_a_server_that_did_not_say_which_it_has_are_awaited() {
    let Fixture { keyring, peer, .. } = fixture();
    let a = server_name!("a.test");
    let is_awaited = async |id: &str, at: i64, now: i64| {
        let servers = BTreeMap::from([(a.to_owned(), ids(&[id]))]);
        let keys = keyring.event_keys(&[NeededKeys { servers, at }], now).await.remove(0);
        assert!(keys.keys.is_empty());
        keys.awaited.contains(a)
    };
    // It does not answer, and is not asked again at once.
    assert!(is_awaited("ed25519:1", NOW, NOW).await);
    assert!(is_awaited("ed25519:1", NOW, NOW + 1).await);
    assert_eq!(peer.asked.load(Ordering::SeqCst), 1);

    *peer.answer.lock() = Some(answer(a, &key("1", 1), None, NOW + HOUR));
    let answered = NOW + HOUR / 2;
    assert!(!is_awaited("ed25519:2", answered, answered).await);
    assert!(!is_awaited("ed25519:2", answered, answered + 1).await);
    // What is made since may be signed with a key that is newer than the answer.
    assert!(is_awaited("ed25519:2", answered + 1, answered + 2).await);
    let later = answered + ANSWERED_PAUSE_MS;
    assert!(!is_awaited("ed25519:2", later + 1, later).await);
    assert_eq!(peer.asked.load(Ordering::SeqCst), 3);

    // What it answers is not its own.
    let later = later + ANSWERED_PAUSE_MS;
    *peer.answer.lock() = Some(answer(server_name!("b.test"), &key("2", 2), None, NOW + HOUR));
    assert!(!is_awaited("ed25519:2", later, later).await);
}

#[test]
fn an_answer_must_be_the_server_s_own_and_signed_by_every_key() {
    let (a, b) = (server_name!("a.test"), server_name!("b.test"));
    let good = answer(a, &key("1", 1), None, NOW + HOUR);
    assert!(check_answer(a, &good, NOW).is_ok());
    assert!(check_answer(b, &good, NOW).is_err());

    let mut forged: serde_json::Value = serde_json::from_str(good.json().get()).unwrap();
    forged["verify_keys"]["ed25519:1"]["key"] =
        Base64::<ruma::serde::base64::Standard, _>::new(key("1", 2).public_key()).encode().into();
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
fn notarised(answer: &Raw<ServerSigningKeys>, signer: &SigningKey) -> Vec<Raw<ServerSigningKeys>> {
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
