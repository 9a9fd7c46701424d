//! What happens in a room while another server joins it.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use reqwest::Method;
use ruma::{
    CanonicalJsonObject, OwnedEventId, OwnedRoomId, RoomVersionId,
    api::federation::membership::{RawStrippedState, create_invite, create_join_event},
};
use sealpost_federation::canonical;
use sealpost_homeserver::room::check;
use serde_json::{Value, json, value::RawValue};
use tokio::sync::watch;

use crate::{
    binaries::Place,
    network::Network,
    puppet::{Puppet, Reply, now, rules_of},
    user::{User, encode},
};

/// A room of version 12 on the puppet.
struct Hosted<'a> {
    puppet: &'a Puppet,
    id: OwnedRoomId,
    events: Vec<(OwnedEventId, Value)>,
}

impl<'a> Hosted<'a> {
    /// A closed room with bob of b.test invited.
    fn closed(puppet: &'a Puppet) -> Self {
        let mut room = Self::new(puppet, "invite");
        let invite = json!({ "type": "m.room.member", "content": { "membership": "invite" } });
        let auth: Vec<_> = room.events[1..4].iter().map(|(id, _)| id.clone()).collect();
        let prev = [room.last()];
        room.add(invite, "@bob:b.test", &prev, &auth);
        room
    }

    fn new(puppet: &'a Puppet, join_rule: &str) -> Self {
        let mut room = Self {
            puppet,
            id: format!("!not-yet:{}", puppet.name).try_into().unwrap(),
            events: Vec::new(),
        };
        let create = json!({ "content": { "room_version": "12" }, "type": "m.room.create" });
        room.add(create, "", &[], &[]);
        room.id = OwnedRoomId::try_from(format!("!{}", &room.last().as_str()[1..])).unwrap();
        let mallory = format!("@mallory:{}", puppet.name);
        let state = [
            ("m.room.member", &*mallory, json!({ "membership": "join" }), &[][..]),
            ("m.room.power_levels", "", json!({ "users": {} }), &[1]),
            ("m.room.join_rules", "", json!({ "join_rule": join_rule }), &[1, 2]),
        ];
        for (kind, key, content, auth) in state {
            let prev = [room.last()];
            let auth: Vec<_> = auth.iter().map(|&at: &usize| room.events[at].0.clone()).collect();
            room.add(json!({ "type": kind, "content": content }), key, &prev, &auth);
        }
        room
    }

    fn last(&self) -> OwnedEventId {
        self.events.last().unwrap().0.clone()
    }

    fn sign(
        &self,
        mut event: Value,
        prev: &[OwnedEventId],
        auth: &[OwnedEventId],
    ) -> (OwnedEventId, Box<RawValue>) {
        event["sender"] = format!("@mallory:{}", self.puppet.name).into();
        event["origin_server_ts"] = now().into();
        event["prev_events"] = json!(prev);
        event["auth_events"] = json!(auth);
        if event["type"] != "m.room.create" {
            event["room_id"] = json!(self.id);
        }
        let mut event: CanonicalJsonObject = serde_json::from_value(event).unwrap();
        self.puppet.sign(&mut event, rules_of(RoomVersionId::V12))
    }

    fn add(&mut self, mut event: Value, key: &str, prev: &[OwnedEventId], auth: &[OwnedEventId]) {
        event["state_key"] = key.into();
        event["depth"] = (self.events.len() + 1).into();
        let (id, raw) = self.sign(event, prev, auth);
        self.events.push((id, serde_json::from_str(raw.get()).unwrap()));
    }

