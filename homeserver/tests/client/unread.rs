//! What is unread: counted by the server, and by asking every rule of every member.

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use ruma::{
    UInt, UserId,
    events::AnySyncTimelineEvent,
    power_levels::NotificationPowerLevels,
    push::{PushConditionPowerLevelsCtx, PushConditionRoomCtx, Ruleset},
    room_version_rules::{AuthorizationRules, RoomPowerLevelsRules},
    serde::Raw,
};
use serde_json::{Value, json};

use super::{
    actor::{Actor, Connection, in_room},
    server::{TestServer, on_both},
};

const RULES: &str = "/_matrix/client/v3/pushrules/global";

/// Notifications and highlights.
type Counts = (u64, u64);

fn counts(block: &Value) -> Counts {
    let number = |key: &str| block[key].as_u64().unwrap_or(u64::MAX);
    (number("notification_count"), number("highlight_count"))
}

async fn unread(actor: &Actor, room: &str) -> Counts {
    let sync = actor.sync(None, "").await;
    counts(&sync["rooms"]["join"][room]["unread_notifications"])
}

/// The counts of what is in no thread, and of each thread.
async fn by_thread(actor: &Actor, room: &str) -> (Counts, BTreeMap<String, Counts>) {
    let filter =
        "%7B%22room%22:%7B%22timeline%22:%7B%22unread_thread_notifications%22:true%7D%7D%7D";
    let sync = actor.sync(None, &format!("filter={filter}")).await;
    let room = &sync["rooms"]["join"][room];
    let threads = room["unread_thread_notifications"].as_object().cloned().unwrap_or_default();
    let threads = threads.iter().map(|(root, block)| (root.clone(), counts(block)));
    (counts(&room["unread_notifications"]), threads.collect())
}

async fn send(actor: &Actor, room: &str, event_type: &str, content: Value) -> String {
    let path = in_room(room, &format!("send/{event_type}/{}", rand::random::<u64>()));
    actor.put(&path, content).await.ok()["event_id"].as_str().unwrap().to_owned()
}

