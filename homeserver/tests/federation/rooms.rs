//! Rooms on two and three servers in this process.

use reqwest::{Method, StatusCode};
use ruma::RoomVersionId;
use serde_json::{Value, json};

use sealpost_homeserver::storage::{Position, outbox};

use crate::{
    network::Network,
    puppet::Puppet,
    user::{User, encode},
};

/// Both have the same current state.
async fn agree(room: &str, one: &User, other: &User) {
    one.sync_until("the same state", async || {
        one.state_ids(room).await == other.state_ids(room).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_share_a_room_of_every_version() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    for version in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"] {
        let room = alice
            .create_room(
                json!({ "room_version": version, "preset": "public_chat", "name": "Both" }),
            )
            .await;
        alice.send(&room, "before").await;
        bob.join(&room, "a.test").await;
        assert_eq!(bob.state(&room, "m.room.name").await["name"], "Both");
        bob.send(&room, "from b").await;
        alice.sees(&room, &["from b"]).await;
        alice.send(&room, "from a").await;
        bob.sees(&room, &["from b", "from a"]).await;
        agree(&room, &alice, &bob).await;

        // A redaction of a user without power over their own message, and its way to the other server.
        let regretted = bob.send(&room, "regretted").await;
        alice.sees(&room, &["regretted"]).await;
        let path = format!("rooms/{room}/redact/{}/1", encode(&regretted));
        bob.call(Method::PUT, &path, json!({})).await;
        alice
            .sync_until("the redaction", async || {
                !alice.bodies(&room).await.iter().any(|body| body == "regretted")
            })
            .await;
        let kick = json!({ "user_id": bob.id });
        alice.call(Method::POST, &format!("rooms/{room}/kick"), kick.clone()).await;
        bob.sync_until("the kick", async || {
            let joined = bob.call(Method::GET, "joined_rooms", json!({})).await;
            !joined["joined_rooms"].as_array().unwrap().contains(&json!(room))
        })
        .await;
        alice.call(Method::POST, &format!("rooms/{room}/invite"), kick).await;
        bob.invited(&room).await;
        bob.join(&room, "a.test").await;
        bob.send(&room, "again").await;
        alice.sees(&room, &["again"]).await;
        agree(&room, &alice, &bob).await;
    }
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_joined_by_its_alias() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room =
        alice.create_room(json!({ "preset": "public_chat", "room_alias_name": "square" })).await;
    let joined = bob.call(Method::POST, "join/%23square%3Aa.test", json!({})).await;
    assert_eq!(joined["room_id"], room);
    let (status, _) = bob.try_call(Method::POST, "join/%23nowhere%3Aa.test", json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_invited_does_not_get_in_and_who_is_does() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = alice.create_room(json!({ "preset": "private_chat", "name": "Ours" })).await;
    let path = format!("join/{room}?via=a.test");
    let (status, answer) = bob.try_call(Method::POST, &path, json!({})).await;
    assert_eq!((status, &answer["errcode"]), (StatusCode::FORBIDDEN, &json!("M_FORBIDDEN")));

    let invite = json!({ "user_id": bob.id });
    alice.call(Method::POST, &format!("rooms/{room}/invite"), invite).await;
    let stripped = bob.invited(&room).await;
    let name = stripped.as_array().unwrap().iter().find(|event| event["type"] == "m.room.name");
    assert_eq!(name.unwrap()["content"]["name"], "Ours");

    // The invite tells which server can help.
    bob.call(Method::POST, &format!("rooms/{room}/join"), json!({})).await;
    bob.send(&room, "thanks").await;
    alice.sees(&room, &["thanks"]).await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_is_declined_also_when_the_inviter_s_server_is_gone() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let mut rooms = Vec::new();
    for name in ["first", "second"] {
        let invite = json!({ "preset": "private_chat", "name": name, "invite": [bob.id] });
        let room = alice.create_room(invite).await;
        bob.invited(&room).await;
        rooms.push(room);
    }
    bob.call(Method::POST, &format!("rooms/{}/leave", rooms[0]), json!({})).await;
    alice
        .sync_until("the refusal", async || {
            let member = alice.membership(&rooms[0], &bob.id).await;
            member == "leave"
        })
        .await;
    a.stop().await;
    bob.call(Method::POST, &format!("rooms/{}/leave", rooms[1]), json!({})).await;
    let sync = bob.call(Method::GET, "sync?timeout=0", json!({})).await;
    assert!(sync["rooms"]["invite"].as_object().is_none_or(|invites| invites.is_empty()), "{sync}");
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_reaches_the_third_server() {
    let network = Network::new();
    let (a, b, c) = (
        network.start("a.test").await,
        network.start("b.test").await,
        network.start("c.test").await,
    );
    let (alice, bob, carol) =
        (a.register("alice").await, b.register("bob").await, c.register("carol").await);
    let room = alice.create_room(json!({ "preset": "public_chat" })).await;
    bob.join(&room, "a.test").await;
    carol.join(&room, "b.test").await;
    carol.send(&room, "from c").await;
    alice.sees(&room, &["from c"]).await;
    bob.sees(&room, &["from c"]).await;
    agree(&room, &alice, &carol).await;
    for server in [a, b, c] {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_made_while_apart_is_healed() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = alice
        .create_room(json!({
            "room_version": "11", "preset": "public_chat",
            "power_level_content_override": { "users": { &alice.id: 100, &bob.id: 100 } },
        }))
        .await;
    bob.join(&room, "a.test").await;
    bob.send(&room, "together").await;
    alice.sees(&room, &["together"]).await;

    network.cut(&a);
    network.cut(&b);
    for number in 0..5 {
        alice.send(&room, &format!("a {number}")).await;
        bob.send(&room, &format!("b {number}")).await;
    }
    alice.set_state(&room, "m.room.topic", json!({ "topic": "of a" })).await;
    bob.set_state(&room, "m.room.topic", json!({ "topic": "of b" })).await;
    bob.set_state(&room, "m.room.name", json!({ "name": "of b" })).await;

    network.heal(&a);
    network.heal(&b);
    alice.send(&room, "a again").await;
    bob.send(&room, "b again").await;
    let all = ["a 0", "a 4", "b 0", "b 4", "a again", "b again"];
    alice.sees(&room, &all).await;
    bob.sees(&room, &all).await;
    agree(&room, &alice, &bob).await;
    assert_eq!(alice.state(&room, "m.room.name").await["name"], "of b");
    assert_eq!(alice.state(&room, "m.room.topic").await, bob.state(&room, "m.room.topic").await);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_while_a_server_was_stopped_arrives() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = alice.create_room(json!({ "preset": "public_chat" })).await;
    bob.join(&room, "a.test").await;
    network.cut(&b);
    b.stop().await;
    // More than one transaction holds.
    let bodies: Vec<String> = (0..60).map(|number| format!("away {number}")).collect();
    for body in &bodies {
        alice.send(&room, body).await;
    }
    // The outbox survives a restart of the sender too.
    a.stop().await;
    let a = network.start("a.test").await;
    let b = network.start("b.test").await;
    let (alice, bob) = (alice.at(&a.base), bob.at(&b.base));
    bob.sees(&room, &["away 0", "away 59"]).await;
    let seen = bob.bodies(&room).await;
    let arrived: Vec<&String> = seen.iter().filter(|body| body.starts_with("away")).collect();
    assert_eq!(arrived, bodies.iter().collect::<Vec<_>>(), "all, in order, once");
    bob.send(&room, "back").await;
    alice.sees(&room, &["back"]).await;
    a.stop().await;
    b.stop().await;
}

/// What waits on `a` for `b` is lost, as after an outage so long that only the latest events are sent.
/// Meanwhile alice, an administrator, sends `count` messages and then changes the topic.
async fn after_a_gap_of(count: usize) -> (Vec<String>, usize) {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = alice.create_room(json!({ "room_version": "11", "preset": "public_chat" })).await;
    bob.join(&room, "a.test").await;
    network.cut(&b);
    alice.set_state(&room, "m.room.name", json!({ "name": "Early" })).await;
    let bodies: Vec<String> = (0..count).map(|number| format!("lost {number}")).collect();
    for body in &bodies {
        alice.send(&room, body).await;
    }
    alice.set_state(&room, "m.room.topic", json!({ "topic": "Late" })).await;
    a.stop().await;
    let store = network.database("a.test").await;
    let all = Position(i64::MAX);
    store.write(move |tx| outbox::delete_until(tx, "b.test", all)).await.unwrap();
    store.close().await;

    let a = network.start("a.test").await;
    let alice = alice.at(&a.base);
    network.heal(&b);
    alice.send(&room, "after the gap").await;
    bob.sees(&room, &["after the gap"]).await;
    agree(&room, &bob, &alice).await;
    assert_eq!(bob.state(&room, "m.room.name").await["name"], "Early");
    assert_eq!(bob.state(&room, "m.room.topic").await["topic"], "Late");
    bob.send(&room, "back").await;
    alice.sees(&room, &["back"]).await;
    let seen = bob.bodies(&room).await;
    a.stop().await;
    b.stop().await;
    let lost = seen.iter().filter(|body| body.starts_with("lost")).count();
    (seen, lost)
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_events_are_fetched() {
    let (seen, lost) = after_a_gap_of(10).await;
    assert_eq!(lost, 10);
    assert_eq!(seen[seen.len() - 3..], ["lost 9", "after the gap", "back"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_gap_too_long_to_fetch_the_state_is() {
    let (seen, lost) = after_a_gap_of(40).await;
    // What the state was fetched over is read as history.
    assert_eq!(lost, 40);
    assert_eq!(seen[seen.len() - 3..], ["lost 39", "after the gap", "back"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_one_transaction_are_taken_together_and_in_order() {
    let network = Network::new();
    let a = network.start("a.test").await;
    let alice = a.register("alice").await;
    let puppet = Puppet::start(&network, "p.test").await;
    let version = json!({ "preset": "public_chat", "room_version": "11" });
    let id = alice.create_room(version).await;
    let mut room = puppet.join("a.test", &id, RoomVersionId::V11).await;

    let astray = 20;
    let (mut pdus, mut ids, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..49 {
        let body = format!("number {number}");
        let mut event = puppet.draft(&room, &body);
        if number == astray {
            let nobodys = format!("${}", "a".repeat(43));
            let prev = serde_json::from_value(json!([nobodys])).unwrap();
            event.insert("prev_events".to_owned(), prev);
        }
        let (event_id, raw) = puppet.sign(&mut event, room.rules);
        pdus.push(raw);
        ids.push(event_id.clone());
        if number != astray {
            bodies.push(json!(body));
            room.last = event_id;
            room.depth += 1;
        }
    }
    // One stands in it twice.
    pdus.push(pdus[0].clone());
    let answers = puppet.transaction("a.test", pdus, Vec::new()).await.unwrap();
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(answers[id].is_ok(), number != astray, "{number}: {:?}", answers[id]);
    }
    let path = format!("rooms/{}/messages?dir=b&limit=60", encode(&id));
    let history = alice.call(Method::GET, &path, json!({})).await;
    let told = history["chunk"].as_array().unwrap().iter().rev();
    let told = told.map(|event| event["content"]["body"].clone());
    assert_eq!(told.filter(Value::is_string).collect::<Vec<_>>(), bodies);
}
