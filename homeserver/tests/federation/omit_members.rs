//! The reduced answer to a join.

use ruma::RoomVersionId;
use serde_json::{Value, json};

use crate::{network::Network, puppet::Puppet};

#[tokio::test(flavor = "multi_thread")]
async fn members_are_left_out_but_for_those_who_name_the_room() {
    let network = Network::new();
    let a = network.start("a.test").await;
    let puppet = Puppet::start(&network, "puppet.test").await;
    let alice = a.register("alice").await;
    let mut members = Vec::new();
    for number in 0..8 {
        members.push(a.register(&format!("user{number}")).await);
    }
    for name in [Some("Named"), None] {
        let mut new = json!({ "room_version": "11", "preset": "public_chat" });
        new["name"] = json!(name);
        if name.is_none() {
            new.as_object_mut().unwrap().remove("name");
        }
        let room = alice.create_room(new).await;
        for member in &members {
            member.join(&room, "a.test").await;
        }
        let (_, answer) = puppet.join_omitting("a.test", &room, RoomVersionId::V11, true).await;
        assert!(answer.members_omitted);
        assert_eq!(answer.servers_in_room.unwrap(), ["a.test"]);
        let events: Vec<Value> =
            answer.state.iter().map(|event| serde_json::from_str(event.get()).unwrap()).collect();
        let shown = events.iter().filter(|event| event["type"] == "m.room.member").count();
        assert_eq!(shown, if name.is_some() { 0 } else { 5 }, "{name:?}");
        assert!(events.iter().any(|event| event["type"] == "m.room.create"));
        // What authorises the rest is there: the creator's join stands behind it.
        let in_chain = answer.auth_chain.iter().any(|event| {
            let event: Value = serde_json::from_str(event.get()).unwrap();
            event["state_key"] == alice.id.as_str()
        });
        assert!(in_chain || name.is_none());
        // It is in the room nevertheless.
        alice.send(&room, "hello").await;
        assert_eq!(alice.membership(&room, "@mallory:puppet.test").await, "join");
    }
    a.stop().await;
}