    fn message(
        &self,
        body: &str,
        prev: &[OwnedEventId],
        depth: usize,
    ) -> (OwnedEventId, Box<RawValue>) {
        let content = json!({ "msgtype": "m.text", "body": body });
        let auth = [self.events[1].0.clone(), self.events[2].0.clone()];
        let event = json!({ "type": "m.room.message", "content": content, "depth": depth });
        self.sign(event, prev, &auth)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_beside_a_join_arrives_with_it_and_after_it() {
    let network = Network::new();
    let b = network.start("b.test").await;
    let puppet = Puppet::start(&network, "puppet.test").await;
    let bob = b.register("bob").await;
    let room = Hosted::closed(&puppet);
    let ids: Vec<OwnedEventId> = room.events.iter().map(|(id, _)| id.clone()).collect();
    let events: Vec<Value> = room.events.iter().map(|(_, event)| event.clone()).collect();
    let invite = ids[4].clone();

    let state = vec![RawStrippedState::Pdu(serde_json::value::to_raw_value(&events[0]).unwrap())];
    let raw = serde_json::value::to_raw_value(&events[4]).unwrap();
    let version = RoomVersionId::V12;
    let request =
        create_invite::v2::Request::new(room.id.clone(), invite.clone(), version, raw, state);
    puppet.send("b.test", request).await.unwrap();
    bob.invited(room.id.as_str()).await;

    let template = json!({
        "type": "m.room.member", "room_id": room.id, "sender": bob.id, "state_key": bob.id,
        "content": { "membership": "join" }, "depth": 6, "origin_server_ts": now(),
        "prev_events": [invite], "auth_events": [ids[2], ids[3], ids[4]],
    });
    let (told, answers) = watch::channel(false);
    let joined = Arc::new(Mutex::new(String::new()));
    let noted = joined.clone();
    let by_id: BTreeMap<String, Value> =
        ids.iter().map(|id| encode(id.as_str())).zip(events.clone()).collect();
    let before_invite = json!({ "pdu_ids": ids[..4], "auth_chain_ids": ids[..4] });
    puppet.script.set(move |asked| {
        let path = asked.path.as_str();
        let answer = if path.contains("/make_join/") {
            json!({ "room_version": "12", "event": template })
        } else if path.contains("/send_join/") {
            let event: Value = serde_json::from_str(&asked.body).unwrap();
            *noted.lock() = asked.body.clone();
            let answer = json!({
                "origin": "puppet.test", "state": events, "auth_chain": events, "event": event,
            });
            return Some(Reply::Held(answers.clone(), answer));
        } else if path.contains("/get_missing_events/") {
            json!({ "events": events })
        } else if path.contains("/state_ids/") {
            before_invite.clone()
        } else {
            let (_, event) = by_id.iter().find(|(id, _)| path.ends_with(id.as_str()))?;
            json!({ "origin": "puppet.test", "origin_server_ts": now(), "pdus": [event] })
        };
        Some(Reply::Json(200, answer))
    });

    // The answer to the join is held back until the server has seen the transaction: its EDUs come first.
    let (beside, message) = room.message("beside", std::slice::from_ref(&invite), 6);
    let edu = json!({ "edu_type": "m.direct_to_device", "content": {
        "sender": "@mallory:puppet.test", "type": "m.test", "message_id": "1",
        "messages": { "@bob:b.test": { "*": {} } },
    } });
    let sent = async {
        while puppet.asked("/_matrix/federation/v2/send_join/") == 0 {
            tokio::task::yield_now().await;
        }
        let seen = async {
            bob.sync_until("the EDU", async || {
                let sync = bob.call(Method::GET, "sync?timeout=0", json!({})).await;
                sync["to_device"]["events"].as_array().is_some_and(|events| !events.is_empty())
            })
            .await;
            told.send_replace(true);
        };
        tokio::join!(puppet.transaction("b.test", vec![message], vec![edu]), seen).0
    };
    let (answers, ()) = tokio::join!(sent, bob.join(room.id.as_str(), "puppet.test"));
    assert_eq!(answers.unwrap(), [(beside.clone(), Ok(()))].into());

    // Another comes late, and one after all of them.
    let (late, message) = room.message("late", &[invite], 6);
    let answers = puppet.transaction("b.test", vec![message], Vec::new()).await;
    assert_eq!(answers.unwrap(), [(late.clone(), Ok(()))].into());
    let rules = rules_of(RoomVersionId::V12);
    let join = check::event_id(&canonical::parse(&joined.lock(), rules).unwrap(), rules).unwrap();
    let (after, message) = room.message("after", &[join.clone(), beside.clone(), late.clone()], 7);
    let answers = puppet.transaction("b.test", vec![message], Vec::new()).await;
    assert_eq!(answers.unwrap(), [(after.clone(), Ok(()))].into());

    // What was before the join is no news.
    let path = format!("rooms/{}/messages?dir=f&limit=50", encode(room.id.as_str()));
    let told = bob.call(Method::GET, &path, json!({})).await;
    let told: Vec<&Value> =
        told["chunk"].as_array().unwrap().iter().map(|event| &event["event_id"]).collect();
    assert_eq!(told, [&join, &beside, &late, &after].map(|id| id.as_str()));
    assert_eq!(bob.membership(room.id.as_str(), &bob.id).await, "join");
    bob.send(room.id.as_str(), "here").await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_during_a_join_survives_a_kill_and_a_gap_that_is_not_fetched_at_once() {
    let network = Network::new();
    let puppet = Puppet::start_at_address(&network).await;
    let place = Place::new(network.authority(), "joining");
    let mut server = place.start().await;
    let bob = Arc::new(User::register(&server.base, "bob").await);
    let room = Hosted::new(&puppet, "public");
    let ids: Vec<OwnedEventId> = room.events.iter().map(|(id, _)| id.clone()).collect();
    let events: Vec<Value> = room.events.iter().map(|(_, event)| event.clone()).collect();
    let last = room.last();
    let template = json!({
        "type": "m.room.member", "room_id": room.id, "sender": bob.id, "state_key": bob.id,
        "content": { "membership": "join" }, "depth": 5, "origin_server_ts": now(),
        "prev_events": [last], "auth_events": [ids[2], ids[3]],
    });
    let (told, answers) = watch::channel(false);
    let by_id: BTreeMap<String, Value> =
        ids.iter().map(|id| encode(id.as_str())).zip(events.clone()).collect();
    let before_last = json!({ "pdu_ids": ids[..3], "auth_chain_ids": ids[..3] });
    let failing = Mutex::new(vec!["/get_missing_events/", "/state_ids/"]);
    puppet.script.set(move |asked| {
        let path = asked.path.as_str();
        if failing.lock().pop_if(|failing| path.contains(*failing)).is_some() {
            return Some(Reply::Json(503, json!({ "errcode": "M_UNKNOWN", "error": "?" })));
        }
        let answer = if path.contains("/make_join/") {
            json!({ "room_version": "12", "event": template })
        } else if path.contains("/send_join/") {
            let answer = json!({ "origin": "p", "state": events, "auth_chain": events });
            return Some(Reply::Held(answers.clone(), answer));
        } else if path.contains("/get_missing_events/") {
            json!({ "events": events })
        } else if path.contains("/state_ids/") {
            before_last.clone()
        } else {
            let (_, event) = by_id.iter().find(|(id, _)| path.ends_with(id.as_str()))?;
            json!({ "origin": "p", "origin_server_ts": now(), "pdus": [event] })
        };
        Some(Reply::Json(200, answer))
    });

    let path = format!("join/{}?via={}", encode(room.id.as_str()), puppet.name);
    let joining = tokio::spawn({
        let (bob, path) = (bob.clone(), path.clone());
        async move { bob.attempt(Method::POST, &path, json!({})).await }
    });
    while puppet.asked("/_matrix/federation/v2/send_join/") == 0 {
        tokio::task::yield_now().await;
    }
    let (_, message) = room.message("beside", std::slice::from_ref(&last), 5);
    puppet.transaction(&place.name, vec![message], Vec::new()).await.unwrap();
    assert!(!joining.is_finished());
    server.kill();
    assert!(joining.await.unwrap().is_none());

    told.send_replace(true);
    server = place.start().await;
    bob.call(Method::POST, &path, json!({})).await;
    bob.sees(room.id.as_str(), &["beside"]).await;
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_joins_is_sent_what_came_since_the_template_of_its_join() {
    let network = Network::new();
    let a = network.start("a.test").await;
    let puppet = Puppet::start(&network, "puppet.test").await;
    let alice = a.register("alice").await;
    let room = alice.create_room(json!({ "preset": "public_chat", "room_version": "12" })).await;
    let sent = Arc::new(Mutex::new(String::new()));
    let noted = sent.clone();
    puppet.script.set(move |asked| {
        asked.path.starts_with("/_matrix/federation/v1/send/").then(|| {
            noted.lock().push_str(&asked.body);
            Reply::Json(200, json!({ "pdus": {} }))
        })
    });

    let rules = rules_of(RoomVersionId::V12);
    let id = OwnedRoomId::try_from(room.as_str()).unwrap();
    let template = puppet.make_join("a.test", &id, RoomVersionId::V12).await.unwrap();
    alice.send(&room, "beside").await;
    let mut join = canonical::parse(template.get(), rules).unwrap();
    let (event_id, join) = puppet.sign(&mut join, rules);
    let request = create_join_event::v2::Request::new(id, event_id, join);
    puppet.send("a.test", request).await.unwrap();
    let arrived = async {
        while !sent.lock().contains("beside") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(90), arrived).await.unwrap();
    a.stop().await;
}
