//! Server access control lists, between servers.

use reqwest::Method;
use ruma::{
    OwnedEventId, OwnedRoomId, OwnedUserId, RoomVersionId,
    api::{
        error::ErrorKind,
        federation::{
            authorization::get_event_authorization,
            backfill::get_backfill,
            event::{get_missing_events, get_room_state, get_room_state_ids},
            membership::{
                create_invite, create_join_event, create_leave_event, prepare_join_event,
                prepare_leave_event,
            },
        },
    },
    server_name,
};
use sealpost_federation::{Error, client::Limits};
use serde_json::{json, value::RawValue};

use crate::{network::Network, puppet::Puppet};

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_server_finds_every_door_of_the_room_closed_and_those_of_others_open() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let (mut rooms, mut before) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let room =
            alice.create_room(json!({ "room_version": "11", "preset": "public_chat" })).await;
        bob.join(&room, "a.test").await;
        before.push(bob.send(&room, "before").await);
        alice.sees(&room, &["before"]).await;
        rooms.push(room);
    }
    let [closed, open] = &rooms[..] else { unreachable!() };
    let acl = json!({ "allow": ["*"], "deny": ["B.*"], "allow_ip_literals": false });
    alice.set_state(closed, "m.room.server_acl", acl).await;

    let client = network.client_of("b.test");
    let a_name = server_name!("a.test");
    let room = OwnedRoomId::try_from(closed.as_str()).unwrap();
    let event = OwnedEventId::try_from(before[0].as_str()).unwrap();
    let user = OwnedUserId::try_from(bob.id.as_str()).unwrap();
    let pdu = || RawValue::from_string("{}".to_owned()).unwrap();
    let mut doors = Vec::new();
    macro_rules! knock {
        ($($name:literal: $request:expr),+ $(,)?) => {$(
            let answer = client.send(a_name, $request, Limits::SMALL).await.map(|_| ());
            doors.push(($name, answer));
        )+};
    }
    knock! {
        "make_join": prepare_join_event::v1::Request::new(room.clone(), user.clone()),
        "send_join": create_join_event::v2::Request::new(room.clone(), event.clone(), pdu()),
        "make_leave": prepare_leave_event::v1::Request::new(room.clone(), user.clone()),
        "send_leave": create_leave_event::v2::Request::new(room.clone(), event.clone(), pdu()),
        "invite": create_invite::v2::Request::new(
            room.clone(), event.clone(), RoomVersionId::V11, pdu(), Vec::new(),
        ),
        "state": get_room_state::v1::Request::new(event.clone(), room.clone()),
        "state_ids": get_room_state_ids::v1::Request::new(event.clone(), room.clone()),
        "backfill": get_backfill::v1::Request::new(
            room.clone(), vec![event.clone()], 10_u32.into(),
        ),
        "event_auth": get_event_authorization::v1::Request::new(room.clone(), event.clone()),
        "get_missing_events": get_missing_events::v1::Request::new(
            room.clone(), Vec::new(), vec![event.clone()],
        ),
    }
    for (door, answer) in doors {
        let refused = answer.expect_err(door);
        let Error::Status { status, kind: Some(kind), message } = &refused else {
            panic!("{door}: {refused}")
        };
        assert_eq!((status.as_u16(), &**kind), (403, &ErrorKind::Forbidden), "{door}: {message}");
        assert!(message.contains("access control"), "{door}: {message}");
    }

    // Its events are answered one by one and not taken; those of the other room are.
    bob.send(closed, "denied").await;
    bob.send(open, "allowed").await;
    alice.sees(open, &["allowed"]).await;
    assert!(!alice.bodies(closed).await.contains(&"denied".to_owned()));
    let other = OwnedRoomId::try_from(open.as_str()).unwrap();
    let mut request = prepare_join_event::v1::Request::new(other, user);
    request.ver = vec![RoomVersionId::V11];
    client.send(a_name, request, Limits::SMALL).await.unwrap();

    // Allowed again, it is heard again, and what was sent meanwhile is fetched.
    alice.set_state(closed, "m.room.server_acl", json!({ "allow": ["*"] })).await;
    let path = format!("rooms/{closed}/state/m.room.server_acl");
    bob.sync_until("the new list", async || {
        bob.call(Method::GET, &path, json!({})).await["deny"].is_null()
    })
    .await;
    bob.send(closed, "after").await;
    alice.sees(closed, &["denied", "after"]).await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edus_of_a_denied_server_are_left_out_and_a_redacted_list_denies_at_once() {
    let network = Network::new();
    let a = network.start("a.test").await;
    let alice = a.register("alice").await;
    let puppet = Puppet::start(&network, "puppet.test").await;
    let version = RoomVersionId::V11;
    let (mut rooms, mut joined) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let new = json!({ "room_version": version, "preset": "public_chat" });
        let room = alice.create_room(new).await;
        joined.push(puppet.join("a.test", &room, version.clone()).await);
        rooms.push(room);
    }
    let [closed, open] = &rooms[..] else { unreachable!() };
    let denying = json!({ "allow": ["*"], "deny": ["puppet.test"] });
    alice.set_state(closed, "m.room.server_acl", denying).await;
    let list = alice.set_state_id(open, "m.room.server_acl", json!({ "allow": ["*"] })).await;

    let before = alice.call(Method::GET, "sync?timeout=0", json!({})).await;
    let since = before["next_batch"].as_str().unwrap();
    let edus = joined.iter().flat_map(|room| {
        let (id, user) = (room.id.as_str(), &room.user);
        [
            json!({ "edu_type": "m.typing", "content": {
                "room_id": id, "user_id": user, "typing": true,
            } }),
            json!({ "edu_type": "m.receipt", "content": { id: { "m.read": {
                user.as_str(): { "event_ids": [room.last], "data": { "ts": 1 } },
            } } } }),
        ]
    });
    puppet.transaction("a.test", Vec::new(), edus.collect()).await.unwrap();
    let sync = alice.call(Method::GET, &format!("sync?timeout=0&since={since}"), json!({})).await;
    let kinds = |room: &str| {
        let events = sync["rooms"]["join"][room]["ephemeral"]["events"].as_array().cloned();
        let events = events.unwrap_or_default();
        let mut kinds: Vec<_> = events.iter().map(|event| event["type"].to_string()).collect();
        kinds.sort();
        kinds
    };
    assert_eq!(kinds(open), [r#""m.receipt""#, r#""m.typing""#], "{sync}");
    assert!(kinds(closed).is_empty(), "{sync}");

    // A list without content allows nobody; the room's state is the same event as before.
    let ask = || {
        let mut request =
            prepare_join_event::v1::Request::new(joined[1].id.clone(), joined[1].user.clone());
        request.ver = vec![version.clone()];
        puppet.send("a.test", request)
    };
    ask().await.unwrap();
    let path = format!("rooms/{open}/redact/{list}/1");
    alice.call(Method::PUT, &path, json!({})).await;
    let refusal = ask().await.unwrap_err().to_string();
    assert!(refusal.contains("access control"), "{refusal}");
    a.stop().await;
}
