//! States after events that are missing, as another server tells them.

use std::sync::Arc;

use parking_lot::Mutex;
use ruma::{OwnedEventId, RoomVersionId};
use serde_json::{Value, json};

use crate::{
    network::Network,
    puppet::{Puppet, Reply},
    user::where_all_change_the_state,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_state_of_which_an_event_is_not_answered_is_not_taken_without_it() {
    let network = Network::new();
    let a = network.start("a.test").await;
    let puppet = Puppet::start(&network, "puppet.test").await;
    let alice = a.register("alice").await;
    let id = alice.create_room(where_all_change_the_state()).await;
    let mut room = puppet.join("a.test", &id, RoomVersionId::V11).await;

    // Two changes and two messages, of which the last alone is sent.
    let mut events: Vec<(OwnedEventId, Value)> = Vec::new();
    for kind in ["m.one", "m.two", "", ""] {
        let mut draft = puppet.draft(&room, "after them");
        if !kind.is_empty() {
            draft.insert("type".to_owned(), kind.into());
            draft.insert("state_key".to_owned(), "".into());
        }
        let (event_id, raw) = puppet.sign(&mut draft, room.rules);
        (room.last, room.depth) = (event_id.clone(), room.depth + 1);
        events.push((event_id, serde_json::from_str(raw.get()).unwrap()));
    }
    let state: Vec<OwnedEventId> = room.state.values().cloned().collect();
    // Of what is missing, an event of the state and then the missing event itself are not answered at first.
    let silent = Arc::new(Mutex::new(vec![events[0].0.clone(), events[1].0.clone()]));
    let (told, waiting) = (events.clone(), silent.clone());
    puppet.script.set(move |asked| {
        let path = asked.path.as_str();
        if path.contains("/get_missing_events/") {
            return Some(Reply::Json(200, json!({ "events": [told[2].1] })));
        }
        if path.contains("/state_ids/") {
            let before =
                if path.ends_with(&told[1].0.as_str()[1..]) { &told[..1] } else { &told[..2] };
            let ids = state.iter().chain(before.iter().map(|(id, _)| id));
            let answer = json!({ "pdu_ids": ids.collect::<Vec<_>>(), "auth_chain_ids": [] });
            return Some(Reply::Json(200, answer));
        }
        let is_event = path.starts_with("/_matrix/federation/v1/event/");
        let asked_for = |id: &OwnedEventId| is_event && path.ends_with(&id.as_str()[1..]);
        let (id, event) = told.iter().find(|(id, _)| asked_for(id))?;
        if waiting.lock().contains(id) {
            return Some(Reply::Json(503, json!({ "errcode": "M_UNKNOWN", "error": "?" })));
        }
        let answer = json!({ "origin": "puppet.test", "origin_server_ts": 1, "pdus": [event] });
        Some(Reply::Json(200, answer))
    });

    let last = &events[3];
    let send = async || {
        let raw = serde_json::value::to_raw_value(&last.1).unwrap();
        puppet.transaction("a.test", vec![raw], Vec::new()).await.unwrap()[&last.0].clone()
    };
    while !silent.lock().is_empty() {
        assert!(send().await.is_err(), "{:?}", silent.lock());
        silent.lock().remove(0);
    }
    assert_eq!(send().await, Ok(()));
    for kind in ["m.one", "m.two"] {
        assert_eq!(alice.state(&id, kind).await["body"], "after them");
    }
    a.stop().await;
}
