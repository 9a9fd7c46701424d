//! What users set for themselves, seen from another server.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::{network::Network, user::encode};

#[tokio::test(flavor = "multi_thread")]
async fn profiles_invite_blocking_and_counts_work_across_servers() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let own = |field: &str| format!("profile/{}/{field}", encode(&bob.id));
    bob.call(Method::PUT, &own("displayname"), json!({ "displayname": "Bob" })).await;
    bob.call(Method::PUT, &own("m.tz"), json!({ "m.tz": "Europe/London" })).await;
    let path = format!("profile/{}", encode(&bob.id));
    let profile = alice.call(Method::GET, &path, json!({})).await;
    assert_eq!(profile, json!({ "displayname": "Bob", "m.tz": "Europe/London" }));
    let zone = alice.call(Method::GET, &own("m.tz"), json!({})).await;
    assert_eq!(zone, json!({ "m.tz": "Europe/London" }));
    let (status, none) = alice.try_call(Method::GET, &own("avatar_url"), json!({})).await;
    assert_eq!((status, none["errcode"].as_str()), (StatusCode::NOT_FOUND, Some("M_NOT_FOUND")));
    let (status, _) = alice.try_call(Method::GET, "profile/@nobody:b.test", json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);

    let room = alice.create_room(json!({ "preset": "public_chat" })).await;
    let config = format!("user/{}/account_data/m.invite_permission_config", encode(&bob.id));
    bob.call(Method::PUT, &config, json!({ "default_action": "block" })).await;
    let invite = format!("rooms/{}/invite", encode(&room));
    let (status, refused) =
        alice.try_call(Method::POST, &invite, json!({ "user_id": bob.id })).await;
    assert_eq!(
        (status, refused["errcode"].as_str()),
        (StatusCode::FORBIDDEN, Some("M_INVITE_BLOCKED"))
    );

    bob.join(&room, "a.test").await;
    bob.send(&room, "from b").await;
    alice.sees(&room, &["from b"]).await;
    bob.sync_until("the messages of alice are counted", async || {
        let sync = bob.call(Method::GET, "sync", json!({})).await;
        let unread = &sync["rooms"]["join"][&room]["unread_notifications"];
        match unread["notification_count"].as_u64() {
            Some(1) => true,
            _ => {
                alice.send(&room, "from a").await;
                false
            }
        }
    })
    .await;
    let sync = alice.call(Method::GET, "sync", json!({})).await;
    let unread = &sync["rooms"]["join"][&room]["unread_notifications"];
    assert_eq!(unread["notification_count"], 0, "who answers has read");
}
