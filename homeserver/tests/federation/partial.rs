//! Rooms that are entered without their members: usable at once, whole later, and right in the end.

use std::sync::Arc;

use parking_lot::Mutex;
use reqwest::Method;
use ruma::{OwnedEventId, OwnedRoomId, RoomVersionId};
use sealpost_homeserver::{
    clock::Clock,
    storage::{Position, outbox, partial_rooms},
};
use serde_json::{Value, json, value::RawValue};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    database::TestDatabase,
    network::{Network, Server},
    puppet::{Asked, Puppet, Reply, now, rules_of},
    user::{User, encode},
};

/// A room of the puppet's with many members and some who are banned.
struct Room {
    id: OwnedRoomId,
    events: Vec<(OwnedEventId, Value)>,
    create: OwnedEventId,
    power_levels: OwnedEventId,
    join_rules: OwnedEventId,
    /// The join of somebody who was banned later.
    banned_join: OwnedEventId,
    member_join: OwnedEventId,
    /// Which events are the state.
    state: Vec<OwnedEventId>,
}

const QUIET: usize = 30;

impl Room {
    fn new(puppet: &Puppet, with_member: &Puppet) -> Self {
        let id = OwnedRoomId::try_from(format!("!partial:{}", puppet.name)).unwrap();
        let (mut events, mut state) = (Vec::new(), Vec::new());
        let mut add = |kind: &str,
                       key: &str,
                       sender: &str,
                       content: Value,
                       auth: &[&OwnedEventId]| {
            let prev: Vec<OwnedEventId> = events
                .last()
                .map(|(id, _): &(OwnedEventId, Value)| id.clone())
                .into_iter()
                .collect();
            let event = json!({
                "type": kind, "state_key": key, "sender": sender, "room_id": id, "content": content,
                "origin_server_ts": now(), "depth": events.len() + 1, "auth_events": auth,
                "prev_events": prev,
            });
            let mut event = serde_json::from_value(event).unwrap();
            let is_theirs = sender.ends_with(&format!(":{}", with_member.name));
            let signer = if is_theirs { with_member } else { puppet };
            let (event_id, raw) = signer.sign(&mut event, rules_of(RoomVersionId::V11));
            events.push((event_id.clone(), serde_json::from_str(raw.get()).unwrap()));
            state.push(event_id.clone());
            event_id
        };
        let member = |membership: &str| json!({ "membership": membership });
        let creator = format!("@creator:{}", puppet.name);
        let create = add("m.room.create", "", &creator, json!({ "room_version": "11" }), &[]);
        let creator_join = add("m.room.member", &creator, &creator, member("join"), &[&create]);
        let named = |name: &str| format!("@{name}:{}", puppet.name);
        let banned = named("banned");
        let levels = json!({ "users": { &creator: 100, &banned: 60 }, "state_default": 50 });
        let power_levels =
            add("m.room.power_levels", "", &creator, levels, &[&create, &creator_join]);
        let by_creator = [&create, &power_levels, &creator_join];
        let rule = json!({ "join_rule": "public" });
        let join_rules = add("m.room.join_rules", "", &creator, rule, &by_creator);
        let visibility = json!({ "history_visibility": "shared" });
        add("m.room.history_visibility", "", &creator, visibility, &by_creator);
        add("m.room.name", "", &creator, json!({ "name": "Large" }), &by_creator);
        let to_join = [&create, &power_levels, &join_rules];
        let member_join =
            add("m.room.member", &named("member"), &named("member"), member("join"), &to_join);
        for number in 0..QUIET {
            let quiet = named(&format!("quiet{number}"));
            add("m.room.member", &quiet, &quiet, member("join"), &to_join);
        }
        let remote = format!("@remote:{}", with_member.name);
        add("m.room.member", &remote, &remote, member("join"), &to_join);
        let banned_join = add("m.room.member", &banned, &banned, member("join"), &to_join);
        let to_ban = [&create, &power_levels, &creator_join, &banned_join];
        add("m.room.member", &banned, &creator, member("ban"), &to_ban);
        add("m.room.member", "@bob:a.test", &creator, member("ban"), &by_creator);
        // What no database holds is left out, and takes nothing along.
        add("m.\0", "", &creator, json!({}), &by_creator);
        add("m.key", "\0", &creator, json!({}), &by_creator);
        state.retain(|id| *id != banned_join);
        Self { id, events, create, power_levels, join_rules, banned_join, member_join, state }
    }

