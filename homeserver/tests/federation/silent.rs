//! Servers that do not answer: who asks for something of theirs is told so at once.

use reqwest::{Method, StatusCode};
use sealpost_homeserver::clock::Clock;
use serde_json::json;

use crate::{
    network::Network,
    puppet::now,
    user::{User, encode},
};

async fn status(user: &User, path: &str) -> StatusCode {
    user.try_call(Method::GET, path, json!({})).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_a_server_that_was_down_is_told_at_once_until_it_is_heard_from() {
    let network = Network::new();
    let clock = Clock::fixed(now());
    let a = network.start_at("a.test", clock.clone()).await;
    let open = "\n[room_directory]\npublic_over_federation = true\n";
    let b = network.start_with("b.test", open).await;
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let new = json!({ "preset": "public_chat", "room_alias_name": "room" });
    let room = bob.create_room(new).await;
    let profile = format!("profile/{}", encode(&bob.id));
    let fails = async || {
        network.cut(&b);
        assert_eq!(status(&alice, &profile).await, StatusCode::BAD_GATEWAY);
        network.heal(&b);
    };

    fails().await;
    // It could be reached again: nobody tries.
    let alias = format!("directory/room/{}", encode("#room:b.test"));
    for path in [&profile, "publicRooms?server=b.test"] {
        assert_eq!(status(&alice, path).await, StatusCode::BAD_GATEWAY, "{path}");
    }
    let keys = json!({ "device_keys": { &bob.id: [] } });
    let claim = json!({ "one_time_keys": { &bob.id: { "DEVICE": "signed_curve25519" } } });
    for (path, asked) in [("keys/query", keys.clone()), ("keys/claim", claim)] {
        let answer = alice.call(Method::POST, path, asked).await;
        assert!(answer["failures"]["b.test"].is_object(), "{path}: {answer}");
    }

    // After a while somebody does.
    clock.advance(30_000);
    for path in [&profile, "publicRooms?server=b.test", &alias] {
        assert_eq!(status(&alice, path).await, StatusCode::OK, "{path}");
    }
    let answer = alice.call(Method::POST, "keys/query", keys).await;
    assert!(answer["device_keys"][&bob.id].is_object(), "{answer}");

    // A question of its own is a sign of life.
    fails().await;
    assert_eq!(status(&bob, &format!("profile/{}", encode(&alice.id))).await, StatusCode::OK);
    assert_eq!(status(&alice, &profile).await, StatusCode::OK);

    // Who wants to enter a room has it tried, now and then.
    network.cut(&b);
    for path in [&profile, &alias] {
        assert_eq!(status(&alice, path).await, StatusCode::BAD_GATEWAY, "{path}");
    }
    network.heal(&b);
    assert_eq!(status(&alice, &alias).await, StatusCode::BAD_GATEWAY);
    clock.advance(5_000);
    assert_eq!(status(&alice, &alias).await, StatusCode::OK);
    fails().await;
    assert_eq!(status(&alice, &alias).await, StatusCode::OK);
    fails().await;
    let join = format!("join/{}", encode("#room:b.test"));
    let (joined, _) = alice.try_call(Method::POST, &join, json!({})).await;
    assert_eq!(joined, StatusCode::OK);
    assert_eq!(alice.membership(&room, &alice.id).await, "join");
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nobody_was_reached_the_first_that_is_heard_from_has_all_tried_again() {
    let network = Network::new();
    let a = network.start_at("a.test", Clock::fixed(now())).await;
    let (b, c) = (network.start("b.test").await, network.start("c.test").await);
    let alice = a.register("alice").await;
    let (bob, carol) = (b.register("bob").await, c.register("carol").await);
    let profiles = [&bob, &carol].map(|user| format!("profile/{}", encode(&user.id)));
    network.cut(&b);
    network.cut(&c);
    for profile in &profiles {
        assert_eq!(status(&alice, profile).await, StatusCode::BAD_GATEWAY);
    }
    network.heal(&b);
    network.heal(&c);
    assert_eq!(status(&alice, &profiles[0]).await, StatusCode::BAD_GATEWAY);
    assert_eq!(status(&carol, &format!("profile/{}", encode(&alice.id))).await, StatusCode::OK);
    for profile in &profiles {
        assert_eq!(status(&alice, profile).await, StatusCode::OK);
    }
    for server in [a, b, c] {
        server.stop().await;
    }
}
