//! JSON of servers and other devices, as the encryption library reads it: signed objects, claimed prekeys, lists
//! of readers, backups, secret storage, verifications, recovery keys. The first byte chooses.

#![no_main]

#[expect(dead_code, reason = "each target edits something else")]
mod edited;

use std::sync::LazyLock;

use edited::Input;
use libfuzzer_sys::fuzz_target;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use sealpost_e2e::{
    audience::{self, Reader},
    backup::{Place, PrivateKeys, PublicKeys},
    canonical_json::signed_form,
    handshake::Handshake,
    identity::OwnDevice,
    passphrase,
    prekeys::{ClaimedPrekey, Kind, Prekey},
    primitives::{ed25519, x25519},
    sas::{self, Party, Sas},
    secret_storage::RecoveryKey,
    signed_json,
};
use serde_json::{Value, json};

const MAC_KEY: [u8; 32] = [5; 32];
const PLACE: Place<'_> = Place { room_id: "!r:a.test", session_id: "s", first_index: 3 };

/// What is genuine.
struct Genuine {
    alice: OwnDevice,
    bob: OwnDevice,
    name: String,
    claimed: Vec<Value>,
    readers: Vec<Reader>,
    told: Vec<Value>,
    backup: PrivateKeys,
    rows: Vec<Value>,
    recovery: RecoveryKey,
    id: String,
    stored: Vec<Value>,
}

static GENUINE: LazyLock<Genuine> = LazyLock::new(|| {
    let rng = &mut rng();
    let mut device = |user| OwnDevice::generate(user, "DEVICE", rng);
    let (alice, bob) = (device("@alice:a.test"), device("@bob:b.test"));
    let (prekey, one) = Prekey::generate(&bob, Kind::OneTime, rng).expect("a prekey");
    let (_, two) = Prekey::generate(&bob, Kind::Fallback, rng).expect("a prekey");
    let mut readers: Vec<Reader> = (0..80)
        .map(|at| Reader {
            user_id: format!("@u{at:02}:a.test"),
            master: alice.ed25519.public().into(),
            device_id: "D".to_owned(),
            ed25519: bob.ed25519.public().into(),
            x25519: bob.x25519.public(),
        })
        .collect();
    audience::sort(&mut readers);
    let before = audience::hash(&readers[..78]);
    let mut told = audience::tell(&readers, None);
    told.extend(audience::tell(&readers, Some((&before, &readers[..78]))));
    let backup = PrivateKeys::generate(rng);
    let public = backup.public();
    let row = public.seal(&MAC_KEY, &PLACE, b"a key", rng).expect("a row");
    let rows = vec![row["session_data"].clone(), public.auth_data(&MAC_KEY), row];
    let recovery = RecoveryKey::generate(rng);
    let (id, description) = recovery.describe(rng);
    let stored = vec![recovery.encrypt(&id, "a.name", &[7; 32], rng), description];
    let name = prekey.id.name();
    let claimed = vec![one, two];
    Genuine { alice, bob, name, claimed, readers, told, backup, rows, recovery, id, stored }
});

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    match input.byte() % 9 {
        0 => claimed(&mut input),
        1 => readers(&mut input),
        2 => backup(&mut input),
        3 => secrets(&mut input),
        4 => verification(&mut input),
        5 => signed(&mut input),
        6 => recovery_key(&mut input),
        7 => names(&mut input),
        _ => passphrase(&mut input),
    }
});

/// As it came, and as if the device had signed it.
fn claimed(input: &mut Input<'_>) {
    let Genuine { alice, bob, name, claimed, .. } = &*GENUINE;
    let mut object = input.json(claimed);
    let as_it_came = ClaimedPrekey::verify(&bob.identity(), name, &object);
    let has_changed = !claimed.iter().any(|one| signed_form(one) == signed_form(&object));
    assert!(as_it_came.is_err() || !has_changed, "what was not signed is not taken");
    if signed_json::sign(&mut object, &bob.user_id, &bob.device_id, &bob.ed25519).is_err() {
        return;
    }
    if let Ok(prekey) = ClaimedPrekey::verify(&bob.identity(), name, &object) {
        assert_eq!(object["alg"], "org.sealpost.pqxdh.v1");
        let _ = Handshake::initiate(alice, &bob.identity(), &prekey, 1, &mut rng());
    }
}

fn readers(input: &mut Input<'_>) {
    let Genuine { readers, told, .. } = &*GENUINE;
    let parts: Vec<_> = (0..1 + input.below(4))
        .filter_map(|_| audience::read(&input.json(told)).ok())
        .inspect(|part| assert!(part.readers.len() + part.gone.len() <= 2 * audience::PART_MAX))
        .collect();
    let Some(wanted) = parts.first().map(|part| part.audience) else { return };
    let base = (input.byte() % 2 == 0).then_some(&readers[..78]);
    if let Ok(list) = audience::assemble(base, &parts, &wanted) {
        assert_eq!(audience::hash(&list), wanted);
    }
}

fn backup(input: &mut Input<'_>) {
    let Genuine { backup, rows, .. } = &*GENUINE;
    let public = backup.public();
    let value = input.json(rows);
    let data = value.get("session_data").unwrap_or(&value);
    if let Ok(plaintext) = backup.open(&public, data) {
        assert_eq!(*plaintext, b"a key", "nobody else's row is known here");
    }
    let _ = public.is_own(&MAC_KEY, &PLACE, data);
    if let Ok(keys) = PublicKeys::from_auth_data(&value, &MAC_KEY) {
        assert!(keys == public, "keys that nobody vouches for");
    }
    let _ = PrivateKeys::from_bytes(&input.take(128)).map(|keys| keys.public());
}

