//! Spaces whose rooms are on several servers.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    network::Network,
    user::{User, encode},
};

/// A request to an endpoint of the newer API.
async fn get(user: &User, path: &str) -> Value {
    user.call(Method::GET, &format!("../v1/{path}"), json!({})).await
}

fn names(page: &Value) -> Vec<&str> {
    page["rooms"].as_array().unwrap().iter().map(|room| room["name"].as_str().unwrap()).collect()
}

async fn add(user: &User, space: &str, child: &str, via: &str, order: &str) {
    let path = format!("rooms/{}/state/m.space.child/{}", encode(space), encode(child));
    user.call(Method::PUT, &path, json!({ "via": [via], "order": order })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hierarchy_leads_through_rooms_of_other_servers() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let space = async |user: &User, name: &str| {
        let kind = json!({ "type": "m.space" });
        let body = json!({ "preset": "public_chat", "name": name, "creation_content": kind });
        user.create_room(body).await
    };
    let public = |name: &str| json!({ "preset": "public_chat", "name": name });
    let top = space(&alice, "Top").await;
    let sub = space(&bob, "Sub").await;
    let inside = bob.create_room(public("Inside")).await;
    let secret = bob.create_room(json!({ "preset": "private_chat", "name": "Secret" })).await;
    let last = alice.create_room(public("Last")).await;
    add(&alice, &top, &sub, "b.test", "a").await;
    add(&alice, &top, &last, "a.test", "b").await;
    add(&bob, &sub, &secret, "b.test", "a").await;
    add(&bob, &sub, &inside, "b.test", "b").await;

    let path = format!("rooms/{}/hierarchy", encode(&top));
    let all = get(&alice, &path).await;
    assert_eq!(names(&all), ["Top", "Sub", "Inside", "Last"]);
    assert_eq!(all["rooms"][1]["children_state"].as_array().unwrap().len(), 2);
    assert_eq!(all["rooms"][1]["room_type"], "m.space");
    let summary = get(&alice, &format!("room_summary/{}?via=b.test", encode(&inside))).await;
    assert_eq!((&summary["name"], &summary["membership"]), (&json!("Inside"), &json!("leave")));
    let path = format!("../v1/room_summary/{}?via=b.test", encode(&secret));
    let (status, _) = alice.try_call(Method::GET, &path, json!({})).await;
    assert_eq!(status.as_u16(), 404);

    // What was told is remembered while the other server is away.
    network.cut(&b);
    let path = format!("rooms/{}/hierarchy?limit=2", encode(&top));
    let page = get(&alice, &path).await;
    assert_eq!(names(&page), ["Top", "Sub"]);
    let rest = get(&alice, &format!("{path}&from={}", page["next_batch"].as_str().unwrap())).await;
    assert_eq!(names(&rest), ["Inside", "Last"]);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_of_another_server_is_asked_where_it_is_open() {
    let network = Network::new();
    let open = "\n[room_directory]\npublic_over_federation = true\n";
    let (a, b) = (network.start_with("a.test", open).await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    for name in ["Fish", "Birds"] {
        let body = json!({ "preset": "public_chat", "visibility": "public", "name": name });
        alice.create_room(body).await;
    }
    let mut found = Vec::new();
    let mut since = String::new();
    for _ in 0..2 {
        let path = format!("publicRooms?server=a.test&limit=1{since}");
        let page = bob.call(Method::GET, &path, json!({})).await;
        assert_eq!(page["total_room_count_estimate"], 2);
        found.push(page["chunk"][0]["name"].as_str().unwrap().to_owned());
        since = format!("&since={}", page["next_batch"].as_str().unwrap_or_default());
    }
    found.sort();
    assert_eq!(found, ["Birds", "Fish"]);
    let filter = json!({ "filter": { "generic_search_term": "fish" } });
    let page = bob.call(Method::POST, "publicRooms?server=a.test", filter).await;
    assert_eq!(page["chunk"].as_array().unwrap().len(), 1);
    assert_eq!(page["chunk"][0]["name"], "Fish");

    let (status, answer) =
        alice.try_call(Method::GET, "publicRooms?server=b.test", json!({})).await;
    assert_eq!((status.as_u16(), &answer["errcode"]), (403, &json!("M_FORBIDDEN")));
    let (status, _) = alice.try_call(Method::GET, "publicRooms?server=c.test", json!({})).await;
    assert_eq!(status.as_u16(), 502);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_at_a_time_before_our_own_history_is_asked_for() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = alice.create_room(json!({ "preset": "public_chat" })).await;
    let first = alice.send(&room, "first").await;
    let path = format!("rooms/{}/event/{}", encode(&room), encode(&first));
    let time = alice.call(Method::GET, &path, json!({})).await["origin_server_ts"].clone();
    alice.send(&room, "second").await;
    bob.join(&room, "a.test").await;
    for dir in ["f", "b"] {
        let path = format!("rooms/{}/timestamp_to_event?ts={time}&dir={dir}", encode(&room));
        let found = get(&bob, &path).await;
        assert_eq!(found["origin_server_ts"], time, "{dir}");
    }
    let path = format!("../v1/rooms/{}/timestamp_to_event?ts=1&dir=b", encode(&room));
    let (status, _) = bob.try_call(Method::GET, &path, json!({})).await;
    assert_eq!(status.as_u16(), 404);
    a.stop().await;
    b.stop().await;
}