async fn read(actor: &Actor, room: &str, kind: &str, event: &str, body: Value) {
    actor.post(&in_room(room, &format!("receipt/{kind}/{event}")), body).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_come_with_the_event_and_go_with_the_receipt() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let room = alice.create_room().await;
        alice.say(&room, "before").await;
        bob.join(&room).await;
        assert_eq!(unread(&bob, &room).await, (0, 0), "what was before joining is read");
        let mut since = bob.sync(None, "").await["next_batch"].as_str().unwrap().to_owned();
        let mut next = async |bob: &Actor| {
            let sync = bob.sync(Some(&since), "timeout=30000").await;
            since = sync["next_batch"].as_str().unwrap().to_owned();
            counts(&sync["rooms"]["join"][&room]["unread_notifications"])
        };
        alice.say(&room, "one").await;
        assert_eq!(next(&bob).await, (1, 0));
        let mention = json!({
            "msgtype": "m.text", "body": "two", "m.mentions": { "user_ids": [bob.user_id] },
        });
        let two = send(&alice, &room, "m.room.message", mention).await;
        assert_eq!(next(&bob).await, (2, 1));
        alice.put(&in_room(&room, "state/m.room.topic/"), json!({ "topic": "x" })).await.ok();
        assert_eq!(next(&bob).await, (2, 1));
        read(&bob, &room, "m.read.private", &two, json!({})).await;
        assert_eq!(next(&bob).await, (0, 0));
        let three = alice.say(&room, "three").await;
        assert_eq!(next(&bob).await, (1, 0));
        let redact = in_room(&room, &format!("redact/{three}/1"));
        alice.put(&redact, json!({})).await.ok();
        assert_eq!(next(&bob).await, (0, 0));
        alice.say(&room, "four").await;
        assert_eq!(next(&bob).await, (1, 0));
        bob.say(&room, "who answers has read").await;
        assert_eq!(next(&bob).await, (0, 0));
        assert_eq!(unread(&alice, &room).await, (1, 0));
        server.stop().await;
        server.start_again().await;
        let base = server.stranger();
        let answer = json!({
            "user_id": alice.user_id, "device_id": alice.device_id,
            "access_token": alice.access_token,
        });
        let alice = Actor::new(base, &answer);
        assert_eq!(unread(&alice, &room).await, (1, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_are_listed_in_pages_latest_first() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let mut rooms = Vec::new();
        for _ in 0..2 {
            let room = alice.create_room().await;
            alice.say(&room, "before").await;
            bob.join(&room).await;
            rooms.push(room);
        }
        let mut sent = Vec::new();
        for n in 0..70 {
            sent.push(alice.say(&rooms[n % 2], &n.to_string()).await);
        }
        let mention = json!({
            "msgtype": "m.text", "body": "you", "m.mentions": { "user_ids": [bob.user_id] },
        });
        sent.push(send(&alice, &rooms[0], "m.room.message", mention).await);
        let gone = alice.say(&rooms[1], "gone").await;
        alice.put(&in_room(&rooms[1], &format!("redact/{gone}/1")), json!({})).await.ok();
        read(&bob, &rooms[1], "m.read", &sent[69], json!({})).await;

        const PATH: &str = "/_matrix/client/v3/notifications";
        let mut listed = Vec::new();
        let mut query = "?limit=30".to_owned();
        loop {
            let page = bob.get(&format!("{PATH}{query}")).await.ok();
            listed.extend(page["notifications"].as_array().unwrap().clone());
            match page["next_token"].as_str() {
                Some(next) => query = format!("?limit=30&from={next}"),
                None => break,
            }
        }
        let ids: Vec<_> = listed.iter().map(|n| n["event"]["event_id"].as_str().unwrap()).collect();
        let expected: Vec<_> = sent.iter().rev().map(String::as_str).collect();
        assert_eq!(ids, expected);
        assert_eq!(listed[0]["room_id"], rooms[0]);
        assert_eq!(listed[0]["read"], false);
        assert_eq!(listed[0]["actions"].as_array().unwrap().len(), 3, "{}", listed[0]);
        assert_eq!(listed[1]["room_id"], rooms[1]);
        assert_eq!(listed[1]["read"], true);
        assert!(listed[1]["ts"].is_i64());
        let only = bob.get(&format!("{PATH}?only=highlight")).await.ok();
        let only = only["notifications"].as_array().unwrap();
        assert_eq!(only.len(), 1);
        assert_eq!(only[0]["event"]["event_id"], sent[70].as_str());
        assert_eq!(alice.get(PATH).await.ok(), json!({ "notifications": [] }));
        let broken = bob.get(&format!("{PATH}?from=nonsense")).await;
        assert_eq!(broken.error(), (400, "M_INVALID_PARAM"));

        let invited = alice.create_room_with(json!({ "invite": [bob.user_id] })).await;
        let first = bob.get(&format!("{PATH}?limit=1")).await.ok();
        assert_eq!(first["notifications"][0]["room_id"], invited);
        assert_eq!(first["notifications"][0]["event"]["type"], "m.room.member");
    })
    .await;
}

/// One event, and what it is to each who was a member when it was sent.
struct Sent {
    id: String,
    thread: String,
    /// Its type and target.
    relation: Option<(String, String)>,
    redacted: bool,
    outcomes: BTreeMap<String, Counts>,
}

/// What a member has read, as places in the list of events.
#[derive(Default)]
struct Read {
    all: usize,
    threads: BTreeMap<String, usize>,
}

/// The room as somebody would count who asks every rule of every member.
struct Model {
    room: String,
    creator: String,
    actors: Vec<Actor>,
    joined: BTreeSet<String>,
    ignored: BTreeMap<String, BTreeSet<String>>,
    read: BTreeMap<String, Read>,
    events: Vec<Sent>,
}

impl Model {
    async fn new(server: &TestServer) -> Self {
        let mut actors = Vec::new();
        for name in ["alice", "bob", "carol", "dave"] {
            actors.push(server.register(name).await);
        }
        let room = actors[0].create_room().await;
        let creator = actors[0].user_id.clone();
        let mut model = Self {
            room,
            creator: creator.clone(),
            actors,
            joined: BTreeSet::from([creator]),
            ignored: BTreeMap::new(),
            read: BTreeMap::new(),
            events: Vec::new(),
        };
        for at in 1..3 {
            model.join(at).await;
        }
        model
    }

