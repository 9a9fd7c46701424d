//! What was said in a room before this server came, or while it was away, read from the others.

use reqwest::Method;
use serde_json::{Value, json};

use sealpost_homeserver::storage::{Position, Tx, outbox};

use crate::{
    network::Network,
    user::{User, encode},
};

/// The ids of all events that the user can page back to, the newest first, and the pages' sizes.
async fn history(user: &User, room: &str, limit: usize) -> (Vec<String>, Vec<usize>) {
    let (mut ids, mut sizes, mut from) = (Vec::new(), Vec::new(), String::new());
    loop {
        let path = format!("rooms/{}/messages?dir=b&limit={limit}{from}", encode(room));
        let page = user.call(Method::GET, &path, json!({})).await;
        let events = page["chunk"].as_array().unwrap();
        sizes.push(events.len());
        ids.extend(events.iter().map(|event| event["event_id"].as_str().unwrap().to_owned()));
        match page["end"].as_str() {
            Some(end) => from = format!("&from={}", encode(end)),
            None => return (ids, sizes),
        }
    }
}

async fn synced(user: &User, since: &str) -> Value {
    let path = format!("sync?timeout=0{since}");
    user.call(Method::GET, &path, json!({})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn history_from_before_a_join_is_read_back_to_the_beginning() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = alice.create_room(json!({ "preset": "public_chat", "name": "Old" })).await;
    for number in 0..130 {
        alice.send(&room, &format!("line {number}")).await;
    }
    alice.set_state(&room, "m.room.topic", json!({ "topic": "changed" })).await;
    bob.join(&room, "a.test").await;
    alice.send(&room, "welcome").await;
    bob.sees(&room, &["welcome"]).await;

    let first = synced(&bob, "").await;
    let timeline = &first["rooms"]["join"][&room]["timeline"];
    assert_eq!(timeline["limited"], true, "there is more before the join: {timeline}");

    let (ours, sizes) = history(&bob, &room, 50).await;
    let (theirs, _) = history(&alice, &room, 50).await;
    assert_eq!(ours, theirs);
    assert!(ours.len() > 130, "{sizes:?}");
    assert!(sizes.iter().rev().skip(1).all(|size| *size == 50), "{sizes:?}");

    // It is history: nobody is told of it as news.
    let since = format!("&since={}", first["next_batch"].as_str().unwrap());
    let next = synced(&bob, &since).await;
    assert!(next["rooms"]["join"].get(&room).is_none(), "{next}");

    // From here on it is here, and its state with it.
    network.cut(&a);
    assert_eq!(history(&bob, &room, 50).await.0, theirs);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_while_a_server_was_not_in_the_room_stands_in_its_place() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = alice.create_room(json!({ "preset": "public_chat" })).await;
    bob.join(&room, "a.test").await;
    bob.send(&room, "before").await;
    alice.sees(&room, &["before"]).await;
    bob.call(Method::POST, &format!("rooms/{}/leave", encode(&room)), json!({})).await;
    alice.sync_until("the leave", async || alice.membership(&room, &bob.id).await == "leave").await;
    for number in 0..30 {
        alice.send(&room, &format!("line {number}")).await;
    }
    bob.join(&room, "a.test").await;
    alice.send(&room, "welcome").await;
    bob.sees(&room, &["welcome"]).await;
    assert_eq!(history(&bob, &room, 10).await.0, history(&alice, &room, 10).await.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_long_outage_sync_says_that_there_is_more_and_pages_lead_to_it() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = alice.create_room(json!({ "preset": "public_chat" })).await;
    bob.join(&room, "a.test").await;
    bob.send(&room, "before").await;
    alice.sees(&room, &["before"]).await;
    let since = synced(&bob, "").await["next_batch"].as_str().unwrap().to_owned();

    // Nobody sends what was said meanwhile: the room's server has lost its queue.
    network.cut(&b);
    for number in 0..60 {
        alice.send(&room, &format!("line {number}")).await;
    }
    network.cut(&a);
    a.stop().await;
    let store = network.database("a.test").await;
    let everything = Position(i64::MAX);
    let forget = move |tx: &mut Tx<'_>| outbox::delete_until(tx, "b.test", everything);
    store.write(forget).await.unwrap();
    store.close().await;
    let a = network.start("a.test").await;
    network.heal(&b);
    let alice = alice.at(&a.base);
    alice.send(&room, "after").await;
    bob.sees(&room, &["after"]).await;

    let news = synced(&bob, &format!("&since={since}")).await;
    let timeline = &news["rooms"]["join"][&room]["timeline"];
    assert_eq!(timeline["limited"], true, "{timeline}");
    assert_eq!(history(&bob, &room, 10).await.0, history(&alice, &room, 10).await.0);
}
