//! Joining a large room: the answer of the other server is read piece by piece.
//!
//! `SEALPOST_LARGE_JOIN` says how many members and other state events the room has, `10000,40000` for the
//! bound that is promised; without it the room is small, and the test is about the way and not the size.

use std::{fs, time::Instant};

use reqwest::Method;
use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId, RoomVersionId};
use sealpost_federation::canonical;
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
    /// Join rules that let nobody in.
    closed: Value,
}

impl LargeRoom {
    fn template(&self, id: &OwnedRoomId, user: &OwnedUserId) -> Value {
        let Self { power_levels, join_rules, create, last, .. } = self;
        json!({ "room_version": "11", "event": {
            "type": "m.room.member", "state_key": user, "sender": user, "room_id": id,
            "content": { "membership": "join" }, "origin_server_ts": now(), "depth": 100_000,
            "auth_events": [create, power_levels, join_rules], "prev_events": [last],
        } })
    }
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
    let newest = add("m.room.join_rules", "", &creator, json!({ "join_rule": "invite" }), &auth);
    let closed = state.pop().unwrap();
    LargeRoom { state, power_levels, join_rules, create, last: newest, closed }
}

pub fn high_water_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The puppet lets everybody join a room with this state.
fn answer(puppet: &Puppet, template: Value, state: Vec<Value>, auth_chain: Vec<Value>) {
    let answer = json!({ "state": state, "auth_chain": auth_chain, "origin": puppet.name });
    puppet.script.set(move |asked| match asked.path.as_str() {
        path if path.contains("/make_join/") => Some(Reply::Json(200, template.clone())),
        path if path.contains("/send_join/") => Some(Reply::Json(200, answer.clone())),
        _ => None,
    });
}

/// Of those that the log complains of.
fn longest_job_ms(log: &str) -> u64 {
    let told = log.lines().filter(|line| line.contains("held the writer"));
    let numbers = told.filter_map(|line| {
        let rest = line.split_once("elapsed_ms")?.1;
        let digits = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
        digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    });
    numbers.max().unwrap_or(0)
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
    let room = room(&puppet, &id, members, others);
    let user = OwnedUserId::try_from(alice.id.as_str()).unwrap();
    let template = room.template(&id, &user);
    let bytes = serde_json::to_string(&room.state).unwrap().len();
    answer(&puppet, template, room.state, Vec::new());
    let before = high_water_kib(server.child.id());
    let begun = Instant::now();
    alice.join(id.as_str(), puppet.name.as_str()).await;
    let took = begun.elapsed();
    let after = high_water_kib(server.child.id());
    println!(
        "{members} members, {others} others, {bytes} bytes: {took:?}, {before} to {after} KiB, \
         longest job of the writer {} ms",
        longest_job_ms(&place.log())
    );
    assert!(after < MEMORY_KIB, "{after} KiB");
    let path = format!("rooms/{id}/joined_members");
    let joined = alice.call(Method::GET, &path, json!({})).await;
    assert_eq!(joined["joined"].as_object().unwrap().len(), members + 2);
    alice.send(id.as_str(), "hello").await;
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_entry_that_failed_has_written_is_mended_by_the_next() {
    let network = Network::new();
    let puppet = Puppet::start_at_address(&network).await;
    let place = Place::new(network.authority(), "joining");
    let mut server = place.start().await;
    let alice = User::register(&server.base, "alice").await;
    let id = OwnedRoomId::try_from(format!("!large:{}", puppet.name)).unwrap();
    let room = room(&puppet, &id, 250, 10);
    let user = OwnedUserId::try_from(alice.id.as_str()).unwrap();
    let template = room.template(&id, &user);
    let is = |event: &Value, kind: &str| event["type"] == kind;

    // Its members are written, and then the state turns out to forbid the join.
    let (open, mut state): (Vec<Value>, Vec<Value>) =
        room.state.iter().cloned().partition(|event| is(event, "m.room.join_rules"));
    state.push(room.closed.clone());
    answer(&puppet, template.clone(), state, open);
    let join = format!("join/{id}?via={}", puppet.name);
    let (status, error) = alice.try_call(Method::POST, &join, json!({})).await;
    assert_eq!(status, 502, "{error}");
    server.kill();
    server = place.start().await;
    let joined = alice.call(Method::GET, "joined_rooms", json!({})).await;
    assert_eq!(joined["joined_rooms"], json!([]));

    // Meanwhile most have left.
    let mut members = 0;
    let mut state = room.state.clone();
    state.retain(|event| {
        members += usize::from(is(event, "m.room.member"));
        !is(event, "m.room.member") || members <= 100
    });
    answer(&puppet, template, state, Vec::new());
    alice.join(id.as_str(), puppet.name.as_str()).await;
    let path = format!("rooms/{id}/joined_members");
    let joined = alice.call(Method::GET, &path, json!({})).await;
    assert_eq!(joined["joined"].as_object().unwrap().len(), 101);
    let sync = alice.call(Method::GET, "sync?timeout=0", json!({})).await;
    let room = &sync["rooms"]["join"][id.as_str()];
    assert_eq!(room["summary"]["m.joined_member_count"], 101);
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn members_whose_server_is_gone_are_counted_in_one_line_of_the_log() {
    let network = Network::new();
    let puppet = Puppet::start_at_address(&network).await;
    let place = Place::new(network.authority(), "joining");
    let mut server = place.start().await;
    let alice = User::register(&server.base, "alice").await;
    let id = OwnedRoomId::try_from(format!("!large:{}", puppet.name)).unwrap();
    let mut room = room(&puppet, &id, 2, 2);
    let (rules, gone) = (rules_of(RoomVersionId::V11), "127.0.0.1:1");
    for number in 0..3 {
        let user = format!("@user{number}:{gone}");
        let event = json!({
            "type": "m.room.member", "state_key": user, "sender": user, "room_id": id,
            "content": { "membership": "join" }, "origin_server_ts": now(), "depth": 50,
            "auth_events": [room.create, room.power_levels, room.join_rules], "prev_events": [],
        });
        let mut event = serde_json::from_value(event).unwrap();
        canonical::hash_and_sign(&mut event, gone, &puppet.key, rules).unwrap();
        room.state.push(serde_json::to_value(&event).unwrap());
    }
    let user = OwnedUserId::try_from(alice.id.as_str()).unwrap();
    let template = room.template(&id, &user);
    answer(&puppet, template, room.state, Vec::new());
    alice.join(id.as_str(), puppet.name.as_str()).await;
    let path = format!("rooms/{id}/joined_members");
    let joined = alice.call(Method::GET, &path, json!({})).await;
    assert_eq!(joined["joined"].as_object().unwrap().len(), 4);
    let log = place.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("cannot be checked")).collect();
    let [line] = told[..] else { panic!("{log}") };
    for part in ["without_keys=3", "servers=1", gone, id.as_str()] {
        assert!(line.contains(part), "{part}: {line}");
    }
    server.kill();
}
