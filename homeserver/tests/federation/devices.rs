//! Devices and keys of users whose servers differ.

use reqwest::Method;
use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedServerName, OwnedTransactionId,
    api::federation::{keys::claim_keys, transactions::send_transaction_message::v1::Request},
    serde::Raw,
    server_name, uint,
};
use sealpost_federation::{Client, client::Limits};
use serde_json::{Value, json};

use crate::{
    network::{Network, Server},
    user::{User, encode},
};

const MASTER: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A user and how far they have synced.
struct Reader {
    user: User,
    since: String,
}

impl Reader {
    async fn new(user: User) -> Self {
        let sync = user.call(Method::GET, "sync?timeout=0", json!({})).await;
        Self { user, since: sync["next_batch"].as_str().unwrap().to_owned() }
    }

    /// Waits until somebody's devices are told to have changed.
    async fn told_of(&mut self, whom: &str) {
        for _ in 0..30 {
            let path = format!("sync?timeout=3000&since={}", self.since);
            let sync = self.user.call(Method::GET, &path, json!({})).await;
            sync["next_batch"].as_str().unwrap().clone_into(&mut self.since);
            let changed = sync["device_lists"]["changed"].as_array();
            if changed.is_some_and(|changed| changed.iter().any(|user| user == whom)) {
                return;
            }
        }
        panic!("nothing was told of {whom}");
    }

    async fn query(&self, whom: &str) -> Value {
        let body = json!({ "timeout": 5_000, "device_keys": { whom: [] } });
        self.user.call(Method::POST, "keys/query", body).await
    }
}

fn device_keys(user: &User, device: &str, fingerprint: &str) -> Value {
    json!({
        "user_id": user.id, "device_id": device, "algorithms": ["m.megolm.v1.aes-sha2"],
        "keys": { format!("ed25519:{device}"): fingerprint }, "signatures": {}, "unsigned": {},
    })
}

/// Sends an EDU in the name of a server.
async fn send_edu(from: (&Client, &str), kind: &str, content: Value) {
    let (client, name) = from;
    let origin = OwnedServerName::try_from(name).unwrap();
    let id = OwnedTransactionId::from(rand::random::<u64>().to_string());
    let mut request = Request::new(id, origin, MilliSecondsSinceUnixEpoch(uint!(1)));
    let edu = json!({ "edu_type": kind, "content": content });
    request.edus = vec![Raw::new(&edu).unwrap().cast_unchecked()];
    client.send(server_name!("a.test"), request, Limits::SMALL).await.unwrap();
}

