//! History from before a server was in a room.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    network::Network,
    user::{User, encode},
};

/// The whole history of a room, newest first, page by page.
async fn history(user: &User, room: &str, limit: usize) -> Vec<Value> {
    let (mut events, mut from) = (Vec::new(), String::new());
    for _ in 0..100 {
        let path = format!("rooms/{}/messages?dir=b&limit={limit}{from}", encode(room));
        let page = user.call(Method::GET, &path, json!({})).await;
        events.extend(page["chunk"].as_array().unwrap().iter().cloned());
        match page["end"].as_str() {
            Some(end) => from = format!("&from={}", encode(end)),
            None => return events,
        }
    }
    panic!("history without an end");
}

fn ids(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["event_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_late_reads_the_history_to_its_beginning() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    for version in ["1", "11", "12"] {
        let room =
            alice.create_room(json!({ "room_version": version, "preset": "public_chat" })).await;
        for number in 0..130 {
            alice.send(&room, &format!("early {number}")).await;
            if number == 60 {
                alice.set_state(&room, "m.room.topic", json!({ "topic": "halfway" })).await;
            }
        }
        let regretted = alice.send(&room, "regretted").await;
        let path = format!("rooms/{room}/redact/{}/1", encode(&regretted));
        alice.call(Method::PUT, &path, json!({})).await;
        bob.join(&room, "a.test").await;
        let since = bob.call(Method::GET, "sync", json!({})).await;
        bob.send(&room, "late").await;
        alice.sees(&room, &["late"]).await;

        let (ours, theirs) = (history(&bob, &room, 50).await, history(&alice, &room, 50).await);
        assert_eq!(ids(&ours), ids(&theirs), "version {version}");
        let of = |events: &[Value], id: &str| {
            events.iter().find(|event| event["event_id"] == id).unwrap()["content"].clone()
        };
        assert_eq!(of(&ours, &regretted), json!({}));
        assert_eq!(ours.last().unwrap()["type"], "m.room.create");

        // Around an event from before, and nothing of it is news.
        let early = ours.iter().find(|event| event["content"]["body"] == "early 3").unwrap();
        let path = format!(
            "rooms/{}/context/{}?limit=10",
            encode(&room),
            encode(early["event_id"].as_str().unwrap()),
        );
        let around = bob.call(Method::GET, &path, json!({})).await;
        assert_eq!(around["events_before"][0]["content"]["body"], "early 2");
        assert_eq!(around["events_after"][0]["content"]["body"], "early 4");
        let since = since["next_batch"].as_str().unwrap();
        let path = format!("sync?timeout=0&since={}", encode(since));
        let news = bob.call(Method::GET, &path, json!({})).await;
        let timeline = &news["rooms"]["join"][&room]["timeline"]["events"];
        let bodies: Vec<&Value> =
            timeline.as_array().unwrap().iter().map(|event| &event["content"]["body"]).collect();
        assert_eq!(bodies, ["late"]);
        assert_eq!(bob.state(&room, "m.room.topic").await["topic"], "halfway");
    }
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_that_no_server_tells_ends_where_it_ends_here() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = alice.create_room(json!({ "preset": "public_chat" })).await;
    alice.send(&room, "early").await;
    bob.join(&room, "a.test").await;
    network.cut(&a);
    a.stop().await;
    let here = history(&bob, &room, 20).await;
    assert_eq!(here.len(), 1, "the own join");
    let a = network.start("a.test").await;
    a.stop().await;
    b.stop().await;
}
