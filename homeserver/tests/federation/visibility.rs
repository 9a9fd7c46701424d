//! What another server may read of a room: each read path, each history visibility, and each membership of its
//! user. Whatever the visibility hides is served as its redaction, so that the graph stays whole.

use reqwest::Method;
use ruma::{
    EventId, OwnedEventId, RoomId, UInt,
    api::federation::{
        backfill::get_backfill,
        event::{get_event, get_missing_events, get_room_state},
    },
    server_name,
};
use sealpost_federation::{Client, client::Limits};
use serde_json::{Value, json};

use crate::{
    network::Network,
    user::{User, encode},
};

/// What the other server's user is in each phase of the room.
const MEMBERSHIPS: [&str; 5] = ["leave", "invite", "join", "leave", "join"];

/// The rule ("Room History Visibility", for servers): one of its users could see the event when it was sent, or
/// will once they join.
fn sees(visibility: &str, at: usize) -> bool {
    match (visibility, MEMBERSHIPS[at]) {
        ("world_readable" | "shared", _) | (_, "join") => true,
        ("invited", membership) => membership == "invite",
        _ => false,
    }
}

fn body(at: usize) -> String {
    format!("phase {at}")
}

/// Which phases' messages are among events with their content.
fn told<'a>(pdus: impl IntoIterator<Item = &'a str>) -> Vec<bool> {
    let pdus: Vec<Value> = pdus.into_iter().map(|pdu| serde_json::from_str(pdu).unwrap()).collect();
    let has = |at| pdus.iter().any(|pdu| pdu["content"]["body"] == body(at));
    (0..MEMBERSHIPS.len()).map(has).collect()
}

async fn check(client: &Client, room: &str, visibility: &str, events: &[String], end: &str) {
    let from = server_name!("a.test");
    let room = RoomId::parse(room).unwrap();
    let id = |event: &str| -> OwnedEventId { EventId::parse(event).unwrap() };
    let expected: Vec<bool> = (0..MEMBERSHIPS.len()).map(|at| sees(visibility, at)).collect();

    let request = get_backfill::v1::Request::new(room.clone(), vec![id(end)], UInt::from(100_u32));
    let answer = client.send(from, request, Limits::SMALL).await.unwrap();
    let pdus = told(answer.pdus.iter().map(|pdu| pdu.get()));
    assert_eq!(pdus, expected, "backfill, {visibility}");

    let mut request = get_missing_events::v1::Request::new(room.clone(), vec![], vec![id(end)]);
    request.limit = UInt::from(20_u32);
    let answer = client.send(from, request, Limits::SMALL).await.unwrap();
    let pdus = told(answer.events.iter().map(|pdu| pdu.get()));
    assert_eq!(pdus, expected, "get_missing_events, {visibility}");

    for (at, event) in events.iter().enumerate() {
        let request = get_event::v1::Request::new(id(event));
        let answer = client.send(from, request, Limits::SMALL).await.unwrap();
        assert_eq!(told([answer.pdu.get()])[at], expected[at], "event, {visibility}, {at}");
        // State and what authorises it are told whole: without them nothing can be checked.
        let request = get_room_state::v1::Request::new(id(event), room.clone());
        let answer = client.send(from, request, Limits::SMALL).await.unwrap();
        let topics = answer.pdus.iter().map(|pdu| pdu.get()).filter(|pdu| pdu.contains("topic"));
        assert!(topics.into_iter().any(|topic| topic.contains("of all")), "state, {visibility}");
    }
}

async fn visit(client: &Client, (alice, bob): (&User, &User), visibility: &str) {
    let content = json!({ "history_visibility": visibility });
    let visibility_event = json!({ "type": "m.room.history_visibility", "content": content });
    let room = alice
        .create_room(json!({
            "preset": "public_chat", "topic": "of all", "initial_state": [visibility_event],
        }))
        .await;
    let mut events = vec![alice.send(&room, &body(0)).await];
    let invite = json!({ "user_id": bob.id });
    let path = format!("rooms/{}/invite", encode(&room));
    alice.call(Method::POST, &path, invite).await;
    events.push(alice.send(&room, &body(1)).await);
    bob.join(&room, "a.test").await;
    events.push(alice.send(&room, &body(2)).await);
    bob.call(Method::POST, &format!("rooms/{}/leave", encode(&room)), json!({})).await;
    alice.sync_until("the leave", async || alice.membership(&room, &bob.id).await == "leave").await;
    events.push(alice.send(&room, &body(3)).await);
    let from = server_name!("a.test");
    let request = get_event::v1::Request::new(EventId::parse(&*events[2]).unwrap());
    assert!(client.send(from, request, Limits::SMALL).await.is_err(), "nobody of it is there");
    bob.join(&room, "a.test").await;
    events.push(alice.send(&room, &body(4)).await);
    let end = alice.send(&room, "end").await;
    check(client, &room, visibility, &events, &end).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_told_what_the_history_visibility_allows() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let client = network.client_of("b.test");
    for visibility in ["world_readable", "shared", "invited", "joined"] {
        visit(&client, (&alice, &bob), visibility).await;
    }
    a.stop().await;
    b.stop().await;
}
