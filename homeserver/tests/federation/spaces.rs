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
