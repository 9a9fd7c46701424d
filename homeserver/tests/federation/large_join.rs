//! Joining a large room: the answer of the other server is read piece by piece.
//!
//! `SEALPOST_LARGE_JOIN` says how many members and other state events the room has, `10000,40000` for the
//! bound that is promised; without it the room is small, and the test is about the way and not the size.

use std::{fs, time::Instant};

use reqwest::Method;
use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId, RoomVersionId};
use serde_json::{Value, json};

use crate::{
    binaries::Place,
    network::Network,
    puppet::{Puppet, Reply, now, rules_of},
    user::User,
};

/// What a server may take at most while it joins, in KiB.
const MEMORY_KIB: u64 = 500 * 1024;

/// A room that was never anywhere: its events, signed by the puppet.
struct LargeRoom {
    state: Vec<Value>,
    power_levels: OwnedEventId,
    join_rules: OwnedEventId,
    create: OwnedEventId,
    last: OwnedEventId,
}

fn room(puppet: &Puppet, id: &OwnedRoomId, members: usize, others: usize) -> LargeRoom {
    let rules = rules_of(RoomVersionId::V11);
    let mut state = Vec::with_capacity(members + others + 3);
    let mut depth = 0;
    let mut last: Option<OwnedEventId> = None;
    let mut add = |kind: &str, key: &str, sender: &str, content: Value, auth: &[&OwnedEventId]| {
        depth += 1;
        let event = json!({
            "type": kind, "state_key": key, "sender": sender, "room_id": id, "content": content,
            "origin_server_ts": now(), "depth": depth, "auth_events": auth,
            "prev_events": last.iter().collect::<Vec<_>>(),
        });
        let mut event = serde_json::from_value(event).unwrap();
        let (event_id, raw) = puppet.sign(&mut event, rules);
        state.push(serde_json::from_str(raw.get()).unwrap());
        last = Some(event_id.clone());
        event_id
    };
    let creator = format!("@creator:{}", puppet.name);
    let create = add("m.room.create", "", &creator, json!({ "room_version": "11" }), &[]);
    let joined = json!({ "membership": "join" });
    let creator_join = add("m.room.member", &creator, &creator, joined.clone(), &[&create]);
    let levels = json!({ "users": { &creator: 100 }, "state_default": 50 });
    let power_levels = add("m.room.power_levels", "", &creator, levels, &[&create, &creator_join]);
    let auth = [&create, &power_levels, &creator_join];
    let join_rules =
        add("m.room.join_rules", "", &creator, json!({ "join_rule": "public" }), &auth);
    for number in 0..members {
        let user = format!("@user{number}:{}", puppet.name);
        let content = json!({ "membership": "join", "displayname": format!("User {number}") });
        add("m.room.member", &user, &user, content, &[&create, &power_levels, &join_rules]);
    }
    for number in 0..others {
        let content = json!({ "number": number, "text": "x".repeat(200) });
        add("m.x", &number.to_string(), &creator, content, &auth);
    }
    let last = last.unwrap();
    LargeRoom { state, power_levels, join_rules, create, last }
}

fn high_water_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_room_is_joined_in_little_memory() {
    let size = std::env::var("SEALPOST_LARGE_JOIN").unwrap_or_else(|_| "300,700".to_owned());
    let (members, others) = size.split_once(',').unwrap();
    let (members, others): (usize, usize) = (members.parse().unwrap(), others.parse().unwrap());

    let network = Network::new();
    let puppet = Puppet::start_at_address(&network).await;
    let place = Place::new(network.authority(), "joining");
    let mut server = place.start().await;
    let alice = User::register(&server.base, "alice").await;
    let id = OwnedRoomId::try_from(format!("!large:{}", puppet.name)).unwrap();
    let LargeRoom { state, power_levels, join_rules, create, last } =
        room(&puppet, &id, members, others);
    let user = OwnedUserId::try_from(alice.id.as_str()).unwrap();
    let template = json!({ "room_version": "11", "event": {
        "type": "m.room.member", "state_key": user, "sender": user, "room_id": id,
        "content": { "membership": "join" }, "origin_server_ts": now(), "depth": 100_000,
        "auth_events": [create, power_levels, join_rules], "prev_events": [last],
    } });
    let bytes = serde_json::to_string(&state).unwrap().len();
    let answer = json!({ "state": state, "auth_chain": [], "origin": puppet.name });
    puppet.script.set(move |asked| match asked.path.as_str() {
        path if path.contains("/make_join/") => Some(Reply::Json(200, template.clone())),
        path if path.contains("/send_join/") => Some(Reply::Json(200, answer.clone())),
        _ => None,
    });
    let before = high_water_kib(server.child.id());
    let begun = Instant::now();
    alice.join(id.as_str(), puppet.name.as_str()).await;
    let took = begun.elapsed();
    let after = high_water_kib(server.child.id());
    println!(
        "{members} members, {others} others, {bytes} bytes: {took:?}, {before} to {after} KiB"
    );
    assert!(after < MEMORY_KIB, "{after} KiB");
    let path = format!("rooms/{id}/joined_members");
    let joined = alice.call(Method::GET, &path, json!({})).await;
    assert_eq!(joined["joined"].as_object().unwrap().len(), members + 2);
    alice.send(id.as_str(), "hello").await;
    server.kill();
}