    fn event(&self, id: &OwnedEventId) -> &Value {
        &self.events.iter().find(|(known, _)| known == id).unwrap().1
    }

    fn is_member(&self, id: &OwnedEventId) -> bool {
        self.event(id)["type"] == "m.room.member"
    }

    /// What is answered to one who joins; `None` of other requests.
    fn lets_join(&self, asked: &Asked, servers: &[String]) -> Option<Reply> {
        if asked.path.contains("/make_join/") {
            let user = asked.path.rsplit('/').next().unwrap().split('?').next().unwrap();
            let user = user.replace("%40", "@").replace("%3A", ":");
            let Self { create, power_levels, join_rules, .. } = self;
            return Some(Reply::Json(
                200,
                json!({ "room_version": "11", "event": {
                    "type": "m.room.member", "state_key": user, "sender": user,
                    "room_id": self.id, "content": { "membership": "join" },
                    "origin_server_ts": now(), "depth": self.events.len() + 1,
                    "auth_events": [create, power_levels, join_rules],
                    "prev_events": [self.events.last().unwrap().0],
                } }),
            ));
        }
        if !asked.path.contains("/send_join/") {
            return None;
        }
        assert!(asked.path.contains("omit_members=true"), "{}", asked.path);
        let (members, others): (Vec<_>, Vec<_>) =
            self.state.iter().partition(|id| self.is_member(id));
        let others: Vec<&Value> = others.into_iter().map(|id| self.event(id)).collect();
        // The creator's join stands behind the rest.
        let chain: Vec<&Value> = members.into_iter().take(1).map(|id| self.event(id)).collect();
        Some(Reply::Json(
            200,
            json!({
                "state": others, "auth_chain": chain, "members_omitted": true,
                "servers_in_room": servers,
            }),
        ))
    }

    /// What is answered to one who asks for events and states.
    fn tells(&self, asked: &Asked, let_go: &watch::Receiver<bool>) -> Option<Reply> {
        if asked.path.contains("/state_ids/") {
            let chain: Vec<&OwnedEventId> = self.events.iter().map(|(id, _)| id).collect();
            let ids = json!({ "pdu_ids": self.state, "auth_chain_ids": chain });
            return Some(Reply::Held(let_go.clone(), ids));
        }
        if asked.path.contains("/event_auth/") {
            let chain: Vec<&Value> = self.events.iter().map(|(_, event)| event).collect();
            return Some(Reply::Json(200, json!({ "auth_chain": chain })));
        }
        if let Some((_, id)) = asked.path.split_once("/v1/event/") {
            let id = id.replace("%24", "$");
            let (_, event) = self.events.iter().find(|(known, _)| known.as_str() == id)?;
            let pdus = json!({ "origin": "p.test", "origin_server_ts": now(), "pdus": [event] });
            return Some(Reply::Json(200, pdus));
        }
        takes_transactions(asked)
    }

    /// A message after `prev`, of somebody whose membership says `member`.
    fn message(
        &self,
        puppet: &Puppet,
        (name, member): (&str, &OwnedEventId),
        prev: &OwnedEventId,
        body: &str,
    ) -> (OwnedEventId, Box<RawValue>) {
        let event = json!({
            "type": "m.room.message", "content": { "msgtype": "m.text", "body": body },
        });
        self.act(puppet, (name, &[member]), prev, event)
    }

    /// An event after `prev`, with its type and content, authorised by these besides.
    fn act(
        &self,
        puppet: &Puppet,
        (name, auth): (&str, &[&OwnedEventId]),
        prev: &OwnedEventId,
        mut event: Value,
    ) -> (OwnedEventId, Box<RawValue>) {
        event["room_id"] = json!(self.id);
        event["sender"] = json!(format!("@{name}:{}", puppet.name));
        event["origin_server_ts"] = json!(now());
        event["depth"] = json!(self.events.len() + 10);
        event["prev_events"] = json!([prev]);
        let auth = [&self.create, &self.power_levels].into_iter().chain(auth.iter().copied());
        event["auth_events"] = json!(auth.collect::<Vec<_>>());
        let mut event = serde_json::from_value(event).unwrap();
        puppet.sign(&mut event, rules_of(RoomVersionId::V11))
    }
}