async fn upload(user: &User, body: Value) {
    user.call(Method::POST, "keys/upload", body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn device_lists_are_followed_and_keys_claimed_across_servers() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = alice.create_room(json!({ "preset": "public_chat" })).await;
    bob.join(&room, "a.test").await;
    bob.send(&room, "here").await;
    alice.sees(&room, &["here"]).await;
    let own = bob.call(Method::GET, "account/whoami", json!({})).await;
    let device = own["device_id"].as_str().unwrap();
    let mut alice = Reader::new(alice).await;

    let keys = device_keys(&bob, device, "first");
    let one_time = json!({ "signed_curve25519:1": { "key": "1" } });
    upload(&bob, json!({ "device_keys": keys, "one_time_keys": one_time })).await;
    alice.told_of(&bob.id).await;
    let answer = alice.query(&bob.id).await;
    assert_eq!(answer["device_keys"], json!({ &bob.id: { device: keys } }), "{answer}");

    let claim = json!({ "one_time_keys": { &bob.id: { device: "signed_curve25519" } } });
    let claimed = alice.user.call(Method::POST, "keys/claim", claim.clone()).await;
    assert_eq!(claimed["one_time_keys"][&bob.id][device], one_time, "{claimed}");
    let claimed = alice.user.call(Method::POST, "keys/claim", claim).await;
    assert!(claimed["one_time_keys"][&bob.id][device].is_null(), "{claimed}");

    // What is followed is known without asking; of others the server is named that could not be asked.
    let offline = async |alice: &Reader, whom: &str| {
        network.cut(&b);
        let answer = alice.query(whom).await;
        network.heal(&b);
        answer
    };
    let answer = offline(&alice, &bob.id).await;
    assert_eq!(answer["device_keys"], json!({ &bob.id: { device: keys } }), "{answer}");
    let unknown = offline(&alice, "@nobody:b.test").await;
    assert!(unknown["failures"]["b.test"].is_object(), "{unknown}");

    // A change comes as a change, and needs no question either.
    let keys = device_keys(&bob, device, "second");
    upload(&bob, json!({ "device_keys": keys })).await;
    alice.told_of(&bob.id).await;
    let answer = offline(&alice, &bob.id).await;
    assert_eq!(answer["device_keys"], json!({ &bob.id: { device: keys } }), "{answer}");
    let master = json!({
        "user_id": bob.id, "usage": ["master"], "keys": { format!("ed25519:{MASTER}"): MASTER },
    });
    let body = json!({ "master_key": master });
    bob.call(Method::POST, "keys/device_signing/upload", body).await;
    alice.told_of(&bob.id).await;
    let answer = offline(&alice, &bob.id).await;
    assert_eq!(answer["master_keys"], json!({ &bob.id: master }), "{answer}");

    malice(&network, &b, &mut alice, &bob, (device, &keys)).await;

    bob.call(Method::POST, "logout", json!({})).await;
    alice.told_of(&bob.id).await;
    let answer = alice.query(&bob.id).await;
    assert_eq!(answer["device_keys"], json!({ &bob.id: {} }), "{answer}");
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_server_takes_the_one_time_keys_of_all_others() {
    use claim_keys::v1::Request;

    let network = Network::new();
    let b = network.start("b.test").await;
    let bob = b.register("bob").await;
    let own = bob.call(Method::GET, "account/whoami", json!({})).await;
    let device = own["device_id"].as_str().unwrap();
    let keys = device_keys(&bob, device, "first");
    let fallback = json!({ "signed_curve25519:F": { "key": "f", "fallback": true } });
    let ids = (0..50).map(|n| (format!("signed_curve25519:{n}"), json!({ "key": "k" })));
    let one_time: serde_json::Map<String, Value> = ids.collect();
    upload(
        &bob,
        json!({ "device_keys": keys, "one_time_keys": one_time, "fallback_keys": fallback }),
    )
    .await;
    let claims: claim_keys::v1::OneTimeKeyClaims =
        serde_json::from_value(json!({ &bob.id: { device: "signed_curve25519" } })).unwrap();
    let mut servers = Vec::new();
    for name in ["c.test", "d.test"] {
        servers.push((network.start(name).await, network.client_of(name)));
    }
    let claim = async |client: &Client| {
        let answer =
            client.send(server_name!("b.test"), Request::new(claims.clone()), Limits::SMALL).await;
        let answer = serde_json::to_value(answer.unwrap().one_time_keys).unwrap();
        let given = answer[&bob.id][device].as_object().unwrap();
        given.keys().next().unwrap() != "signed_curve25519:F"
    };
    let mut given = 0;
    for _ in 0..40 {
        given += u32::from(claim(&servers[0].1).await);
    }
    assert_eq!(given, 30);
    assert!(claim(&servers[1].1).await, "another server's share is its own");
    for (server, _) in servers {
        server.stop().await;
    }
    b.stop().await;
}

/// What others say of bob counts for nothing; what his server says out of turn has all of it fetched again.
async fn malice(
    network: &Network,
    b: &Server,
    alice: &mut Reader,
    bob: &User,
    (device, keys): (&str, &Value),
) {
    let c = network.start("c.test").await;
    let update = json!({
        "user_id": bob.id, "device_id": "GHOST", "stream_id": 1_000_000, "prev_id": [999_999],
        "keys": device_keys(bob, "GHOST", "ghost"),
    });
    let from_c = network.client_of("c.test");
    send_edu((&from_c, "c.test"), "m.device_list_update", update.clone()).await;
    network.cut(b);
    let answer = alice.query(&bob.id).await;
    assert_eq!(answer["device_keys"], json!({ &bob.id: { device: keys } }), "{answer}");
    network.heal(b);

    let from_b = network.client_of("b.test");
    let mut foreign = update.clone();
    foreign["keys"] = device_keys(bob, "OTHER", "ghost");
    send_edu((&from_b, "b.test"), "m.device_list_update", foreign).await;
    send_edu((&from_b, "b.test"), "m.device_list_update", update).await;
    alice.told_of(&bob.id).await;
    network.cut(b);
    let answer = alice.query(&bob.id).await;
    assert!(answer["failures"]["b.test"].is_object(), "what was missed is not made up: {answer}");
    network.heal(b);
    // It is asked again when it shows that it is there.
    let profile = format!("profile/{}", encode(&alice.user.id));
    bob.call(Method::GET, &profile, json!({})).await;
    let answer = alice.query(&bob.id).await;
    assert_eq!(answer["device_keys"], json!({ &bob.id: { device: keys } }), "{answer}");
    c.stop().await;
}
