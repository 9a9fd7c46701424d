//! Events of servers that do not answer when they are asked for their keys: nothing else need happen before they come.

use ruma::{CanonicalJsonObject, OwnedEventId, RoomVersionId};
use sealpost_federation::SigningKey;
use sealpost_homeserver::storage::postponed_events;
use serde_json::{Value, json, value::RawValue};

use crate::{
    network::{Fault, Network, Server},
    puppet::{Puppet, PuppetRoom, Reply, keys_of, now},
    user::{User, where_all_change_the_state},
};

/// alice's server, which cannot ask one of the two others in her room for the key it signs with by now.
struct Stage {
    network: Network,
    a: Server,
    alice: User,
    teller: Puppet,
    room: PuppetRoom,
    silent: Puppet,
    /// The room as its user sees it.
    theirs: PuppetRoom,
    key: SigningKey,
}

type Event = (OwnedEventId, Box<RawValue>);

impl Stage {
    async fn new() -> Self {
        let network = Network::new();
        let a = network.start("a.test").await;
        let teller = Puppet::start(&network, "teller.test").await;
        let silent = Puppet::start(&network, "silent.test").await;
        let alice = a.register("alice").await;
        let id = alice.create_room(where_all_change_the_state()).await;
        let room = teller.join("a.test", &id, RoomVersionId::V11).await;
        let theirs = silent.join("a.test", &id, RoomVersionId::V11).await;
        let key = SigningKey::from_seed("new", &[81; 32]).unwrap();
        let old = (&silent.key, now());
        *silent.keys.lock() = keys_of(&silent.name, &key, Some(old), now() + 3_600_000);
        network.fault("a.test", "silent.test", Fault::Cut);
        // Started again it remembers no answer of a moment ago.
        a.stop().await;
        let a = network.start("a.test").await;
        let alice = alice.at(&a.base);
        Self { network, a, alice, teller, room, silent, theirs, key }
    }

    fn sign(&self, mut draft: CanonicalJsonObject) -> Event {
        self.silent.sign_with(&self.key, &mut draft, self.theirs.rules)
    }

    /// A message of the server that tells everything, after an event.
    fn after(&mut self, last: &OwnedEventId, body: &str) -> Event {
        self.room.last = last.clone();
        self.room.depth = self.theirs.depth + 5;
        self.teller.sign(&mut self.teller.draft(&self.room, body), self.room.rules)
    }

    /// Has it answer with these as what is missing, `at` as the event that it has, and the states around that.
    fn tell(&self, missing: &[&Event], at: &Event) {
        let state: Vec<OwnedEventId> = self.theirs.state.values().cloned().collect();
        let value = |event: &Event| serde_json::from_str::<Value>(event.1.get()).unwrap();
        let missing: Vec<Value> = missing.iter().map(|event| value(event)).collect();
        let (id, event) = (at.0.as_str()[1..].to_owned(), value(at));
        let change = event["state_key"].is_string().then_some(&at.0);
        let after: Vec<OwnedEventId> = state.iter().chain(change).cloned().collect();
        self.teller.script.set(move |asked| {
            let path = asked.path.as_str();
            let answer = if path.contains("/get_missing_events/") {
                json!({ "events": missing })
            } else if path.contains("/state_ids/") {
                let before = if path.ends_with(&id) { &state } else { &after };
                json!({ "pdu_ids": before, "auth_chain_ids": [] })
            } else if path.contains("/v1/event/") && path.ends_with(&id) {
                json!({ "origin": "teller.test", "origin_server_ts": 1, "pdus": [event] })
            } else {
                return None;
            };
            Some(Reply::Json(200, answer))
        });
    }

    async fn send(&self, event: &Event) -> Result<(), String> {
        let sent = self.teller.transaction("a.test", vec![event.1.clone()], Vec::new()).await;
        sent.unwrap()[&event.0].clone()
    }

    async fn bodies(&self) -> Vec<String> {
        self.alice.bodies(self.room.id.as_str()).await
    }

    async fn sees(&self, body: &str) {
        let seen = async || self.bodies().await.iter().any(|seen| seen == body);
        self.alice.sync_until(body, seen).await;
    }

    fn heal(&self) {
        self.network.fault("a.test", "silent.test", Fault::None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_comes_when_its_keys_can_be_had_again() {
    let stage = Stage::new().await;
    let event = stage.sign(stage.silent.draft(&stage.theirs, "signed"));
    assert!(stage.send(&event).await.is_err());
    assert!(stage.bodies().await.is_empty());
    stage.heal();
    stage.sees("signed").await;
    stage.a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_event_comes_when_its_keys_can_be_had_again_and_holds_up_no_other() {
    let mut stage = Stage::new().await;
    let first = stage.sign(stage.silent.draft(&stage.theirs, "first"));
    let second = stage.after(&first.0, "second");
    let third = stage.after(&second.0, "third");
    stage.tell(&[&first, &second], &first);
    assert_eq!(stage.send(&third).await, Ok(()));
    assert_eq!(stage.bodies().await, ["second", "third"]);
    stage.heal();
    stage.sees("first").await;
    stage.a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_not_taken_without_a_change_whose_keys_may_be_had_in_a_moment() {
    let mut stage = Stage::new().await;
    let mut draft = stage.silent.draft(&stage.theirs, "changed");
    draft.insert("type".to_owned(), "m.one".into());
    draft.insert("state_key".to_owned(), "".into());
    let change = stage.sign(draft);
    let second = stage.after(&change.0, "second");
    let third = stage.after(&second.0, "third");
    stage.tell(&[&second], &change);
    assert!(stage.send(&third).await.is_err());
    assert!(stage.bodies().await.is_empty());
    stage.heal();
    stage.sees("third").await;
    assert_eq!(stage.alice.state(stage.room.id.as_str(), "m.one").await["body"], "changed");
    stage.a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_server_a_few_events_wait_for_keys_and_none_that_are_signed_wrongly() {
    let stage = Stage::new().await;
    let draft = |body: &str| stage.silent.draft(&stage.theirs, body);
    let mut events: Vec<Event> =
        (0..25).map(|number| stage.sign(draft(&format!("event {number}")))).collect();
    let forger = SigningKey::from_seed("p", &[78; 32]).unwrap();
    let rules = stage.theirs.rules;
    events.push(stage.silent.sign_with(&forger, &mut draft("forged"), rules));
    let raw = events.into_iter().map(|event| event.1).collect();
    let answers = stage.teller.transaction("a.test", raw, Vec::new()).await.unwrap();
    assert_eq!(answers.values().filter(|answer| answer.is_err()).count(), 26);
    stage.a.stop().await;

    let store = stage.network.database("a.test").await;
    let waiting = store.read(|conn| postponed_events::due(conn, i64::MAX, 100)).await.unwrap();
    store.close().await;
    assert_eq!(waiting.len(), 20);
    assert!(waiting.iter().all(|event| event.json.contains("event ")));
}