    fn members(&self) -> Vec<Actor> {
        self.actors.iter().filter(|a| self.joined.contains(&a.user_id)).cloned().collect()
    }

    async fn join(&mut self, at: usize) {
        let actor = self.actors[at].clone();
        actor.join(&self.room).await;
        self.joined.insert(actor.user_id.clone());
        let all = self.events.len();
        self.read.insert(actor.user_id, Read { all, threads: BTreeMap::new() });
    }

    /// Notes an event that was sent, evaluated for everybody.
    async fn note(&mut self, sender: &Actor, id: String, mut event: Value) {
        event["sender"] = json!(sender.user_id);
        let is_state = event.get("state_key").is_some();
        let relates_to = &event["content"]["m.relates_to"];
        let text = |key: &str| relates_to[key].as_str().map(str::to_owned);
        let relation = text("rel_type").zip(text("event_id"));
        let thread = self.thread_of(relation.clone());
        let raw: Raw<AnySyncTimelineEvent> = Raw::from_json_string(event.to_string()).unwrap();
        let mut outcomes = BTreeMap::new();
        for member in self.members() {
            let ignores = self.ignored.get(&member.user_id);
            if ignores.is_some_and(|ignored| ignored.contains(&sender.user_id)) {
                continue;
            }
            let rules = member.get(&format!("{RULES}/")).await.ok();
            let rules: Ruleset = serde_json::from_value(rules).unwrap();
            let user_id = UserId::parse(&member.user_id).unwrap();
            let count = UInt::try_from(self.joined.len()).unwrap();
            let room_id = self.room.as_str().try_into().unwrap();
            let mut context = PushConditionRoomCtx::new(room_id, count, user_id, String::new());
            let creator = UserId::parse(&self.creator).unwrap();
            context.power_levels = Some(PushConditionPowerLevelsCtx::new(
                BTreeMap::new(),
                ruma::int!(0),
                NotificationPowerLevels::new(),
                RoomPowerLevelsRules::new(&AuthorizationRules::V12, [creator]),
            ));
            let actions = rules.get_actions(&raw, &context).await;
            let notify = actions.iter().any(|action| action.should_notify());
            let highlight = notify && actions.iter().any(|action| action.is_highlight());
            outcomes.insert(member.user_id.clone(), (notify.into(), highlight.into()));
        }
        let sent = Sent { id, thread: thread.clone(), relation, redacted: false, outcomes };
        self.events.push(sent);
        if !is_state {
            let read = self.read.entry(sender.user_id.clone()).or_default();
            read.threads.insert(thread, self.events.len());
        }
    }

    /// Follows relations, not too far.
    fn thread_of(&self, mut relation: Option<(String, String)>) -> String {
        for _ in 0..3 {
            let Some((kind, target)) = relation else { break };
            if kind == "m.thread" {
                return target;
            }
            let parent = self.events.iter().find(|event| event.id == target);
            relation = parent.filter(|parent| !parent.redacted).and_then(|p| p.relation.clone());
        }
        "main".to_owned()
    }

    fn expected(&self, user: &str) -> BTreeMap<String, Counts> {
        let nothing = Read::default();
        let read = self.read.get(user).unwrap_or(&nothing);
        let mut threads: BTreeMap<String, Counts> = BTreeMap::new();
        for (at, event) in self.events.iter().enumerate() {
            let read = read.all.max(read.threads.get(&event.thread).copied().unwrap_or(0));
            let Some((notify, highlight)) = event.outcomes.get(user) else { continue };
            if at >= read && !event.redacted && *notify > 0 {
                let thread = threads.entry(event.thread.clone()).or_default();
                *thread = (thread.0 + notify, thread.1 + highlight);
            }
        }
        threads
    }

