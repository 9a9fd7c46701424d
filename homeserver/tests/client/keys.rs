//! Keys of devices: uploaded, asked for, claimed.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use super::{
    actor::{Actor, Connection},
    server::{TestServer, on_both},
};

pub const UPLOAD: &str = "/_matrix/client/v3/keys/upload";
pub const QUERY: &str = "/_matrix/client/v3/keys/query";
const CLAIM: &str = "/_matrix/client/v3/keys/claim";
const SLIDING: &str = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";

/// Keys of a device that nobody checks.
pub fn device_keys(actor: &Actor, fingerprint: &str) -> Value {
    let (user, device) = (&actor.user_id, &actor.device_id);
    json!({
        "user_id": user, "device_id": device, "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
        "keys": { format!("curve25519:{device}"): "c", format!("ed25519:{device}"): fingerprint },
        "signatures": { user: { format!("ed25519:{device}"): "signature" } },
    })
}

/// Another device of a user.
pub async fn another_device(server: &TestServer, of: &Actor, name: &str) -> Actor {
    let body = json!({
        "type": "m.login.password", "password": name,
        "identifier": { "type": "m.id.user", "user": of.user_id },
    });
    let stranger: Connection = server.stranger();
    let answer = stranger.post("/_matrix/client/v3/login", body).await.ok();
    Actor::new(server.stranger(), &answer)
}

async fn upload_one_time(actor: &Actor, keys: &[(&str, &str)]) -> Value {
    let key = |(id, key): &(&str, &str)| ((*id).to_owned(), json!({ "key": key }));
    let keys: Map<String, Value> = keys.iter().map(key).collect();
    actor.post(UPLOAD, json!({ "one_time_keys": keys })).await.ok()["one_time_key_counts"].clone()
}

/// The id of the key that a claim brings.
async fn claim(by: &Actor, of: &Actor, algorithm: &str) -> Option<(String, Value)> {
    let body = json!({ "one_time_keys": { &of.user_id: { &of.device_id: algorithm } } });
    let answer = by.post(CLAIM, body).await.ok();
    let keys = answer["one_time_keys"][&of.user_id][&of.device_id].as_object()?;
    assert_eq!(keys.len(), 1);
    keys.iter().next().map(|(id, key)| (id.clone(), key.clone()))
}