fn takes_transactions(asked: &Asked) -> Option<Reply> {
    asked.path.contains("/v1/send/").then(|| Reply::Json(200, json!({ "pdus": {} })))
}

/// The join that the puppet was sent.
fn join_seen(puppet: &Puppet) -> OwnedEventId {
    let seen = puppet.seen.lock();
    let path = seen.iter().rfind(|path| path.contains("/send_join/")).unwrap();
    let id = path.rsplit('/').next().unwrap().split('?').next().unwrap();
    OwnedEventId::try_from(id.replace("%24", "$")).unwrap()
}

/// A room on `p.test`, of which `q.test` is too, that Alice of `a.test` has joined; its members are held back.
struct Scene {
    network: Network,
    a: Server,
    p: Puppet,
    q: Puppet,
    room: Arc<Room>,
    alice: Arc<User>,
    join: OwnedEventId,
    let_go: watch::Sender<bool>,
    /// The bodies of what `q.test` was sent.
    to_q: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    async fn new() -> Self {
        Self::with("", &["p.test", "q.test"]).await
    }

    /// With settings of `a.test`, and the servers that `p.test` names.
    async fn with(settings: &str, servers: &[&str]) -> Self {
        let network = Network::new();
        let a = network.start_with("a.test", settings).await;
        let p = Puppet::start(&network, "p.test").await;
        let q = Puppet::start(&network, "q.test").await;
        let room = Arc::new(Room::new(&p, &q));
        let (let_go, held) = watch::channel(false);
        let telling = room.clone();
        let servers: Vec<String> = servers.iter().map(|name| (*name).to_owned()).collect();
        p.script.set(move |asked| {
            let joins = telling.lets_join(asked, &servers);
            joins.or_else(|| telling.tells(asked, &held))
        });
        let to_q = Arc::new(Mutex::new(Vec::new()));
        let sent = to_q.clone();
        q.script.set(move |asked| {
            sent.lock().push(asked.body.clone());
            takes_transactions(asked)
        });
        let alice = Arc::new(a.register("alice").await);
        alice.join(room.id.as_str(), "p.test").await;
        let join = join_seen(&p);
        Self { network, a, p, q, room, alice, join, let_go, to_q }
    }

    async fn lazy_sync(&self, since: &str) -> Value {
        let filter = r#"{"room":{"state":{"lazy_load_members":true}}}"#;
        let since = if since.is_empty() { String::new() } else { format!("&since={since}") };
        let path = format!("sync?timeout=0&filter={}{since}", encode(filter));
        self.alice.call(Method::GET, &path, json!({})).await
    }

    /// Asks for all members: an answer only when they are here.
    fn members(&self) -> JoinHandle<Vec<String>> {
        let (alice, id) = (self.alice.clone(), encode(self.room.id.as_str()));
        tokio::spawn(async move {
            let path = format!("rooms/{id}/joined_members");
            let answer = alice.call(Method::GET, &path, json!({})).await;
            answer["joined"].as_object().unwrap().keys().cloned().collect()
        })
    }

    async fn q_was_sent(&self, text: &str) {
        self.alice
            .sync_until("a transaction to q.test", async || {
                self.to_q.lock().iter().any(|body| body.contains(text))
            })
            .await;
    }
}

fn bodies(room: &Value) -> Vec<&str> {
    let events = room["timeline"]["events"].as_array().unwrap().iter();
    events.filter_map(|event| event["content"]["body"].as_str()).collect()
}

