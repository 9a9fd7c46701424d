//! Our own resources: bundles and prekeys.

use serde_json::{Map, Value, json};

use super::{
    actor::Actor,
    keys::{UPLOAD, another_device, device_keys},
    server::{on_both, on_both_with},
};

const OURS: &str = "/_matrix/client/unstable/org.sealpost/keys";
const PREKEYS: &str = "/_matrix/client/unstable/org.sealpost/keys/prekeys";
const COUNT: &str = "/_matrix/client/unstable/org.sealpost/keys/prekeys/count";
const SLIDING: &str = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";
const ALGORITHM: &str = "org.sealpost.pqxdh.v1";

fn bundle(of: &Actor) -> String {
    format!("{OURS}/{}/bundle", of.user_id)
}

/// Prekeys with the forms of ours.
fn prekeys(ids: &[&str]) -> Value {
    let key = |id: &&str| {
        let object = json!({ "alg": ALGORITHM, "key": id, "kem": "k".repeat(1_579) });
        (format!("{ALGORITHM}:{id}"), object)
    };
    let keys: Map<String, Value> = ids.iter().map(key).collect();
    json!({ "one_time_keys": keys })
}

/// The id of the only one-time key of a device in a bundle.
fn claimed<'a>(bundle: &'a Value, device: &Actor) -> Option<&'a str> {
    let keys = bundle["devices"][&device.device_id]["one_time_keys"].as_object().unwrap();
    assert!(keys.len() <= 1, "{bundle}");
    keys.keys().next().map(|name| name.strip_prefix("org.sealpost.pqxdh.v1:").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_has_all_keys_and_stays_the_same_until_a_fresh_one_is_asked_for() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let (phone, other) = (
            another_device(server, &alice, "alice").await,
            another_device(server, &bob, "bob").await,
        );
        for device in [&alice, &phone] {
            let keys = json!({ "device_keys": device_keys(device, &device.device_id) });
            device.post(UPLOAD, keys).await.ok();
        }
        let counts = alice.post(PREKEYS, prekeys(&["a-_1", "a2", "a3"])).await.ok();
        assert_eq!(counts["one_time_key_counts"][ALGORITHM], 3);
        let master = json!({
            "user_id": alice.user_id, "usage": ["master"],
            "keys": { "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA":
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
        });
        let path = "/_matrix/client/v3/keys/device_signing/upload";
        alice.post(path, json!({ "master_key": master })).await.ok();

        let first = bob.get(&bundle(&alice)).await.ok();
        assert_eq!(first["user_id"], alice.user_id.as_str());
        assert_eq!(first["master_key"], master);
        assert_eq!(first["failures"], json!({}));
        let mut keys = device_keys(&alice, &alice.device_id);
        keys["unsigned"] = json!({});
        assert_eq!(first["devices"][&alice.device_id]["device_keys"], keys);
        assert_eq!(claimed(&first, &alice), Some("a-_1"));
        assert_eq!(claimed(&first, &phone), None);
        // The same for the same device, by either method; others have their own.
        assert_eq!(bob.get(&bundle(&alice)).await.ok(), first);
        assert_eq!(bob.post(&bundle(&alice), json!({})).await.ok(), first);
        let to_other = other.get(&bundle(&alice)).await.ok();
        assert_eq!(claimed(&to_other, &alice), Some("a2"));
        // Of a device that had no key the next question has one as soon as it is there.
        phone.post(PREKEYS, prekeys(&["p1"])).await.ok();
        let more = bob.get(&bundle(&alice)).await.ok();
        assert_eq!((claimed(&more, &alice), claimed(&more, &phone)), (Some("a-_1"), Some("p1")));
        let body = json!({ "fresh": true, "devices": [alice.device_id] });
        let fresh = bob.post(&bundle(&alice), body).await.ok();
        assert_eq!(fresh["devices"].as_object().unwrap().len(), 1);
        assert_eq!(claimed(&fresh, &alice), Some("a3"));
        assert_eq!(claimed(&bob.get(&bundle(&alice)).await.ok(), &alice), Some("a3"));

        // An own bundle claims nothing of the device that asks, and shows what only its user sees.
        let own = alice.get(&bundle(&alice)).await.ok();
        assert_eq!((claimed(&own, &alice), claimed(&own, &phone)), (None, None));
        alice.post(PREKEYS, prekeys(&["a4"])).await.ok();
        assert_eq!(claimed(&alice.get(&bundle(&alice)).await.ok(), &alice), None);

        // As with `keys/query`: of an unknown user there is nothing, and a server that is not there is named.
        let nobody = bob.get(&format!("{OURS}/@nobody:sealpost.test/bundle")).await.ok();
        assert_eq!(nobody["devices"], json!({}));
        let body = json!({ "timeout": 5_000 });
        let away = bob.post(&format!("{OURS}/@x:nowhere.invalid/bundle"), body).await.ok();
        assert!(away["failures"]["nowhere.invalid"].is_object(), "{away}");
        let refused = bob.get(&format!("{OURS}/nobody/bundle")).await;
        assert_eq!(refused.error(), (400, "M_INVALID_PARAM"));
        let body = json!({ "algorithm": "a".repeat(300) });
        let refused = bob.post(&bundle(&alice), body).await;
        assert_eq!(refused.error(), (400, "M_INVALID_PARAM"));
        let refused = bob.post(&bundle(&alice), json!({ "devices": 1 })).await;
        assert_eq!(refused.error(), (400, "M_BAD_JSON"));
        let refused = server.stranger().get(&bundle(&alice)).await;
        assert_eq!(refused.error(), (401, "M_MISSING_TOKEN"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_twice_at_once_is_given_one_key_and_nothing_is_cached_on_the_way() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        alice.post(UPLOAD, json!({ "device_keys": device_keys(&alice, "a") })).await.ok();
        alice.post(PREKEYS, prekeys(&["1", "2", "3"])).await.ok();
        let path = bundle(&alice);
        let answers = futures_util::future::join_all((0..8).map(|_| bob.get(&path))).await;
        for answer in answers {
            assert_eq!(claimed(&answer.ok(), &alice), Some("1"));
        }
        let count = alice.get(COUNT).await.ok();
        assert_eq!(count["one_time_key_counts"][ALGORITHM], 2);
        let request = bob.request(reqwest::Method::GET, &path);
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn that_prekeys_run_low_is_told_by_both_kinds_of_sync() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        alice.post(UPLOAD, json!({ "device_keys": device_keys(&alice, "a") })).await.ok();
        let mut keys = prekeys(&["1", "2"]);
        keys["fallback_keys"] =
            json!({ format!("{ALGORITHM}:f"): { "key": "f", "fallback": true } });
        alice.post(PREKEYS, keys.clone()).await.ok();
        let count = alice.get(COUNT).await.ok();
        assert_eq!(
            count,
            json!({
                "one_time_key_counts": { ALGORITHM: 2, "signed_curve25519": 0 },
                "unused_fallback_key_types": [ALGORITHM],
            })
        );
        let mut since = alice.sync(None, "").await;
        assert_eq!(since["device_one_time_keys_count"], count["one_time_key_counts"]);
        let enabled = json!({ "extensions": { "e2ee": { "enabled": true } } });
        let mut sliding = alice.post(SLIDING, enabled.clone()).await.ok();
        assert_eq!(sliding["extensions"]["e2ee"]["device_one_time_keys_count"][ALGORITHM], 2);
        for (left, unused) in [
            (json!(1), json!([ALGORITHM])),
            (json!(null), json!([ALGORITHM])),
            (json!(null), json!([])),
        ] {
            bob.post(&bundle(&alice), json!({ "fresh": true })).await.ok();
            // Whatever was told before, the next sync has come at once with the news.
            since = alice.sync(since["next_batch"].as_str(), "timeout=30000").await;
            assert_eq!(since["device_one_time_keys_count"][ALGORITHM], left, "{since}");
            assert_eq!(since["device_unused_fallback_key_types"], unused, "{since}");
            let pos = sliding["pos"].as_str().unwrap();
            let path = format!("{SLIDING}?timeout=30000&pos={pos}");
            sliding = alice.post(&path, enabled.clone()).await.ok();
            let e2ee = &sliding["extensions"]["e2ee"];
            assert_eq!(e2ee["device_one_time_keys_count"][ALGORITHM], left, "{sliding}");
            assert_eq!(e2ee["device_unused_fallback_key_types"], unused, "{sliding}");
        }
        // The same id with another key is refused, as `keys/upload` refuses it.
        alice.post(PREKEYS, prekeys(&["3"])).await.ok();
        let other = json!({ "one_time_keys": { format!("{ALGORITHM}:3"): { "key": "other" } } });
        assert_eq!(alice.post(PREKEYS, other).await.error(), (400, "M_INVALID_PARAM"));
        let bad = json!({ "one_time_keys": { "no colon": {} } });
        assert_eq!(alice.post(PREKEYS, bad).await.error(), (400, "M_BAD_JSON"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_all_keys_of_a_user() {
    on_both_with("rate_limits.enabled = true", async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let fresh = json!({ "fresh": true });
        for _ in 0..10 {
            bob.post(&bundle(&alice), fresh.clone()).await.ok();
        }
        let refused = bob.post(&bundle(&alice), fresh.clone()).await;
        assert_eq!(refused.error(), (429, "M_LIMIT_EXCEEDED"));
        assert!(refused.body["retry_after_ms"].as_u64().unwrap() > 0);
        bob.get(&bundle(&alice)).await.ok();
        alice.post(&bundle(&bob), fresh).await.ok();
    })
    .await;
}
