//! Knocks and restricted joins between servers.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use sealpost_homeserver::storage::rooms;

use crate::{
    network::Network,
    puppet::{Puppet, Reply},
    user::{User, encode},
};

async fn room_with(user: &User, name: &str, rules: Value) -> String {
    user.create_room(json!({
        "preset": "private_chat",
        "name": name,
        "initial_state": [{ "type": "m.room.join_rules", "content": rules }],
    }))
    .await
}

async fn knock(user: &User, room: &str, via: &str) -> (StatusCode, Value) {
    let path = format!("knock/{}?via={via}", encode(room));
    user.try_call(Method::POST, &path, json!({ "reason": "please" })).await
}

/// Whether a user's sync shows a room under `rooms.{block}`.
async fn shows(user: &User, block: &str, room: &str) -> bool {
    let sync = user.call(Method::GET, "sync?timeout=0", json!({})).await;
    sync["rooms"][block][room].is_object()
}

async fn change(user: &User, what: &str, room: &str, whom: &User) {
    let path = format!("rooms/{}/{what}", encode(room));
    user.call(Method::POST, &path, json!({ "user_id": whom.id })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_knock_crosses_servers_with_every_answer_to_it() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = room_with(&alice, "Ours", json!({ "join_rule": "knock" })).await;
    let is = async |membership: &str| {
        alice
            .sync_until(membership, async || alice.membership(&room, &bob.id).await == membership)
            .await;
    };

    let (status, answer) = knock(&bob, &room, "a.test").await;
    assert_eq!((status, &answer["room_id"]), (StatusCode::OK, &json!(room)), "{answer}");
    is("knock").await;
    let sync = bob.call(Method::GET, "sync?timeout=0", json!({})).await;
    let told = sync["rooms"]["knock"][&room]["knock_state"]["events"].as_array().unwrap();
    let name = told.iter().find(|event| event["type"] == "m.room.name").unwrap();
    assert_eq!(name["content"]["name"], "Ours");
    let own = told.iter().find(|event| event["type"] == "m.room.member").unwrap();
    assert_eq!(own["content"]["reason"], "please");

    // Taken back by the one who knocks.
    bob.call(Method::POST, &format!("rooms/{}/leave", encode(&room)), json!({})).await;
    is("leave").await;
    assert!(!shows(&bob, "knock", &room).await);

    // Rejected: the server that is not in the room is told.
    knock(&bob, &room, "a.test").await;
    change(&alice, "kick", &room, &bob).await;
    bob.sync_until("the rejection", async || !shows(&bob, "knock", &room).await).await;

    // An invite that is taken back ends likewise.
    change(&alice, "invite", &room, &bob).await;
    bob.invited(&room).await;
    change(&alice, "kick", &room, &bob).await;
    bob.sync_until("the end of the invite", async || !shows(&bob, "invite", &room).await).await;

    // Accepted.
    knock(&bob, &room, "a.test").await;
    change(&alice, "invite", &room, &bob).await;
    bob.invited(&room).await;
    assert!(!shows(&bob, "knock", &room).await);
    bob.call(Method::POST, &format!("rooms/{}/join", encode(&room)), json!({})).await;
    bob.send(&room, "thanks").await;
    alice.sees(&room, &["thanks"]).await;

    let private = room_with(&alice, "Private", json!({ "join_rule": "invite" })).await;
    let (status, answer) = knock(&bob, &private, "a.test").await;
    assert_eq!((status, &answer["errcode"]), (StatusCode::FORBIDDEN, &json!("M_FORBIDDEN")));
    let (status, _) = knock(&bob, "!nowhere", "a.test").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_join_is_vouched_for_by_a_server_that_can() {
    let network = Network::new();
    let (a, b, c) = (
        network.start("a.test").await,
        network.start("b.test").await,
        network.start("c.test").await,
    );
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let (carol, dora) = (c.register("carol").await, b.register("dora").await);
    let space = alice.create_room(json!({ "preset": "public_chat" })).await;
    let allow = json!([{ "type": "m.room_membership", "room_id": space }]);
    let room =
        room_with(&alice, "Ours", json!({ "join_rule": "restricted", "allow": allow })).await;
    // Only alice may invite, so only her server can vouch.
    let levels = json!({ "invite": 50, "events_default": 0, "users_default": 0 });
    alice.set_state(&room, "m.room.power_levels", levels).await;

    let try_join = async |user: &User, via: &str| {
        let path = format!("join/{}?via={via}", encode(&room));
        let (status, answer) = user.try_call(Method::POST, &path, json!({})).await;
        (status, answer["errcode"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(try_join(&bob, "a.test").await, (StatusCode::FORBIDDEN, "M_FORBIDDEN".to_owned()));
    bob.join(&space, "a.test").await;
    assert_eq!(try_join(&bob, "a.test").await.0, StatusCode::OK);
    let path = format!("rooms/{}/state/m.room.member/{}", encode(&room), encode(&bob.id));
    let member = bob.call(Method::GET, &path, json!({})).await;
    assert_eq!(member["join_authorised_via_users_server"], alice.id);
    bob.send(&room, "from b").await;
    alice.sees(&room, &["from b"]).await;

    // b.test is in the room and in the space, and none of its users may invite.
    carol.join(&space, "a.test").await;
    bob.sync_until("carol in the space", async || {
        bob.state_ids(&space).await == carol.state_ids(&space).await
    })
    .await;
    let refused = (StatusCode::BAD_REQUEST, "M_UNABLE_TO_GRANT_JOIN".to_owned());
    assert_eq!(try_join(&carol, "b.test").await, refused);
    assert_eq!(try_join(&carol, "b.test&via=a.test").await.0, StatusCode::OK);

    // Another user of a server that is in the room already, whose users can't vouch.
    assert_eq!(try_join(&dora, "b.test").await.0, StatusCode::FORBIDDEN);
    dora.join(&space, "a.test").await;
    alice
        .sync_until("dora in the space", async || {
            alice.state_ids(&space).await == dora.state_ids(&space).await
        })
        .await;
    assert_eq!(try_join(&dora, "b.test").await.0, StatusCode::OK);
    dora.send(&room, "from dora").await;
    alice.sees(&room, &["from b", "from dora"]).await;
    bob.sees(&room, &["from b", "from dora"]).await;
    carol.sees(&room, &["from dora"]).await;

    // A condition that the asked server knows nothing of.
    let elsewhere = bob.create_room(json!({ "preset": "public_chat" })).await;
    let allow = json!([{ "type": "m.room_membership", "room_id": elsewhere }]);
    let other =
        room_with(&alice, "Other", json!({ "join_rule": "restricted", "allow": allow })).await;
    let path = format!("join/{}?via=a.test", encode(&other));
    let (status, answer) = bob.try_call(Method::POST, &path, json!({})).await;
    assert_eq!(
        (status, &answer["errcode"]),
        (StatusCode::BAD_REQUEST, &json!("M_UNABLE_TO_AUTHORISE_JOIN"))
    );
    for server in [a, b, c] {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_fails_leaves_no_room_behind() {
    let network = Network::new();
    let a = network.start("a.test").await;
    let alice = a.register("alice").await;
    let puppet = Puppet::start(&network, "puppet.test").await;
    let (room, user) = ("!gone:puppet.test", alice.id.clone());
    let template = json!({
        "type": "m.room.member", "room_id": room, "sender": user, "state_key": user,
        "content": { "membership": "join" }, "auth_events": [], "prev_events": [], "depth": 5,
        "origin_server_ts": 1,
    });
    let made = json!({ "room_version": "11", "event": template });
    puppet.script.set(move |asked| match asked.path.as_str() {
        path if path.contains("/make_join/") => Some(Reply::Json(200, made.clone())),
        path if path.contains("/send_join/") => {
            Some(Reply::Json(403, json!({ "errcode": "M_FORBIDDEN", "error": "no" })))
        }
        _ => None,
    });
    let path = format!("join/{}?via=puppet.test", encode(room));
    let (status, _) = alice.try_call(Method::POST, &path, json!({})).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(puppet.asked("/_matrix/federation/v2/send_join"), 1);
    a.stop().await;
    let store = network.database("a.test").await;
    let id = ruma::OwnedRoomId::try_from(room).unwrap();
    let known = store.read(move |conn| rooms::by_id(conn, &id)).await.unwrap();
    assert!(known.is_none(), "{known:?}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_holds_up_nobody_whom_another_helps() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let puppet = Puppet::start(&network, "puppet.test").await;
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let open = room_with(&bob, "Open", json!({ "join_rule": "public" })).await;
    let closed = room_with(&bob, "Closed", json!({ "join_rule": "knock" })).await;
    let (_never, held) = watch::channel(false);
    puppet.script.set(move |asked| {
        asked.path.contains("/make_").then(|| Reply::Held(held.clone(), json!({})))
    });

    let begun = Instant::now();
    let join = format!("join/{}?via=puppet.test&via=b.test", encode(&open));
    alice.call(Method::POST, &join, json!({})).await;
    assert_eq!(bob.membership(&open, &alice.id).await, "join");
    assert!(begun.elapsed() < Duration::from_secs(30), "as long as one request may take");
    let begun = Instant::now();
    let (status, answer) = knock(&alice, &closed, "puppet.test&via=b.test").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(30), "as long as one request may take");
    assert_eq!(puppet.asked("/_matrix/federation/v1/make_"), 2);
    a.stop().await;
    b.stop().await;
}
