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

use crate::network::Network;

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
