//! Who types, who has read and who is there, seen from another server.

use std::time::Duration;

use reqwest::Method;
use ruma::{EventId, RoomVersionId};
use serde_json::{Value, json};

use crate::{
    network::{Fault, Network},
    puppet::{Puppet, Reply},
    user::{User, encode},
};

/// Syncs until what `looks` for is in an answer.
async fn until(user: &User, what: &str, mut looks: impl FnMut(&Value) -> bool) {
    let mut since = String::new();
    let waiting = async {
        loop {
            let query = match since.as_str() {
                "" => "sync?timeout=0".to_owned(),
                since => format!("sync?timeout=2000&since={since}"),
            };
            let sync = user.call(Method::GET, &query, json!({})).await;
            if looks(&sync) {
                return;
            }
            since = sync["next_batch"].as_str().unwrap().to_owned();
        }
    };
    let done = tokio::time::timeout(std::time::Duration::from_secs(60), waiting).await;
    assert!(done.is_ok(), "{} waited in vain for {what}", user.id);
}

fn content<'a>(sync: &'a Value, room: &str, kind: &str) -> Option<&'a Value> {
    let events = sync["rooms"]["join"][room]["ephemeral"]["events"].as_array()?;
    events.iter().find(|event| event["type"] == kind).map(|event| &event["content"])
}

/// A connection that breaks, as idle ones do, loses nothing of what is of worth for a moment only.
#[tokio::test(flavor = "multi_thread")]
async fn who_types_is_told_again_after_a_connection_broke() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = alice.create_room(json!({ "preset": "public_chat" })).await;
    bob.join(&room, "a.test").await;
    alice.send(&room, "hello").await;
    bob.sees(&room, &["hello"]).await;

    network.fault("a.test", "b.test", Fault::Cut);
    let path = format!("rooms/{}/typing/{}", encode(&room), encode(&alice.id));
    alice.call(Method::PUT, &path, json!({ "typing": true, "timeout": 60_000 })).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    network.fault("a.test", "b.test", Fault::None);
    until(&bob, "typing", |sync| content(sync, &room, "m.typing").is_some()).await;
    a.stop().await;
    b.stop().await;
}

