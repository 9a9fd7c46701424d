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

#[tokio::test(flavor = "multi_thread")]
async fn guests_come_and_go_as_a_room_of_another_server_lets_them() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, guest) = (a.register("alice").await, b.register_guest().await);
    let room = alice.create_room(json!({ "preset": "private_chat" })).await;
    let closed = alice.create_room(json!({ "preset": "public_chat" })).await;
    for (room, access) in [(&room, "can_join"), (&closed, "forbidden")] {
        alice.set_state(room, "m.room.guest_access", json!({ "guest_access": access })).await;
        let invite = format!("rooms/{}/invite", encode(room));
        alice.call(Method::POST, &invite, json!({ "user_id": guest.id })).await;
        guest.invited(room).await;
    }
    let join = format!("join/{}?via=a.test", encode(&closed));
    let (status, refused) = guest.try_call(Method::POST, &join, json!({})).await;
    assert_eq!(
        (status, refused["errcode"].as_str()),
        (StatusCode::FORBIDDEN, Some("M_GUEST_ACCESS_FORBIDDEN"))
    );
    guest.join(&room, "a.test").await;
    guest.send(&room, "from the guest").await;
    alice.sees(&room, &["from the guest"]).await;

    alice.set_state(&room, "m.room.guest_access", json!({ "guest_access": "forbidden" })).await;
    alice
        .sync_until("the guest leaves", async || {
            alice.membership(&room, &guest.id).await == "leave"
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_learns_that_devices_of_a_closed_account_are_gone_and_reads_no_more_than_before()
 {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let c = network.start("c.test").await;
    let (alice, owner) = (a.register("alice").await, a.register("owner").await);
    let (bob, carol) = (b.register("bob").await, c.register("carol").await);
    let room = owner.create_room(json!({ "preset": "public_chat" })).await;
    alice.join(&room, "a.test").await;
    bob.join(&room, "a.test").await;
    let own = alice.call(Method::GET, "account/whoami", json!({})).await;
    let device = own["device_id"].as_str().unwrap();
    let keys = json!({ "device_keys": {
        "user_id": alice.id, "device_id": device, "algorithms": ["a"],
        "keys": { format!("ed25519:{device}"): "k" }, "signatures": {},
    }});
    alice.call(Method::POST, "keys/upload", keys).await;
    alice.send(&room, "secret").await;
    bob.sees(&room, &["secret"]).await;
    let devices = async || {
        let query = json!({ "timeout": 10_000, "device_keys": { &alice.id: [] } });
        let answer = bob.call(Method::POST, "keys/query", query).await;
        answer["device_keys"][&alice.id].as_object().map_or(0, |devices| devices.len())
    };
    bob.sync_until("the device is known", async || devices().await == 1).await;

    let (status, challenge) =
        alice.try_call(Method::POST, "account/deactivate", json!({ "erase": true })).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let auth = json!({
        "type": "m.login.password", "password": "correct horse", "session": challenge["session"],
        "identifier": { "type": "m.id.user", "user": alice.id },
    });
    let body = json!({ "erase": true, "auth": auth });
    alice.call(Method::POST, "account/deactivate", body).await;
    bob.sync_until("alice has left", async || bob.membership(&room, &alice.id).await == "leave")
        .await;
    // The leave went out after the change of the devices: what is known of them needs no question.
    network.cut(&a);
    assert_eq!(devices().await, 0);
    network.heal(&a);

    // Whom b tells of what it has is not for a to say: carol asks a alone.
    network.cut(&b);
    carol.join(&room, "a.test").await;
    owner.send(&room, "after").await;
    carol.sees(&room, &["after"]).await;
    assert!(!carol.bodies(&room).await.contains(&"secret".to_owned()));
    network.heal(&b);
    assert!(bob.bodies(&room).await.contains(&"secret".to_owned()));
}
