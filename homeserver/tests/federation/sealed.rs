//! Our own resources, between two servers that have them.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    network::{Network, Server},
    puppet::{Puppet, Reply},
    user::{User, encode},
};

const LABEL: &str = "org.sealpost.deposit";

async fn ours(server: &Server, user: &User, method: Method, path: &str, body: Value) -> Value {
    let url = format!("{}/_matrix/client/unstable/org.sealpost/{path}", server.base);
    user.request_at(method, &url, body).await
}

async fn device(user: &User) -> String {
    let own = user.call(Method::GET, "account/whoami", json!({})).await;
    own["device_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_and_deposits_cross_servers() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = alice.create_room(json!({ "preset": "public_chat" })).await;
    bob.join(&room, "a.test").await;
    bob.send(&room, "here").await;
    alice.sees(&room, &["here"]).await;
    let bobs = device(&bob).await;
    let keys = json!({
        "user_id": bob.id, "device_id": bobs, "algorithms": [], "signatures": {}, "unsigned": {},
        "keys": { format!("ed25519:{bobs}"): "k" },
    });
    bob.call(Method::POST, "keys/upload", json!({ "device_keys": keys })).await;
    let name = |n: u8| format!("org.sealpost.pqxdh.v1:{n}");
    let prekeys = json!({ "one_time_keys": { name(1): { "key": "1" }, name(2): { "key": "2" } } });
    ours(&b, &bob, Method::POST, "keys/prekeys", prekeys).await;

    // Alice's server may learn of bob's device a little later than she asks.
    let path = format!("keys/{}/bundle", bob.id);
    let first = loop {
        let bundle = ours(&a, &alice, Method::GET, &path, json!({})).await;
        if bundle["devices"][&bobs].is_object() {
            break bundle;
        }
    };
    let of_bob = &first["devices"][&bobs];
    assert_eq!(of_bob["device_keys"], keys, "{first}");
    assert_eq!(of_bob["one_time_keys"], json!({ name(1): { "key": "1" } }), "{first}");
    assert_eq!(ours(&a, &alice, Method::GET, &path, json!({})).await, first);
    let fresh = ours(&a, &alice, Method::POST, &path, json!({ "fresh": true })).await;
    assert_eq!(fresh["devices"][&bobs]["one_time_keys"], json!({ name(2): { "key": "2" } }));

    let deposit = async |text: &str| {
        let messages = json!({ &bob.id: { &bobs: { "ciphertext": text } } });
        let path = format!("rooms/{}/sender-keys", encode(&room));
        let answer = ours(&a, &alice, Method::POST, &path, json!({ "messages": messages })).await;
        assert_eq!(answer, json!({ "left_out": [] }));
    };
    let mut since = String::new();
    let mut come = async |bob: &User| loop {
        let query = format!("sync?timeout=5000&since={}", encode(&since));
        let query = if since.is_empty() { "sync?timeout=0" } else { query.as_str() };
        let sync = bob.call(Method::GET, query, json!({})).await;
        sync["next_batch"].as_str().unwrap().clone_into(&mut since);
        if let Some(events) = sync["to_device"]["events"].as_array() {
            break events.clone();
        }
    };
    deposit("first").await;
    let events = come(&bob).await;
    assert_eq!(events[0]["content"]["ciphertext"], "first");
    // While it is away its deposits wait for it.
    network.cut(&b);
    deposit("second").await;
    b.stop().await;
    let b = network.start("b.test").await;
    let bob = bob.at(&b.base);
    let waiting = loop {
        come(&bob).await;
        let path = format!("rooms/{}/sender-keys", encode(&room));
        let waiting = ours(&b, &bob, Method::GET, &path, json!({})).await;
        if waiting["events"].as_array().unwrap().len() == 2 {
            break waiting;
        }
    };
    assert_eq!(waiting["events"][0], events[0]);
    let second = &waiting["events"][1]["content"];
    assert_eq!(
        (&second["ciphertext"], &second[LABEL]["room_id"]),
        (&json!("second"), &json!(room))
    );
    let ids = json!({ "ids": [events[0]["content"][LABEL]["id"]] });
    let path = format!("rooms/{}/sender-keys", encode(&room));
    ours(&b, &bob, Method::POST, &format!("{path}/ack"), ids).await;
    let left = ours(&b, &bob, Method::GET, &path, json!({})).await;
    assert_eq!(left["events"], json!([waiting["events"][1]]));

    // What somebody labels who is not in the room is a message like others; so is what is of another type.
    let mallory = a.register("mallory").await;
    let labelled = |text: &str| {
        let content = json!({ "ciphertext": text, LABEL: { "room_id": room, "id": text } });
        json!({ "messages": { &bob.id: { &bobs: content } } })
    };
    alice.call(Method::PUT, "sendToDevice/m.other/1", labelled("other")).await;
    mallory.call(Method::PUT, "sendToDevice/m.room.encrypted/1", labelled("forged")).await;
    loop {
        let events = come(&bob).await;
        if events.iter().any(|event| event["content"]["ciphertext"] == "forged") {
            break;
        }
    }
    assert_eq!(ours(&b, &bob, Method::GET, &path, json!({})).await, left);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_delays_the_bundles_of_its_own_users_only() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let slow = Puppet::start(&network, "slow.test").await;
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let (go_on, told) = watch::channel(false);
    slow.script.set(move |asked| {
        let nothing = json!({ "device_keys": {} });
        asked.path.contains("/keys/query").then(|| Reply::Held(told.clone(), nothing))
    });
    let of = async |user: &str| {
        let path = format!("keys/{user}/bundle");
        ours(&a, &alice, Method::POST, &path, json!({ "timeout": 30_000 })).await
    };
    let of_bob = async {
        while slow.asked("/_matrix/federation/v1/user/keys/query") == 0 {
            tokio::task::yield_now().await;
        }
        let bundle = of(&bob.id).await;
        go_on.send_replace(true);
        bundle
    };
    let (of_slow, of_bob) = tokio::join!(of("@mallory:slow.test"), of_bob);
    assert_eq!(of_bob["failures"], json!({}), "{of_bob}");
    // Its server answered, after bob's: had the one waited for the other, it had waited in vain.
    assert_eq!(of_slow["failures"], json!({}), "{of_slow}");
    a.stop().await;
    b.stop().await;
}