/// What is sent again is the same to a server that took it, whatever else would go along.
#[tokio::test(flavor = "multi_thread")]
async fn who_types_is_told_beside_what_is_sent_again_because_its_answer_was_lost() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = alice.create_room(json!({ "preset": "public_chat" })).await;
    bob.join(&room, "a.test").await;
    alice.send(&room, "over a connection that stays").await;
    bob.sees(&room, &["over a connection that stays"]).await;

    network.fault("a.test", "b.test", Fault::LoseAnswers);
    alice.send(&room, "hello").await;
    bob.sees(&room, &["hello"]).await;
    let path = format!("rooms/{}/typing/{}", encode(&room), encode(&alice.id));
    alice.call(Method::PUT, &path, json!({ "typing": true, "timeout": 60_000 })).await;
    network.fault("a.test", "b.test", Fault::None);
    until(&bob, "typing", |sync| content(sync, &room, "m.typing").is_some()).await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_receipts_and_presence_cross_in_both_directions() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = alice.create_room(json!({ "preset": "public_chat" })).await;
    bob.join(&room, "a.test").await;
    for (from, to) in [(&alice, &bob), (&bob, &alice)] {
        let body = format!("from {}", from.id);
        let event = from.send(&room, &body).await;
        to.sees(&room, &[&body]).await;

        let path = format!("rooms/{}/typing/{}", encode(&room), encode(&from.id));
        from.call(Method::PUT, &path, json!({ "typing": true, "timeout": 30_000 })).await;
        until(to, "typing", |sync| {
            content(sync, &room, "m.typing")
                .is_some_and(|typing| typing["user_ids"] == json!([from.id]))
        })
        .await;
        from.call(Method::PUT, &path, json!({ "typing": false })).await;
        let mut typed = false;
        until(to, "the end of typing", |sync| match content(sync, &room, "m.typing") {
            Some(typing) => {
                typed |= typing["user_ids"] == json!([from.id]);
                typing["user_ids"] == json!([])
            }
            None => !typed,
        })
        .await;

        let read = format!("rooms/{}/receipt/m.read/{}", encode(&room), encode(&event));
        to.call(Method::POST, &read, json!({})).await;
        until(from, "a receipt", |sync| {
            content(sync, &room, "m.receipt")
                .is_some_and(|receipts| receipts[&event]["m.read"][&to.id]["ts"].is_i64())
        })
        .await;

        let status = json!({ "presence": "online", "status_msg": body });
        from.call(Method::PUT, &format!("presence/{}/status", encode(&from.id)), status).await;
        until(to, "presence", |sync| {
            let events = sync["presence"]["events"].as_array();
            events.is_some_and(|events| {
                let theirs = |event: &&Value| event["sender"] == from.id.as_str();
                let told = events.iter().find(theirs);
                told.is_some_and(|event| event["content"]["status_msg"] == body.as_str())
            })
        })
        .await;
    }

    // A receipt is kept for a server that is away, over a restart of the one that tells.
    let event = alice.send(&room, "kept").await;
    bob.sees(&room, &["kept"]).await;
    network.cut(&a);
    let read = format!("rooms/{}/receipt/m.read/{}", encode(&room), encode(&event));
    bob.call(Method::POST, &read, json!({})).await;
    b.stop().await;
    let _b = network.start("b.test").await;
    network.heal(&a);
    until(&alice, "a receipt that was kept", |sync| {
        content(sync, &room, "m.receipt")
            .is_some_and(|receipts| receipts[&event]["m.read"][&bob.id]["ts"].is_i64())
    })
    .await;
}

/// As when a receipt comes straight from its server and the event does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_comes_before_its_event_counts_when_the_event_is_there() {
    let network = Network::new();
    let a = network.start("a.test").await;
    let puppet = Puppet::start(&network, "puppet.test").await;
    let alice = a.register("alice").await;
    let new = json!({ "room_version": "11", "preset": "public_chat" });
    let id = alice.create_room(new).await;
    let room = puppet.join("a.test", &id, RoomVersionId::V11).await;
    let (gap, gap_raw) = puppet.sign(&mut puppet.draft(&room, "in a gap"), room.rules);
    let mut after = room.clone();
    (after.last, after.depth) = (gap.clone(), room.depth + 1);
    let (_, last) = puppet.sign(&mut puppet.draft(&after, "after the gap"), room.rules);

    let receipt = |user: &str, event: &EventId| {
        json!({ "edu_type": "m.receipt", "content": {
            &id: { "m.read": { user: { "event_ids": [event], "data": { "ts": 1 } } } },
        } })
    };
    let own = receipt(room.user.as_str(), &gap);
    let foreign = receipt("@stranger:puppet.test", &gap);
    puppet.transaction("a.test", Vec::new(), vec![own, foreign]).await.unwrap();
    let missing = json!({ "events": [serde_json::from_str::<Value>(gap_raw.get()).unwrap()] });
    puppet.script.set(move |asked| {
        let is_asked = asked.path.contains("/get_missing_events/");
        is_asked.then(|| Reply::Json(200, missing.clone()))
    });
    puppet.transaction("a.test", vec![last], Vec::new()).await.unwrap();
    alice.sees(&id, &["in a gap", "after the gap"]).await;
    until(&alice, "the receipt", |sync| {
        content(sync, &id, "m.receipt").is_some_and(|receipts| {
            let readers = receipts[gap.as_str()]["m.read"].as_object().unwrap();
            assert_eq!(readers.len(), 1);
            readers.contains_key(room.user.as_str())
        })
    })
    .await;
    a.stop().await;
}
