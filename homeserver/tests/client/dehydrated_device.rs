//! Devices that are asleep.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    actor::{Actor, Answer, Connection},
    keys::{QUERY, UPLOAD},
    server::on_both,
};

const PATH: &str = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device";

fn asleep(user: &Actor, device: &str, secret: &str) -> Value {
    json!({
        "device_id": device,
        "initial_device_display_name": "Asleep",
        "device_data": { "algorithm": "org.matrix.msc3814.v2", "device_pickle": secret, "nonce": "n" },
        "device_keys": {
            "user_id": user.user_id, "device_id": device, "algorithms": [], "dehydrated": true,
            "keys": { format!("ed25519:{device}"): secret },
            "signatures": { &user.user_id: { format!("ed25519:{device}"): "signature" } },
        },
        "one_time_keys": { "signed_curve25519:1": { "key": "one" } },
        "fallback_keys": { "signed_curve25519:2": { "key": "two", "fallback": true } },
    })
}

async fn delete(actor: &Actor) -> Answer {
    Connection::send(actor.request(Method::DELETE, PATH)).await
}

async fn send(from: &Actor, to: &str, device: &str, n: usize) {
    let path = format!("/_matrix/client/v3/sendToDevice/m.test/{device}{n}");
    let messages = json!({ "messages": { to: { device: { "n": n } } } });
    from.put(&path, messages).await.ok();
}

fn numbers(answer: &Value) -> Vec<u64> {
    let events = answer["events"].as_array().unwrap().iter();
    events.map(|event| event["content"]["n"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_asleep_has_keys_and_gets_messages() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        assert_eq!(alice.get(PATH).await.error(), (404, "M_NOT_FOUND"));
        assert_eq!(delete(&alice).await.error(), (404, "M_NOT_FOUND"));
        let put = alice.put(PATH, asleep(&alice, "SLEEPER", "first")).await.ok();
        assert_eq!(put, json!({ "device_id": "SLEEPER" }));
        let mut expected = asleep(&alice, "SLEEPER", "first");
        let data = json!({ "device_id": "SLEEPER", "device_data": expected["device_data"] });
        assert_eq!(alice.get(PATH).await.ok(), data);
        let wanted = json!({ "device_keys": { &alice.user_id: [] } });
        let keys = bob.post(QUERY, wanted.clone()).await.ok();
        let shown = &keys["device_keys"][&alice.user_id]["SLEEPER"];
        assert_eq!(shown["dehydrated"], true);
        expected["device_keys"]["unsigned"] = json!({ "device_display_name": "Asleep" });
        assert_eq!(*shown, expected["device_keys"]);
        let claim =
            json!({ "one_time_keys": { &alice.user_id: { "SLEEPER": "signed_curve25519" } } });
        let claim = async || {
            let answer = bob.post("/_matrix/client/v3/keys/claim", claim.clone()).await.ok();
            answer["one_time_keys"][&alice.user_id]["SLEEPER"].clone()
        };
        assert_eq!(claim().await, json!({ "signed_curve25519:1": { "key": "one" } }));
        let fallback = json!({ "key": "two", "fallback": true });
        assert_eq!(claim().await, json!({ "signed_curve25519:2": fallback }));

        for n in 0..102 {
            send(&bob, &alice.user_id, "SLEEPER", n).await;
        }
        let events = format!("{PATH}/SLEEPER/events");
        let first = alice.post(&events, json!({})).await.ok();
        assert_eq!(numbers(&first), (0..100).collect::<Vec<_>>());
        let next = json!({ "next_batch": first["next_batch"] });
        let second = alice.post(&events, next.clone()).await.ok();
        assert_eq!(numbers(&second), [100, 101]);
        assert_eq!(alice.post(&events, next).await.ok(), second, "they stay");
        let last = json!({ "next_batch": second["next_batch"] });
        assert_eq!(numbers(&alice.post(&events, last).await.ok()), [0_u64; 0]);
        let foreign = alice.post(&events, json!({ "next_batch": "x" })).await;
        assert_eq!(foreign.error(), (400, "M_INVALID_PARAM"));
        assert_eq!(bob.post(&events, json!({})).await.error(), (403, "M_FORBIDDEN"));
        let own = format!("{PATH}/{}/events", alice.device_id);
        assert_eq!(alice.post(&own, json!({})).await.error(), (403, "M_FORBIDDEN"));

        alice.put(PATH, asleep(&alice, "OTHER", "second")).await.ok();
        let keys = bob.post(QUERY, wanted).await.ok();
        let shown = keys["device_keys"][&alice.user_id].as_object().unwrap();
        assert_eq!(shown.keys().collect::<Vec<_>>(), ["OTHER"], "it took the place of the other");
        assert_eq!(alice.post(&events, json!({})).await.error(), (403, "M_FORBIDDEN"));
        // The same again, from scratch.
        send(&bob, &alice.user_id, "OTHER", 1).await;
        alice.put(PATH, asleep(&alice, "OTHER", "third")).await.ok();
        let events = format!("{PATH}/OTHER/events");
        assert_eq!(numbers(&alice.post(&events, json!({})).await.ok()), [0_u64; 0]);
        assert_eq!(delete(&alice).await.ok(), json!({ "device_id": "OTHER" }));
        assert_eq!(alice.get(PATH).await.error(), (404, "M_NOT_FOUND"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_awake_or_without_keys_is_not_put_to_sleep() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let keys = asleep(&alice, &alice.device_id, "own")["device_keys"].clone();
        alice.post(UPLOAD, json!({ "device_keys": keys })).await.ok();
        let own = alice.put(PATH, asleep(&alice, &alice.device_id, "own")).await;
        assert_eq!(own.error(), (400, "M_INVALID_PARAM"));
        alice.put(PATH, asleep(&alice, "SLEEPER", "first")).await.ok();
        let own = alice.put(PATH, asleep(&alice, &alice.device_id, "own")).await;
        assert_eq!(own.error(), (400, "M_INVALID_PARAM"));
        assert_eq!(alice.get(PATH).await.ok()["device_id"], "SLEEPER", "nothing changed");
        let refused = async |change: &dyn Fn(&mut Value)| {
            let mut body = asleep(&alice, "NEW", "new");
            change(&mut body);
            let answer = alice.put(PATH, body).await;
            let (status, code) = answer.error();
            (status, code.to_owned())
        };
        let bad = (400, "M_BAD_JSON".to_owned());
        let remove = |name: &'static str| {
            move |body: &mut Value| drop(body.as_object_mut().unwrap().remove(name))
        };
        assert_eq!(refused(&remove("device_keys")).await, bad);
        assert_eq!(refused(&remove("device_data")).await, bad);
        assert_eq!(refused(&|body| body["device_data"] = json!({})).await, bad);
        let invalid = (400, "M_INVALID_PARAM".to_owned());
        assert_eq!(refused(&|body| body["device_keys"]["device_id"] = json!("X")).await, invalid);
        assert_eq!(refused(&|body| body["device_id"] = json!("")).await, invalid);
        assert_eq!(alice.get(PATH).await.ok()["device_id"], "SLEEPER");
    })
    .await;
}
