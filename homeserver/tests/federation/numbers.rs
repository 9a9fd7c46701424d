//! Rooms of old versions have events with any number in them, and so have the transactions that carry these.

use reqwest::Method;
use ruma::{CanonicalJsonValue, RoomVersionId};
use serde_json::{Value, json};

use crate::{network::Network, puppet::Puppet, user::encode};

async fn content(user: &crate::user::User, room: &str, event: &str) -> Value {
    let path = format!("rooms/{}/event/{}", encode(room), encode(event));
    user.call(Method::GET, &path, json!({})).await["content"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_with_a_fraction_goes_from_server_to_server() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let new = json!({ "room_version": "1", "preset": "public_chat" });
    let room = alice.create_room(new).await;
    let told = json!({ "msgtype": "m.text", "body": "half", "half": 0.5, "large": 1e16 });
    let path = format!("rooms/{}/send/m.room.message/1", encode(&room));
    // In the state that bob gets when he joins, and in a transaction.
    alice.set_state(&room, "m.test", json!({ "half": 1.5 })).await;
    bob.join(&room, "a.test").await;
    assert_eq!(bob.state(&room, "m.test").await, json!({ "half": 1.5 }));
    let sent = alice.call(Method::PUT, &path, told.clone()).await;
    let sent = sent["event_id"].as_str().unwrap();
    bob.sees(&room, &["half"]).await;
    assert_eq!(content(&bob, &room, sent).await, told);

    // Of a version that forbids them it is refused, and what came with it is not.
    let puppet = Puppet::start(&network, "puppet.test").await;
    let strict = alice.create_room(json!({ "room_version": "11", "preset": "public_chat" })).await;
    let joined = puppet.join("a.test", &strict, RoomVersionId::V11).await;
    let mut good = puppet.draft(&joined, "good");
    let (good, raw) = puppet.sign(&mut good, joined.rules);
    let mut bad = puppet.draft(&joined, "bad");
    bad.insert("depth".to_owned(), CanonicalJsonValue::Integer(7.into()));
    let (_, bad) = puppet.sign(&mut bad, joined.rules);
    let bad = bad.get().replace("\"depth\":7", "\"depth\":7.5");
    let bad = serde_json::value::RawValue::from_string(bad).unwrap();
    let answers = puppet.transaction("a.test", vec![bad, raw], Vec::new()).await.unwrap();
    assert_eq!(answers.into_iter().collect::<Vec<_>>(), [(good, Ok(()))]);
    assert_eq!(alice.bodies(&strict).await, ["good"]);
    a.stop().await;
    b.stop().await;
}