async fn claim_id(by: &Actor, of: &Actor, algorithm: &str) -> Option<String> {
    claim(by, of, algorithm).await.map(|(id, _)| id)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_time_keys_are_counted_claimed_in_order_and_never_twice() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let counts = upload_one_time(&alice, &[("signed_curve25519:Z", "1")]).await;
        assert_eq!(counts, json!({ "signed_curve25519": 1 }));
        let more = [("signed_curve25519:A", "2"), ("org.pq/x:1", "3")];
        let counts = upload_one_time(&alice, &more).await;
        assert_eq!(counts, json!({ "signed_curve25519": 2, "org.pq/x": 1 }));
        let initial = alice.sync(None, "").await;
        assert_eq!(initial["device_one_time_keys_count"], counts);
        assert_eq!(initial["device_unused_fallback_key_types"], json!([]));
        let since = initial["next_batch"].as_str().unwrap();

        // A waiting sync is told of a claim at once; nothing else of it is news.
        let waiting = {
            let (alice, since) = (alice.clone(), since.to_owned());
            tokio::spawn(async move { alice.sync(Some(&since), "timeout=30000").await })
        };
        let first = claim(&bob, &alice, "signed_curve25519").await.unwrap();
        assert_eq!(first, ("signed_curve25519:Z".to_owned(), json!({ "key": "1" })));
        let told = waiting.await.unwrap();
        assert_eq!(
            told["device_one_time_keys_count"],
            json!({ "signed_curve25519": 1, "org.pq/x": 1 })
        );
        let quiet = alice.sync(told["next_batch"].as_str(), "timeout=0").await;
        assert_eq!(quiet["device_one_time_keys_count"], told["device_one_time_keys_count"]);

        // What was claimed is not taken back; another key in the place of one that is there is an error.
        let again = upload_one_time(&alice, &[("signed_curve25519:Z", "1")]).await;
        assert_eq!(again["signed_curve25519"], 1);
        let body = json!({ "one_time_keys": { "signed_curve25519:A": { "key": "other" } } });
        let refused = alice.post(UPLOAD, body.clone()).await;
        assert_eq!(refused.error(), (400, "M_INVALID_PARAM"));
        let signed = json!({ "one_time_keys": { "signed_curve25519:A": {
            "key": "2", "signatures": { &alice.user_id: { "ed25519:D": "s" } } } } });
        alice.post(UPLOAD, signed).await.ok();
        let second = claim_id(&bob, &alice, "signed_curve25519").await;
        assert_eq!(second.as_deref(), Some("signed_curve25519:A"));
        assert_eq!(claim(&bob, &alice, "signed_curve25519").await, None);
        alice.post(UPLOAD, body).await.ok();
        let third = claim(&bob, &alice, "signed_curve25519").await.unwrap();
        assert_eq!(third.1["key"], "other");
        assert!(claim(&bob, &alice, "org.pq/x").await.is_some());

        // With other identity keys nothing is left of the old ones, not even what was claimed.
        upload_one_time(&alice, &[("signed_curve25519:B", "5")]).await;
        for fingerprint in ["first", "second"] {
            let keys = json!({ "device_keys": device_keys(&alice, fingerprint) });
            alice.post(UPLOAD, keys).await.ok();
        }
        let counts = upload_one_time(&alice, &[("signed_curve25519:Z", "1")]).await;
        assert_eq!(counts, json!({ "signed_curve25519": 1 }));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_goes_to_one_of_many_who_claim_at_once_also_after_a_restart() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let ids: Vec<String> = (0..20).map(|n| format!("signed_curve25519:{n}")).collect();
        let keys: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "k")).collect();
        upload_one_time(&alice, &keys).await;
        let claims = (0..15).map(|_| claim_id(&bob, &alice, "signed_curve25519"));
        let taken: BTreeSet<String> = join_all(claims).await.into_iter().flatten().collect();
        assert_eq!(taken.len(), 15);
        server.stop().await;
        server.start_again().await;
        let at = |actor: &Actor| {
            let answer = json!({ "user_id": actor.user_id, "device_id": actor.device_id,
                "access_token": actor.access_token });
            Actor::new(server.stranger(), &answer)
        };
        let (alice, bob) = (at(&alice), at(&bob));
        let counts = upload_one_time(&alice, &keys).await;
        assert_eq!(counts["signed_curve25519"], 5);
        let claims = (0..20).map(|_| claim_id(&bob, &alice, "signed_curve25519"));
        let rest: BTreeSet<String> = join_all(claims).await.into_iter().flatten().collect();
        assert_eq!(rest.len(), 5);
        assert!(taken.is_disjoint(&rest));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_the_one_time_keys_of_everybody_else() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let fallback = json!({ "signed_curve25519:F": { "key": "f", "fallback": true } });
        alice.post(UPLOAD, json!({ "fallback_keys": fallback })).await.ok();
        // What is not there uses up nothing.
        for _ in 0..30 {
            let given = claim_id(&bob, &alice, "signed_curve25519").await;
            assert_eq!(given.as_deref(), Some("signed_curve25519:F"));
        }
        let ids: Vec<String> = (0..50).map(|n| format!("signed_curve25519:{n}")).collect();
        let keys: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "k")).collect();
        upload_one_time(&alice, &keys).await;
        let claims = (0..40).map(|_| claim_id(&bob, &alice, "signed_curve25519"));
        let mut given: Vec<String> = join_all(claims).await.into_iter().flatten().collect();
        assert_eq!(given.len(), 40, "never an error");
        given.retain(|id| id != "signed_curve25519:F");
        assert_eq!(given.len(), 20);
        // A bundle is of the same share; other users have one of their own.
        let bundle = format!("/_matrix/client/unstable/org.sealpost/keys/{}/bundle", alice.user_id);
        let asked = json!({ "algorithm": "signed_curve25519", "fresh": true });
        let answer = bob.post(&bundle, asked).await.ok();
        let device = &answer["devices"][&alice.device_id];
        assert!(device.is_null() || device["one_time_keys"]["signed_curve25519:F"].is_object());
        let carol = server.register("carol").await;
        let given = claim_id(&carol, &alice, "signed_curve25519").await.unwrap();
        assert_ne!(given, "signed_curve25519:F");
        assert_eq!(upload_one_time(&alice, &[]).await["signed_curve25519"], 29);
        // A client that makes no fallback keys is reached as long as it can be.
        let dave = server.register("dave").await;
        upload_one_time(&dave, &keys[..25]).await;
        for _ in 0..25 {
            assert!(claim_id(&bob, &dave, "signed_curve25519").await.is_some());
        }
        assert_eq!(claim_id(&bob, &dave, "signed_curve25519").await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_key_is_given_when_no_other_is_left_and_its_use_is_told() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let fallback =
            json!({ "fallback_keys": { "signed_curve25519:F": { "key": "f", "fallback": true } } });
        alice.post(UPLOAD, fallback.clone()).await.ok();
        let enabled = json!({ "extensions": { "e2ee": { "enabled": true } } });
        let first = alice.post(SLIDING, enabled.clone()).await.ok();
        let block = &first["extensions"]["e2ee"];
        assert_eq!(block["device_unused_fallback_key_types"], json!(["signed_curve25519"]));
        assert_eq!(block["device_one_time_keys_count"], json!({ "signed_curve25519": 0 }));
        upload_one_time(&alice, &[("signed_curve25519:1", "1")]).await;
        let sync = alice.sync(None, "").await;
        assert_eq!(sync["device_unused_fallback_key_types"], json!(["signed_curve25519"]));

        let took = claim_id(&bob, &alice, "signed_curve25519").await;
        assert_eq!(took.as_deref(), Some("signed_curve25519:1"));
        for _ in 0..2 {
            let took = claim(&bob, &alice, "signed_curve25519").await.unwrap();
            assert_eq!(took.0, "signed_curve25519:F");
            assert_eq!(took.1, json!({ "fallback": true, "key": "f" }));
        }
        let next = alice.sync(sync["next_batch"].as_str(), "timeout=30000").await;
        assert_eq!(next["device_unused_fallback_key_types"], json!([]));
        let pos = first["pos"].as_str().unwrap();
        let next = alice.post(&format!("{SLIDING}?timeout=30000&pos={pos}"), enabled).await.ok();
        let block = &next["extensions"]["e2ee"];
        assert_eq!(block["device_unused_fallback_key_types"], json!([]));

        alice.post(UPLOAD, fallback).await.ok();
        let same = alice.sync(None, "").await;
        assert_eq!(same["device_unused_fallback_key_types"], json!([]), "it is used already");
        let other = json!({ "fallback_keys": { "signed_curve25519:G": { "key": "g" } } });
        alice.post(UPLOAD, other).await.ok();
        let fresh = alice.sync(None, "").await;
        assert_eq!(fresh["device_unused_fallback_key_types"], json!(["signed_curve25519"]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_found_with_their_names_and_by_id() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let phone = another_device(server, &alice, "alice").await;
        let mut keys = device_keys(&alice, "a");
        keys["unsigned"] = json!({ "device_display_name": "forged" });
        alice.post(UPLOAD, json!({ "device_keys": keys })).await.ok();
        let bare = json!({ "user_id": alice.user_id, "device_id": alice.device_id });
        let refused = alice.post(UPLOAD, json!({ "device_keys": bare })).await;
        assert_eq!(refused.error(), (400, "M_BAD_JSON"), "algorithms, keys, signatures are missing");
        let keys = device_keys(&phone, "p");
        phone.post(UPLOAD, json!({ "device_keys": keys })).await.ok();
        let path = format!("/_matrix/client/v3/devices/{}", phone.device_id);
        phone.put(&path, json!({ "display_name": "Phone" })).await.ok();

        let body =
            json!({ "device_keys": { &alice.user_id: [], &bob.user_id: [], "@no:sealpost.test": [] } });
        let answer = bob.post(QUERY, body).await.ok();
        let of_alice = &answer["device_keys"][&alice.user_id];
        let mut nameless = device_keys(&alice, "a");
        nameless["unsigned"] = json!({});
        assert_eq!(of_alice[&alice.device_id], nameless);
        let mut named = device_keys(&phone, "p");
        named["unsigned"] = json!({ "device_display_name": "Phone" });
        assert_eq!(of_alice[&phone.device_id], named);
        assert_eq!(answer["device_keys"][&bob.user_id], json!({}));
        assert_eq!(answer["device_keys"]["@no:sealpost.test"], json!({}));

        let one = json!({ "device_keys": { &alice.user_id: [phone.device_id, "NONE"] } });
        let answer = bob.post("/_matrix/client/r0/keys/query", one).await.ok();
        assert_eq!(answer["device_keys"], json!({ &alice.user_id: { &phone.device_id: named } }));

        // A server that cannot be asked is named.
        let elsewhere = json!({ "device_keys": { "@x:nowhere.invalid": [], &bob.user_id: [] } });
        let answer = bob.post(QUERY, elsewhere).await.ok();
        assert!(answer["failures"]["nowhere.invalid"].is_object(), "{answer}");
        assert_eq!(answer["device_keys"], json!({ &bob.user_id: {} }));
        let elsewhere = json!({ "one_time_keys": { "@x:nowhere.invalid": { "D": "a" } } });
        let answer = bob.post(CLAIM, elsewhere).await.ok();
        assert!(answer["failures"]["nowhere.invalid"].is_object(), "{answer}");

        // What belongs to a device goes with it.
        phone.post("/_matrix/client/v3/logout", json!({})).await.ok();
        let body = json!({ "device_keys": { &alice.user_id: [] } });
        let left = bob.post(QUERY, body).await.ok();
        assert_eq!(left["device_keys"][&alice.user_id].as_object().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_are_refused() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let refused = async |body: Value| {
            let answer = bob.post(UPLOAD, body).await;
            (answer.status.as_u16(), answer.body["errcode"].as_str().unwrap().to_owned())
        };
        let invalid = (400, "M_INVALID_PARAM".to_owned());
        let bad = (400, "M_BAD_JSON".to_owned());
        assert_eq!(refused(json!({ "device_keys": device_keys(&alice, "a") })).await, invalid);
        assert_eq!(refused(json!({ "device_keys": {} })).await, invalid);
        assert_eq!(refused(json!({ "device_keys": [] })).await, bad);
        let mut huge = device_keys(&bob, "b");
        huge["x"] = "x".repeat(40_000).into();
        assert_eq!(refused(json!({ "device_keys": huge })).await, invalid);
        let mut odd = device_keys(&bob, "b");
        odd["x"] = json!(1.5);
        assert_eq!(refused(json!({ "device_keys": odd })).await, bad);
        for (id, key, error) in [
            ("no colon", json!({ "key": "1" }), &bad),
            ("a:\0", json!({ "key": "1" }), &invalid),
            (&*format!("a:{}", "b".repeat(300)), json!("k"), &invalid),
            ("a:b", json!({ "key": "1".repeat(20_000) }), &invalid),
            ("a:b", json!(7), &bad),
        ] {
            assert_eq!(refused(json!({ "one_time_keys": { id: key } })).await, *error, "{id}");
        }
        let two = json!({ "fallback_keys": { "a:1": "k", "a:2": "k" } });
        assert_eq!(refused(two).await, invalid);
        let many: Map<String, Value> = (0..1_001).map(|n| (format!("a:{n}"), json!("k"))).collect();
        assert_eq!(refused(json!({ "one_time_keys": many })).await, invalid);
        let nul = json!({ "one_time_keys": { &alice.user_id: { "D\0": "a\0" } } });
        assert_eq!(bob.post(CLAIM, nul).await.ok()["one_time_keys"], json!({}));
        let changes = bob.get("/_matrix/client/v3/keys/changes?from=x&to=y").await;
        assert_eq!(changes.error(), (400, "M_INVALID_PARAM"));
    })
    .await;
}