    async fn check(&self, step: usize) {
        for member in self.members() {
            let mut expected = self.expected(&member.user_id);
            let sum = expected.values().fold((0, 0), |sum, c| (sum.0 + c.0, sum.1 + c.1));
            let who = &member.user_id;
            assert_eq!(unread(&member, &self.room).await, sum, "{who} after step {step}");
            let main = expected.remove("main").unwrap_or_default();
            let threads = by_thread(&member, &self.room).await;
            assert_eq!(threads, (main, expected), "{who} by thread after step {step}");
        }
    }

    async fn message(&mut self, rng: &mut StdRng) {
        let members = self.members();
        let sender = members.choose(rng).unwrap().clone();
        let mut content = json!({ "msgtype": "m.text", "body": "hello" });
        let mut event_type = "m.room.message";
        match rng.random_range(0..9) {
            0 => content["body"] = json!("some cake today"),
            1 => {
                let whom: Vec<&String> = self.actors.iter().map(|a| &a.user_id).collect();
                let whom: Vec<_> = whom.sample(rng, 2).collect();
                content["m.mentions"] = json!({ "user_ids": whom });
            }
            2 => content["m.mentions"] = json!({ "room": true }),
            3 => content["msgtype"] = json!("m.notice"),
            4 => {
                event_type = "m.room.encrypted";
                content = json!({ "algorithm": "x", "ciphertext": "y" });
            }
            5 => event_type = "org.test.quiet",
            _ => {}
        }
        let earlier = self.events.choose(rng);
        let earlier = earlier.map(|e| (e.id.clone(), e.thread.clone(), e.relation.is_some()));
        if let Some((id, of, relates)) = earlier {
            match rng.random_range(0..6) {
                // What relates to another event begins no thread.
                0 | 1 if of != "main" || !relates => {
                    let root = if of == "main" { id } else { of };
                    content["m.relates_to"] = json!({ "rel_type": "m.thread", "event_id": root });
                }
                2 => {
                    event_type = "m.reaction";
                    // The same key of the same sender would be refused.
                    let key = rng.random_range(0..1_000_000).to_string();
                    content = json!({ "m.relates_to":
                        { "rel_type": "m.annotation", "event_id": id, "key": key } });
                }
                3 => {
                    content["m.relates_to"] =
                        json!({ "rel_type": "org.test.refers", "event_id": id });
                }
                _ => {}
            }
        }
        let id = send(&sender, &self.room, event_type, content.clone()).await;
        let event = json!({ "type": event_type, "content": content });
        self.note(&sender, id, event).await;
    }

    async fn state(&mut self, rng: &mut StdRng) {
        let alice = self.actors[0].clone();
        let (event_type, content) = match rng.random_range(0..3) {
            0 => ("m.room.tombstone", json!({ "body": "x", "replacement_room": "!x" })),
            _ => ("m.room.topic", json!({ "topic": rng.random_range(0..1_000_000) .to_string() })),
        };
        let path = in_room(&self.room, &format!("state/{event_type}/"));
        let id = alice.put(&path, content.clone()).await.ok();
        let id = id["event_id"].as_str().unwrap().to_owned();
        // State that is as it was set makes no event.
        if self.events.iter().any(|event| event.id == id) {
            return;
        }
        let event = json!({ "type": event_type, "state_key": "", "content": content });
        self.note(&alice, id, event).await;
    }

    async fn receipt(&mut self, rng: &mut StdRng) {
        let members = self.members();
        let reader = members.choose(rng).unwrap();
        if self.events.is_empty() {
            return;
        }
        let at = rng.random_range(0..self.events.len());
        let event = &self.events[at];
        let kind = *["m.read", "m.read.private"].choose(rng).unwrap();
        // Where redactions have broken the way to the thread, it is known no more.
        let lost = !event.redacted && self.thread_of(event.relation.clone()) != event.thread;
        let read_state = self.read.entry(reader.user_id.clone()).or_default();
        if lost || rng.random_bool(0.5) {
            read(reader, &self.room, kind, &event.id, json!({})).await;
            read_state.all = read_state.all.max(at + 1);
        } else {
            let body = json!({ "thread_id": event.thread });
            read(reader, &self.room, kind, &event.id, body).await;
            let place = read_state.threads.entry(event.thread.clone()).or_default();
            *place = (*place).max(at + 1);
        }
    }