fn secrets(input: &mut Input<'_>) {
    let Genuine { recovery, id, stored, .. } = &*GENUINE;
    let value = input.json(stored);
    let _ = recovery.check(&value);
    let _ = recovery.decrypt(id, "a.name", &value);
    let other = String::from_utf8_lossy(&input.take(64)).into_owned();
    let opened = recovery.decrypt(&other, "another", &value);
    assert!(opened.is_err(), "a secret opens under its name");
}

fn verification(input: &mut Input<'_>) {
    let party = |user: &str| Party { user_id: user.to_owned(), device_id: "D".to_owned() };
    let (alice, bob) = (party("@alice:a.test"), party("@bob:b.test"));
    let start = sas::start("D", "txn");
    let other = input.json(std::slice::from_ref(&start));
    let mut rng = rng();
    if let Ok(mut side) = Sas::new(bob.clone(), alice.clone(), false, &other, &mut rng) {
        let _ = (side.accept().is_ok(), side.received(&input.json(&[side.key()])).is_ok());
        let _ = (side.short_string().is_ok(), side.accepted(&other).is_ok());
    }
    let mut one = Sas::new(alice.clone(), bob.clone(), true, &start, &mut rng).expect("a start");
    let mut two = Sas::new(bob, alice, false, &start, &mut rng).expect("a start");
    let accept = two.accept().expect("an answer");
    if one.accepted(&input.json(std::slice::from_ref(&accept))).is_err() {
        one.accepted(&accept).expect("a refused answer changes nothing");
    }
    let Ok(()) = two.received(&one.key()) else { return };
    let key = input.json(&[two.key()]);
    if one.received(&key).is_err() {
        let _ = one.received(&two.key());
    }
    let keys = [("ed25519:D".to_owned(), "key".to_owned())];
    let Ok(mac) = two.mac(&keys) else { return };
    if one.short_string().is_err() {
        assert!(one.verify_mac(&mac, &keys).is_err());
        return;
    }
    let changed = input.json(std::slice::from_ref(&mac));
    if let Ok(verified) = one.verify_mac(&changed, &keys) {
        let is_whole = changed["mac"].as_object().is_some_and(|all| all.len() == 1);
        assert!(verified.is_empty() || is_whole, "the list of ids is under a MAC, too");
    }
}

fn signed(input: &mut Input<'_>) {
    let Genuine { alice, claimed, .. } = &*GENUINE;
    let mut object = input.json(claimed);
    let Ok(form) = signed_form(&object) else { return };
    let again: Value = serde_json::from_str(&form).expect("canonical JSON is JSON");
    if again.get("signatures").is_none() && again.get("unsigned").is_none() {
        assert_eq!(signed_form(&again).as_ref(), Ok(&form), "it is its own canonical form");
    }
    let key = alice.ed25519.public();
    assert!(signed_json::verify(&object, "@alice:a.test", "DEVICE", &key).is_err());
    if signed_json::sign(&mut object, "@alice:a.test", "DEVICE", &alice.ed25519).is_ok() {
        assert_eq!(signed_json::verify(&object, "@alice:a.test", "DEVICE", &key), Ok(()));
    }
}

fn recovery_key(input: &mut Input<'_>) {
    let genuine = GENUINE.recovery.encode().as_bytes().to_vec();
    let text = String::from_utf8_lossy(&input.bytes(&[genuine])).into_owned();
    if let Ok(key) = RecoveryKey::parse(&text) {
        let plain: String = text.split_ascii_whitespace().collect();
        assert_eq!(key.encode().replace(' ', ""), plain, "a key is written in one way");
    }
}

/// A description that a server keeps of how a passphrase becomes a key.
fn passphrase(input: &mut Input<'_>) {
    let own = json!({ "algorithm": passphrase::ARGON2ID, "salt": "AAAAAAAAAAAAAAAAAAAAAA",
        "memory": 8, "passes": 1, "lanes": 1 });
    let foreign = json!({ "algorithm": passphrase::PBKDF2, "salt": "salt", "iterations": 3,
        "bits": 256 });
    let description = input.json(&[own, foreign]);
    let number = |key: &str| description[key].as_u64().unwrap_or(0);
    // What is dear and allowed takes too long here.
    let work = number("memory").saturating_mul(number("passes"));
    let is_dear = (1_024..=4 * 256 * 1_024).contains(&work);
    if is_dear || (1_000..=5_000_000).contains(&number("iterations")) {
        return;
    }
    if let Ok(key) = passphrase::derive("a passphrase", &description) {
        let again = passphrase::derive("another", &description).expect("a key");
        assert!(key != again);
    }
}

fn names(input: &mut Input<'_>) {
    let text =
        String::from_utf8_lossy(&input.bytes(&[GENUINE.name.clone().into_bytes()])).into_owned();
    if let Ok(id) = sealpost_e2e::prekeys::KeyId::parse(&text) {
        assert_eq!(id.name(), text);
    }
    let key: Option<[u8; 32]> = input.take(33).try_into().ok();
    if let Some(key) = key {
        let _ =
            x25519::PublicKey::from_bytes(key).map(|key| GENUINE.bob.x25519.agree(&key).is_ok());
        let _ = ed25519::PublicKey::from_bytes(&key).map(|key| key.verify(b"", &[1; 64]).is_ok());
    }
}
