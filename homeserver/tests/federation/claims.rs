//! What other servers claim: in invites of rooms that they are not in, and in errors.

use reqwest::{Method, StatusCode};
use ruma::{
    OwnedRoomId, RoomVersionId,
    api::federation::membership::{RawStrippedState, create_invite},
};
use serde_json::{Value, json};

use crate::{
    invites::{PuppetInvite, invite},
    network::Network,
    puppet::{Puppet, Reply},
    user::encode,
};

/// What is told of a room, without proof.
fn told(version: &str) -> Value {
    json!({
        "type": "m.room.create", "state_key": "", "sender": "@mallory:puppet.test",
        "content": { "room_version": version },
    })
}

/// The invite as a request in which the room is of `claimed` version.
fn request(
    invite: PuppetInvite,
    claimed: &RoomVersionId,
    state: Vec<Value>,
) -> create_invite::v2::Request {
    let state: Vec<RawStrippedState> = serde_json::from_value(json!(state)).unwrap();
    let PuppetInvite { room, id, event } = invite;
    create_invite::v2::Request::new(room, id, claimed.clone(), event, state)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_version_in_an_invite_locks_nobody_out_of_a_room() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let puppet = Puppet::start(&network, "puppet.test").await;
    let alice = a.register("alice").await;
    let (bob, carol, dave) =
        (b.register("bob").await, b.register("carol").await, b.register("dave").await);
    for (version, claimed) in [("11", "1"), ("2", "10"), ("6", "11")] {
        let claimed = RoomVersionId::try_from(claimed).unwrap();
        let new = json!({ "room_version": version, "preset": "public_chat", "name": "Popular" });
        let room = alice.create_room(new).await;
        let claim = async |user: &str| {
            let invite = invite(&puppet, &room, &claimed, json!({ "state_key": user }));
            let state = vec![told(claimed.as_str())];
            puppet.send("b.test", request(invite, &claimed, state)).await.unwrap();
        };
        claim(&bob.id).await;
        claim(&dave.id).await;
        let leave = format!("rooms/{}/leave", encode(&room));
        dave.call(Method::POST, &leave, json!({})).await;

        // An honest invite comes, and another false one after it, and one can be declined at the room's server.
        let path = format!("rooms/{}/invite", encode(&room));
        alice.call(Method::POST, &path, json!({ "user_id": carol.id })).await;
        let shown = carol.invited(&room).await;
        assert!(shown.to_string().contains("Popular"), "{version}: {shown}");
        claim(&dave.id).await;
        carol.call(Method::POST, &leave, json!({})).await;
        let member = format!("rooms/{}/state/m.room.member/{}", encode(&room), encode(&carol.id));
        assert_eq!(alice.call(Method::GET, &member, json!({})).await["membership"], "leave");

        bob.join(&room, "a.test").await;
        bob.send(&room, "here").await;
        alice.sees(&room, &["here"]).await;
        assert_eq!(bob.state(&room, "m.room.create").await["room_version"], version);
        // What it claimed before is no more than another version by now.
        let late = invite(&puppet, &room, &claimed, json!({}));
        puppet.send("b.test", request(late, &claimed, vec![told("1")])).await.ok();
        alice.send(&room, "still").await;
        bob.sees(&room, &["here", "still"]).await;
    }
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_invites_are_refused_in_every_version() {
    let network = Network::new();
    let b = network.start("b.test").await;
    let puppet = Puppet::start(&network, "puppet.test").await;
    let bob = b.register("bob").await;
    let hash = format!("!{}", "a".repeat(43));
    for version in ["3", "5", "6", "8", "10", "11"] {
        let version = RoomVersionId::try_from(version).unwrap();
        let room = format!("!room{version}:puppet.test");
        let made = |more: Value| invite(&puppet, &room, &version, more);
        let changed = |change: fn(&mut Value)| {
            let mut made = made(json!({}));
            let mut event: Value = serde_json::from_str(made.event.get()).unwrap();
            change(&mut event);
            made.event = serde_json::value::to_raw_value(&event).unwrap();
            made
        };
        let of = |invite: PuppetInvite| request(invite, &version, vec![told(version.as_str())]);
        let many = vec![told(version.as_str()); 101];
        let mut large = told(version.as_str());
        large["content"]["x"] = "x".repeat(60_000).into();
        let mut other_id = made(json!({}));
        other_id.id = made(json!({ "depth": 77 })).id;
        let mut other_room = made(json!({}));
        other_room.room = OwnedRoomId::try_from("!elsewhere:puppet.test").unwrap();
        let twelfth = RoomVersionId::V12;
        let unknown = RoomVersionId::try_from("99").unwrap();
        for (case, request) in [
            ("no invite", of(made(json!({ "content": { "membership": "join" } })))),
            ("no member", of(made(json!({ "type": "m.room.topic" })))),
            ("another's user", of(made(json!({ "state_key": "@x:c.test" })))),
            ("no user", of(made(json!({ "state_key": "bob" })))),
            ("in another's name", of(made(json!({ "sender": "@x:c.test" })))),
            ("in bob's name", of(made(json!({ "sender": bob.id })))),
            ("too large", of(changed(|event| event["unknown"] = "x".repeat(66_000).into()))),
            ("too many auth events", of(made(json!({ "auth_events": vec!["$a"; 11] })))),
            ("unsigned", of(changed(|event| event["signatures"] = json!({})))),
            ("changed", of(changed(|event| event["depth"] = 9.into()))),
            ("no event", of(changed(|event| *event = json!({})))),
            ("another id", of(other_id)),
            ("another room", of(other_room)),
            ("too many events", request(made(json!({})), &version, many)),
            ("too many bytes", request(made(json!({})), &version, vec![large; 5])),
            ("version 12", request(made(json!({})), &twelfth, vec![])),
            ("no version", request(made(json!({})), &unknown, vec![])),
            ("an id of version 12", of(invite(&puppet, &hash, &version, json!({})))),
        ] {
            let refusal = puppet.send("b.test", request).await.expect_err(case).to_string();
            assert!(refusal.contains("400"), "{version}, {case}: {refusal}");
        }
        let sync = bob.call(Method::GET, "sync?timeout=0", json!({})).await;
        assert_eq!(sync["rooms"]["invite"][&room], Value::Null);
        puppet.send("b.test", of(made(json!({})))).await.unwrap();
        bob.invited(&room).await;
    }
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_says_of_our_users_sessions_is_not_passed_on() {
    let network = Network::new();
    let b = network.start("b.test").await;
    let puppet = Puppet::start(&network, "puppet.test").await;
    let bob = b.register("bob").await;
    let room = bob.create_room(json!({ "preset": "private_chat", "room_version": "11" })).await;
    let invite = format!("rooms/{}/invite", encode(&room));
    let mallory = json!({ "user_id": "@mallory:puppet.test" });
    let requests = [
        (Method::GET, "profile/@mallory:puppet.test", json!({})),
        (Method::GET, "directory/room/%23room:puppet.test", json!({})),
        (Method::GET, "publicRooms?server=puppet.test", json!({})),
        (Method::POST, "join/!room:puppet.test?via=puppet.test", json!({})),
        (Method::POST, "knock/!room:puppet.test?via=puppet.test", json!({})),
        (Method::POST, &invite, mallory),
    ];
    for (status, kind) in [
        (403, "M_UNKNOWN_TOKEN"),
        (401, "M_UNKNOWN_TOKEN"),
        (403, "M_USER_LOCKED"),
        (403, "M_CONSENT_NOT_GIVEN"),
        (400, "M_INVALID_PARAM"),
        (400, "X_MADE_UP"),
        (401, "M_FORBIDDEN"),
    ] {
        puppet.script.set(move |_| {
            let error = json!({ "errcode": kind, "error": "no", "soft_logout": false });
            Some(Reply::Json(status, error))
        });
        for (method, path, body) in requests.clone() {
            let (status, answer) = bob.try_call(method, path, body).await;
            assert_eq!(status, StatusCode::BAD_GATEWAY, "{kind}, {path}: {answer}");
            assert_eq!(answer["errcode"], "M_UNKNOWN", "{kind}, {path}: {answer}");
        }
    }
    puppet.script.set(|_| Some(Reply::Json(403, json!({ "errcode": "M_FORBIDDEN", "error": "" }))));
    for (method, path, body) in requests {
        let (status, answer) = bob.try_call(method, path, body).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}: {answer}");
        assert_eq!(answer["errcode"], "M_FORBIDDEN", "{path}: {answer}");
    }
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_invites_of_one_server_wait_for_an_answer_and_no_more() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let puppet = Puppet::start(&network, "puppet.test").await;
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let version = RoomVersionId::V11;
    let ask = async |number: usize| {
        let room = format!("!flood{number}:puppet.test");
        let invite = invite(&puppet, &room, &version, json!({}));
        puppet.send("b.test", request(invite, &version, vec![told("11")])).await.map(drop)
    };
    for number in 0..200 {
        ask(number).await.unwrap();
    }
    let refusal = ask(200).await.unwrap_err().to_string();
    assert!(refusal.contains("403"), "{refusal}");
    // Others are not held up by it, and who answers makes room.
    let room = alice.create_room(json!({ "preset": "private_chat", "invite": [bob.id] })).await;
    bob.invited(&room).await;
    bob.call(Method::POST, "rooms/!flood7:puppet.test/leave", json!({})).await;
    ask(201).await.unwrap();
    a.stop().await;
    b.stop().await;
}
