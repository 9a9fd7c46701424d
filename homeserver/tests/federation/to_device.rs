//! Messages to devices on another server.

use reqwest::Method;
use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedServerName,
    api::federation::transactions::send_transaction_message::v1::Request, serde::Raw,
};
use sealpost_federation::client::Limits;
use serde_json::{Value, json};

use crate::{
    network::Network,
    user::{User, encode},
};

async fn send(from: &User, to: &str, number: usize) {
    let path = format!("sendToDevice/m.test/{number}");
    let body = json!({ "messages": { to: { "*": { "n": number } } } });
    from.call(Method::PUT, &path, body).await;
}

/// What has come since a token, until so many have.
async fn receive(user: &User, since: &mut String, count: usize) -> Vec<Value> {
    let mut events = Vec::new();
    let waiting = async {
        while events.len() < count {
            let query = match since.as_str() {
                "" => "sync?timeout=0".to_owned(),
                since => format!("sync?timeout=5000&since={since}"),
            };
            let sync = user.call(Method::GET, &query, json!({})).await;
            events.extend(sync["to_device"]["events"].as_array().cloned().unwrap_or_default());
            *since = sync["next_batch"].as_str().unwrap().to_owned();
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(90), waiting).await.unwrap();
    events
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["content"]["n"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_come_in_order_and_once_through_restarts_of_both_servers() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let mut since = String::new();
    send(&alice, &bob.id, 0).await;
    let events = receive(&bob, &mut since, 1).await;
    let expected = json!({ "content": { "n": 0 }, "sender": alice.id, "type": "m.test" });
    assert_eq!(events, [expected]);

    network.cut(&b);
    for n in 1..120 {
        send(&alice, &bob.id, n).await;
    }
    a.stop().await;
    b.stop().await;
    let a = network.start("a.test").await;
    let alice = alice.at(&a.base);
    send(&alice, &bob.id, 120).await;
    let b = network.start("b.test").await;
    let bob = bob.at(&b.base);
    let events = receive(&bob, &mut since, 120).await;
    assert_eq!(numbers(&events), (1..=120).collect::<Vec<_>>());

    // Delivered and not acknowledged before a restart: they come again.
    send(&bob, &alice.id, 1).await;
    let mut at_alice = String::new();
    receive(&alice, &mut at_alice, 1).await;
    a.stop().await;
    let a = network.start("a.test").await;
    let alice = alice.at(&a.base);
    assert_eq!(numbers(&receive(&alice, &mut String::new(), 1).await), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_repeated_forged_or_for_others_is_not_delivered() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let bob = b.register("bob").await;
    let mut since = String::new();
    receive(&bob, &mut since, 0).await;
    let client = network.client_of("a.test");
    let edu = |id: &str, sender: &str, to: &str, n: usize| {
        json!({ "edu_type": "m.direct_to_device", "content": {
            "sender": sender, "type": "m.test", "message_id": id,
            "messages": { to: { "*": { "n": n } } },
        } })
    };
    let mut transaction = 0;
    let mut tell = async |edus: Vec<Value>| {
        transaction += 1;
        let now = MilliSecondsSinceUnixEpoch::now();
        let origin = OwnedServerName::try_from("a.test").unwrap();
        let mut request = Request::new(transaction.to_string().into(), origin, now);
        request.edus = edus.iter().map(|edu| Raw::new(edu).unwrap().cast_unchecked()).collect();
        let limits = Limits { timeout: std::time::Duration::from_secs(30), max_bytes: 1 << 20 };
        let server = OwnedServerName::try_from("b.test").unwrap();
        client.send(&server, request, limits).await.unwrap();
    };
    let alice = "@alice:a.test";
    tell(vec![
        edu("1", alice, &bob.id, 1),
        edu("1", alice, &bob.id, 2),
        edu("2", "@bob:b.test", &bob.id, 3),
        edu("3", alice, alice, 4),
        json!({ "edu_type": "m.direct_to_device", "content": [] }),
    ])
    .await;
    tell(vec![edu("1", alice, &bob.id, 5)]).await;
    b.stop().await;
    let b = network.start("b.test").await;
    let bob = bob.at(&b.base);
    tell(vec![edu("1", alice, &bob.id, 6), edu("4", alice, &bob.id, 7)]).await;
    assert_eq!(numbers(&receive(&bob, &mut since, 2).await), [1, 7]);
    let quiet = bob.call(Method::GET, &format!("sync?since={}", encode(&since)), json!({})).await;
    assert!(quiet.get("to_device").is_none(), "{quiet}");
    a.stop().await;
}