fn has_member(room: &Value, user: &str) -> bool {
    let state = room["state"]["events"].as_array().unwrap();
    state.iter().any(|event| event["state_key"] == user)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_used_before_its_members_are_here_and_is_checked_again_then() {
    let scene = Scene::new().await;
    let Scene { room, alice, p, .. } = &scene;
    let id = room.id.as_str();

    // Who loads members when they are needed has the room.
    let first = scene.lazy_sync("").await;
    let shown = &first["rooms"]["join"][id];
    assert_eq!(alice.state(id, "m.room.name").await["name"], "Large");
    assert!(shown["timeline"]["events"][0]["state_key"] == alice.id, "{shown}");
    let since = first["next_batch"].as_str().unwrap();
    let unlazy = alice.call(Method::GET, "sync?timeout=0", json!({})).await;
    assert!(unlazy["rooms"]["join"][id].is_null());

    // What is said reaches all servers that were named, and what they say is taken.
    let members = scene.members();
    alice.send(id, "from alice").await;
    scene.q_was_sent("from alice").await;
    let (spoken, pdu) =
        room.message(p, ("member", &room.member_join), &scene.join, "from a member");
    let (forged, banned) = room.message(p, ("banned", &room.banned_join), &spoken, "from a banned");
    let answers = p.transaction("a.test", vec![pdu, banned], Vec::new()).await.unwrap();
    assert_eq!((&answers[&spoken], &answers[&forged]), (&Ok(()), &Ok(())));
    let second = scene.lazy_sync(since).await;
    let shown = &second["rooms"]["join"][id];
    assert_eq!(bodies(shown), ["from alice", "from a member", "from a banned"]);
    assert!(has_member(shown, "@member:p.test"), "{shown}");

    // Who asks this server for more than it knows is sent to others.
    let refused = p.make_join("a.test", &room.id, RoomVersionId::V11).await.unwrap_err();
    assert!(format!("{refused:?}").contains("M_UNABLE_DUE_TO_PARTIAL_STATE"), "{refused:?}");

    // Another user of this server may be banned, by whichever way they come in.
    let bob = Arc::new(scene.a.register("bob").await);
    let ways = [
        (Method::POST, format!("join/{}?via=p.test", encode(id))),
        (Method::PUT, format!("rooms/{}/state/m.room.member/{}", encode(id), encode(&bob.id))),
    ];
    let refused = ways.map(|(method, path)| {
        let bob = bob.clone();
        let join = json!({ "membership": "join" });
        tokio::spawn(async move { bob.try_call(method, &path, join).await.0 })
    });
    assert!(!members.is_finished() && !refused.iter().any(JoinHandle::is_finished));

    scene.let_go.send(true).unwrap();
    let members = members.await.unwrap();
    assert_eq!(members.len(), QUIET + 4, "{members:?}");
    for refused in refused {
        assert_eq!(refused.await.unwrap(), 403);
    }
    assert_eq!(alice.membership(id, "@banned:p.test").await, "ban");
    assert_eq!(alice.bodies(id).await, ["from alice", "from a member"]);

    // Sync tells whose keys to ask for, and the whole room who wants it whole.
    let third = scene.lazy_sync(second["next_batch"].as_str().unwrap()).await;
    let changed = third["device_lists"]["changed"].as_array().unwrap();
    assert!(changed.contains(&json!("@quiet7:p.test")), "{third}");
    assert_eq!(third["rooms"]["join"][id]["summary"]["m.joined_member_count"], QUIET + 4);
    let path = format!("sync?timeout=0&since={}", unlazy["next_batch"].as_str().unwrap());
    let whole = alice.call(Method::GET, &path, json!({})).await;
    let shown = &whole["rooms"]["join"][id];
    assert!(has_member(shown, "@quiet7:p.test"));
    assert_eq!(bodies(shown), ["from alice", "from a member"]);

    // It goes on, on the whole state.
    let (late, pdu) = room.message(p, ("banned", &room.banned_join), &spoken, "once more");
    p.transaction("a.test", vec![pdu], Vec::new()).await.unwrap();
    let path = format!("rooms/{}/event/{}", encode(id), encode(late.as_str()));
    assert_eq!(alice.try_call(Method::GET, &path, json!({})).await.0, 404);
    alice.send(id, "goodbye").await;
    assert_eq!(alice.bodies(id).await, ["from alice", "from a member", "goodbye"]);
    scene.a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_fetching_members() {
    let scene = Scene::new().await;
    let (room, alice, p) = (scene.room.clone(), scene.alice.clone(), &scene.p);
    let id = room.id.as_str();
    let (_, pdu) = room.message(p, ("banned", &room.banned_join), &scene.join, "from a banned");
    p.transaction("a.test", vec![pdu], Vec::new()).await.unwrap();
    alice.send(id, "from alice").await;
    // What is missing is not asked for while the members are not here.
    let nowhere = OwnedEventId::try_from("$nowhere").unwrap();
    let (gap, pdu) = room.message(p, ("member", &room.member_join), &nowhere, "over a gap");
    let answers = p.transaction("a.test", vec![pdu], Vec::new()).await.unwrap();
    assert_eq!(answers[&gap], Ok(()));
    scene.a.stop().await;

    scene.let_go.send(true).unwrap();
    let a = scene.network.start("a.test").await;
    let alice = alice.at(&a.base);
    let path = format!("rooms/{}/joined_members", encode(id));
    let members = alice.call(Method::GET, &path, json!({})).await;
    assert_eq!(members["joined"].as_object().unwrap().len(), QUIET + 4);
    assert_eq!(alice.bodies(id).await, ["from alice", "over a gap"]);
    assert!(
        p.seen.lock().iter().any(|path| path.contains("state_ids") && path.contains("nowhere"))
    );
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_ends_the_fetching_of_members() {
    let scene = Scene::new().await;
    let Scene { room, alice, q, .. } = &scene;
    let path = format!("rooms/{}/leave", encode(room.id.as_str()));
    alice.call(Method::POST, &path, json!({})).await;
    scene.q_was_sent(r#""membership":"leave""#).await;
    // Nobody waits for members any more.
    let path = format!("rooms/{}/members", encode(room.id.as_str()));
    alice.call(Method::GET, &path, json!({})).await;
    assert_eq!(q.asked("/_matrix/federation/v1/state_ids"), 0);
    scene.a.stop().await;
    let store = scene.network.database("a.test").await;
    assert_eq!(store.read(partial_rooms::all).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_tells_the_members_when_the_first_does_not() {
    let scene = Scene::new().await;
    let Scene { room, p, q, .. } = &scene;
    let telling = room.clone();
    let (_let_go, go) = watch::channel(true);
    q.script.set(move |asked| telling.tells(asked, &go));
    p.script.set(|_| None);
    scene.network.link_to("p.test", "127.0.0.1:1".parse().unwrap());
    assert_eq!(scene.members().await.unwrap().len(), QUIET + 4);
    assert_eq!(q.asked("/_matrix/federation/v1/state_ids"), 1);
    scene.a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_only_named_are_bothered_within_a_bound_and_none_misses_anything() {
    let names: Vec<String> = (0..150).map(|number| format!("n{number}.test")).collect();
    let mut servers = vec!["p.test"];
    servers.extend(names.iter().map(String::as_str));
    servers.push("q.test");
    let scene = Scene::with("", &servers).await;
    let Scene { room, alice, .. } = &scene;
    alice.send(room.id.as_str(), "first").await;
    alice.send(room.id.as_str(), "second").await;
    let members = scene.members();
    scene.let_go.send(true).unwrap();
    members.await.unwrap();
    scene.q_was_sent("second").await;
    assert!(!scene.to_q.lock().iter().any(|body| body.contains("first")), "it asks for that");
    scene.a.stop().await;
    let store = scene.network.database("a.test").await;
    let waiting = store.read(|conn| outbox::destinations(conn, Position(0))).await.unwrap();
    let named = waiting.iter().filter(|name| name.starts_with('n')).count();
    assert_eq!(named, 100, "{waiting:?}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_kicked_by_somebody_banned_is_in_the_room_in_the_end() {
    let scene = Scene::new().await;
    let Scene { room, alice, p, .. } = &scene;
    let kick = json!({
        "type": "m.room.member", "state_key": alice.id, "content": { "membership": "leave" },
    });
    let auth = [&room.banned_join, &scene.join];
    let (id, kick) = room.act(p, ("banned", &auth), &scene.join, kick);
    let answers = p.transaction("a.test", vec![kick], Vec::new()).await.unwrap();
    assert_eq!(answers[&id], Ok(()));
    let joined =
        async || alice.call(Method::GET, "joined_rooms", json!({})).await["joined_rooms"].clone();
    assert_eq!(joined().await, json!([]));
    scene.let_go.send(true).unwrap();
    alice.sync_until("the end of the kick", async || joined().await == json!([room.id])).await;
    assert_eq!(scene.members().await.unwrap().len(), QUIET + 4);
    alice.send(room.id.as_str(), "still here").await;
    scene.q_was_sent("still here").await;
    scene.a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_kicked_waits_for_no_members_once_all_say_so() {
    let Scene { network, a, p, q, room, alice, join, let_go, .. } = Scene::new().await;
    let kick = json!({
        "type": "m.room.member", "state_key": alice.id, "content": { "membership": "leave" },
    });
    let creator_join = &room.events[1].0;
    let (_, kick) = room.act(&p, ("creator", &[creator_join, &join]), &join, kick);
    for puppet in [&p, &q] {
        puppet.script.set(|asked| {
            let refused = json!({ "errcode": "M_FORBIDDEN", "error": "You are not in that room" });
            takes_transactions(asked).or(Some(Reply::Json(403, refused)))
        });
    }
    p.transaction("a.test", vec![kick], Vec::new()).await.unwrap();
    // What it was asked before, it does not answer.
    drop(let_go);
    let path = format!("rooms/{}/members", encode(room.id.as_str()));
    alice.call(Method::GET, &path, json!({})).await;
    a.stop().await;
    let store = network.database("a.test").await;
    assert_eq!(store.read(partial_rooms::all).await.unwrap(), []);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nobody_is_left_who_has_the_members_those_that_are_known_are_all() {
    // More than are asked in one try.
    let gone: Vec<String> = (0..250).map(|number| format!("gone{number}.test")).collect();
    let named: Vec<&str> =
        ["p.test", "q.test"].into_iter().chain(gone.iter().map(String::as_str)).collect();
    let scene = Scene::with("", &named).await;
    let (room, p, q) = (scene.room.clone(), &scene.p, &scene.q);
    let id = room.id.as_str();
    let (_, pdu) = room.message(p, ("member", &room.member_join), &scene.join, "from a member");
    p.transaction("a.test", vec![pdu], Vec::new()).await.unwrap();
    scene.a.stop().await;

    // The first server is gone, and the other has the same trouble.
    scene.network.link_to("p.test", "127.0.0.1:1".parse().unwrap());
    q.script.set(|asked| {
        let kind = "M_UNABLE_DUE_TO_PARTIAL_STATE";
        let none = json!({ "errcode": kind, "error": "Not yet" });
        takes_transactions(asked).or(Some(Reply::Json(404, none)))
    });
    let day = 24 * 3_600_000;
    let clock = Clock::fixed(now() + day + 60_000);
    let a = scene.network.start_at("a.test", clock).await;
    let alice = scene.alice.at(&a.base);
    let path = format!("rooms/{}/joined_members", encode(id));
    let members = alice.call(Method::GET, &path, json!({})).await;
    // Of the others the chains of the state and of that message have told.
    assert_eq!(members["joined"].as_object().unwrap().len(), QUIET + 4);
    assert_eq!(alice.bodies(id).await, ["from a member"]);
    alice.send(id, "goodbye").await;
    assert_eq!(q.asked("/_matrix/federation/v1/state_ids"), 1);
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_database_holds_takes_no_join_and_no_transaction_along() {
    for database in TestDatabase::both() {
        let settings = format!("\n[database]\nurl = \"{}\"\n", database.url);
        let scene = Scene::with(&settings, &["p.test", "q.test"]).await;
        let Scene { room, alice, p, .. } = &scene;
        scene.let_go.send(true).unwrap();
        assert_eq!(scene.members().await.unwrap().len(), QUIET + 4);
        let by_member: &[&OwnedEventId] = &[&room.member_join];
        let event = |kind: &str, prev: &OwnedEventId, content: Value| {
            let mut event = json!({ "type": kind, "content": content });
            if kind == "m.state" {
                event["state_key"] = "\0".into();
            }
            room.act(p, ("member", by_member), prev, event)
        };
        let nowhere = OwnedEventId::try_from("$\0").unwrap();
        let (first, good) = room.message(p, ("member", &room.member_join), &scene.join, "first");
        let pdus = [
            event("m.\0", &scene.join, json!({})),
            event("m.state", &scene.join, json!({})),
            event("m.room.message", &nowhere, json!({ "body": "x" })),
            event("m.room.redaction", &first, json!({ "redacts": nowhere })),
            room.message(p, ("member", &room.member_join), &first, "last"),
        ];
        let (ids, mut pdus): (Vec<_>, Vec<_>) = pdus.into_iter().unzip();
        pdus.insert(0, good);
        let receipt = json!({ "edu_type": "m.receipt", "content": { &*room.id: { "m.read": {
            "@member:p.test": { "data": { "ts": 1 }, "event_ids": [nowhere] },
        } } } });
        let answers = p.transaction("a.test", pdus, vec![receipt]).await.unwrap();
        let refused: Vec<bool> = ids.iter().map(|id| answers[id].is_err()).collect();
        assert_eq!(refused, [true, true, true, false, false], "{answers:?}");
        assert_eq!(alice.bodies(room.id.as_str()).await, ["first", "last"]);
        scene.a.stop().await;
    }
}