    async fn redact(&mut self, rng: &mut StdRng) {
        if self.events.is_empty() {
            return;
        }
        let at = rng.random_range(0..self.events.len());
        let alice = self.actors[0].clone();
        let id = self.events[at].id.clone();
        let path = in_room(&self.room, &format!("redact/{id}/{}", rand::random::<u64>()));
        let redaction = alice.put(&path, json!({})).await.ok();
        self.events[at].redacted = true;
        let redaction = redaction["event_id"].as_str().unwrap().to_owned();
        let event = json!({ "type": "m.room.redaction", "content": { "redacts": id } });
        self.note(&alice, redaction, event).await;
    }

    async fn rules(&mut self, rng: &mut StdRng) {
        let actor = self.actors.choose(rng).unwrap().clone();
        let room = self.room.replace('!', "%21").replace(':', "%3A");
        let loud = json!(["notify", { "set_tweak": "highlight" }]);
        let (path, body) = match rng.random_range(0..6) {
            0 => (format!("{RULES}/room/{room}"), json!({ "actions": [] })),
            1 => (format!("{RULES}/content/cake"), json!({ "pattern": "cake", "actions": loud })),
            2 => (
                format!("{RULES}/override/topic"),
                json!({ "actions": loud, "conditions": [
                    { "kind": "event_match", "key": "type", "pattern": "m.room.topic" },
                    { "kind": "room_member_count", "is": "<4" },
                ] }),
            ),
            3 => {
                let on = rng.random_bool(0.5);
                let path = format!("{RULES}/underride/.m.rule.message/enabled");
                actor.put(&path, json!({ "enabled": on })).await.ok();
                return;
            }
            4 => {
                let on = rng.random_bool(0.3);
                let path = format!("{RULES}/override/.m.rule.master/enabled");
                actor.put(&path, json!({ "enabled": on })).await.ok();
                return;
            }
            _ => (
                format!("{RULES}/underride/quiet"),
                json!({ "actions": ["notify"], "conditions": [
                    { "kind": "event_match", "key": "type", "pattern": "org.test.*" },
                ] }),
            ),
        };
        if rng.random_bool(0.5) {
            actor.put(&path, body).await.ok();
        } else {
            Connection::send(actor.request(reqwest::Method::DELETE, &path)).await;
        }
    }

    async fn ignore(&mut self, rng: &mut StdRng) {
        let actor = self.actors.choose(rng).unwrap().clone();
        let mut ignored = BTreeSet::new();
        if rng.random_bool(0.5) {
            let whom = self.actors.choose(rng).unwrap();
            if whom.user_id != actor.user_id {
                ignored.insert(whom.user_id.clone());
            }
        }
        let users: serde_json::Map<_, _> =
            ignored.iter().map(|user| (user.clone(), json!({}))).collect();
        let path =
            format!("/_matrix/client/v3/user/{}/account_data/m.ignored_user_list", actor.user_id);
        actor.put(&path, json!({ "ignored_users": users })).await.ok();
        self.ignored.insert(actor.user_id, ignored);
    }

    async fn come_or_go(&mut self, rng: &mut StdRng) {
        let at = rng.random_range(1..self.actors.len());
        let actor = self.actors[at].clone();
        if self.joined.remove(&actor.user_id) {
            actor.leave(&self.room).await;
        } else {
            self.join(at).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counted_numbers_are_those_of_every_rule_for_every_member() {
    let seed = std::env::var("SEALPOST_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    println!("SEALPOST_TEST_SEED={seed}");
    on_both(async |server| {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut model = Model::new(server).await;
        for step in 0..200 {
            match rng.random_range(0..20) {
                0..=9 => model.message(&mut rng).await,
                10 => model.state(&mut rng).await,
                11..=13 => model.receipt(&mut rng).await,
                14 => model.redact(&mut rng).await,
                15..=16 => model.rules(&mut rng).await,
                17 => model.ignore(&mut rng).await,
                18 => model.come_or_go(&mut rng).await,
                _ => model.check(step).await,
            }
        }
        model.check(200).await;
    })
    .await;
}
