//! Rooms made and filled through the one door, on both databases.

mod erasure;
mod late;
mod partial;
mod policy;
mod refused;
mod resolution;
mod visibility;

use std::sync::Arc;

use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedUserId, RoomId, RoomVersionId, UInt, UserId,
    events::TimelineEventType, server_name, signatures::Ed25519KeyPair, user_id,
};
use sealpost_federation::signing_key::SigningKey;
use serde_json::{Value, json, value::to_raw_value};

use super::{Context, LocalEvent, NewRoom, Outcome, RemoteEvent, Timeline};
use crate::{
    clock::Clock,
    error::Error,
    room::{
        build::{self, Draft},
        event::Pdu,
        version,
    },
    service::{
        event::Event,
        events::Events,
        gaps::Gaps,
        ignored_users::IgnoredUsers,
        notifier::{Notifier, Serial},
        push::rules::PushRules,
        room_info::{RoomInfo, RoomInfos},
        states::States,
        user_rooms::UserRooms,
    },
    storage::{
        DatabaseUrl, Position, Store, StoreOptions, UserNid,
        client_transactions::TransactionKey,
        events::{self, Direction},
        members, rooms,
        test_database::TestDatabase,
    },
};

struct Fixture {
    timeline: Arc<Timeline>,
    context: Arc<Context>,
    alice: (OwnedUserId, UserNid),
    bob: (OwnedUserId, UserNid),
    _database: TestDatabase,
}

impl Fixture {
    fn new(database: TestDatabase) -> Self {
        let url = DatabaseUrl::parse(&database.url, std::path::Path::new("/")).unwrap();
        let store = Store::open(StoreOptions::new(url)).unwrap();
        let context = context(store);
        let alice = user(&context, user_id!("@alice:here.test"));
        let bob = user(&context, user_id!("@bob:here.test"));
        let timeline = Arc::new(Timeline::new(context.clone()));
        Self { timeline, context, alice, bob, _database: database }
    }

    fn event(
        &self,
        sender: &(OwnedUserId, UserNid),
        event_type: &str,
        state_key: Option<&str>,
        content: Value,
    ) -> LocalEvent {
        let draft = draft(&sender.0, event_type, state_key, content);
        LocalEvent { draft, sender_nid: sender.1, signed: None, transaction: None }
    }

    fn message(&self, sender: &(OwnedUserId, UserNid), body: &str) -> LocalEvent {
        let content = json!({ "msgtype": "m.text", "body": body });
        self.event(sender, "m.room.message", None, content)
    }

    async fn room(&self, version: RoomVersionId) -> Arc<RoomInfo> {
        let rules = version::rules(&version).unwrap();
        let alice = &self.alice;
        let mut content = json!({ "room_version": version });
        if !rules.authorization.use_room_create_sender {
            content["creator"] = json!(alice.0);
        }
        let room_id = (!rules.authorization.room_create_event_id_as_room_id)
            .then(|| RoomId::new_v1(&self.context.server_name));
        let create = build::build(
            draft(&alice.0, "m.room.create", Some(""), content),
            room_id.as_deref(),
            vec![],
            vec![],
            1,
            self.context.keys.current().pair(),
            &self.context.server_name,
            rules,
        )
        .unwrap();
        let nid = self.context.store.nids().room();
        let info = Arc::new(RoomInfo { nid, id: create.room_id.clone(), version, rules });
        let member = json!({ "membership": "join" });
        let mut users = json!({ alice.0.as_str(): 100 });
        if rules.authorization.explicitly_privilege_room_creators {
            users = json!({});
        }
        let events = vec![
            self.event(alice, "m.room.member", Some(alice.0.as_str()), member.clone()),
            self.event(alice, "m.room.power_levels", Some(""), json!({ "users": users })),
            self.event(alice, "m.room.join_rules", Some(""), json!({ "join_rule": "public" })),
        ];
        let room =
            NewRoom { info: info.clone(), create, is_public: false, alias: None, replaces: None };
        self.timeline.create(room, events).await.unwrap();
        let join = self.event(&self.bob, "m.room.member", Some(self.bob.0.as_str()), member);
        self.timeline.append_local(nid, vec![join]).await.unwrap();
        info
    }

    /// The event at a place of a room's current state.
    async fn state(
        &self,
        room: &RoomInfo,
        event_type: &'static str,
        state_key: &str,
    ) -> Arc<Event> {
        let (context, nid, state_key) = (self.context.clone(), room.nid, state_key.to_owned());
        let read = self.context.store.read(move |conn| {
            let state = rooms::state_nid(conn, nid)?;
            let state = context.states.get(conn, state)?;
            let key = context.store.state_keys().find(conn, (event_type, &*state_key))?.unwrap();
            context.events.get(conn, state.get(key).unwrap())
        });
        read.await.unwrap()
    }

    /// The bodies of a room's messages, in order.
    async fn bodies(&self, room: &RoomInfo) -> Vec<String> {
        let (context, room) = (self.context.clone(), room.nid);
        let read = self.context.store.read(move |conn| {
            let all = (Position(i64::MIN), Position(i64::MAX));
            let rows = events::timeline(conn, room, all, Direction::Forward, 10_000)?;
            rows.into_iter().map(|(nid, _)| context.events.get(conn, nid)).collect()
        });
        let events: Vec<Arc<Event>> = read.await.unwrap();
        events.iter().filter_map(|event| body(event)).collect()
    }
}

fn context(store: Store) -> Arc<Context> {
    let notifier = Arc::new(Notifier::new(store.position(), Serial(0), 1_000));
    let rooms = Arc::new(RoomInfos::new(100));
    Arc::new(Context {
        rooms: rooms.clone(),
        events: Arc::new(Events::new(rooms, 1 << 20)),
        gaps: Gaps::default(),
        states: Arc::new(States::new(1 << 20)),
        push_rules: Arc::new(PushRules::new(100)),
        ignored_users: Arc::new(IgnoredUsers::new(100)),
        erased_users: Arc::default(),
        partial_rooms: Arc::default(),
        user_rooms: Arc::new(UserRooms::new(100, notifier.clone())),
        notifier,
        guest_access: Arc::default(),
        keys: SigningKey::from_seed("1", &[7; 32]).unwrap().into(),
        server_name: server_name!("here.test").to_owned(),
        clock: Clock::fixed(1_000_000),
        store,
    })
}

fn user(context: &Context, id: &UserId) -> (OwnedUserId, UserNid) {
    let (users, text) = (context.store.users().clone(), id.to_owned());
    let write = context.store.write_blocking(move |tx| {
        let user = users.find_or_reserve(tx, &*text)?;
        users.insert(tx, &user)?;
        Ok(user.nid)
    });
    (id.to_owned(), write.unwrap())
}

fn draft(sender: &UserId, event_type: &str, state_key: Option<&str>, content: Value) -> Draft {
    Draft {
        event_type: TimelineEventType::from(event_type),
        state_key: state_key.map(str::to_owned),
        content: to_raw_value(&content).unwrap(),
        redacts: None,
        sender: sender.to_owned(),
        origin_server_ts: MilliSecondsSinceUnixEpoch(UInt::from(1_u32)),
    }
}

fn body(event: &Event) -> Option<String> {
    let content: Value = serde_json::from_str(event.pdu.content.get()).unwrap();
    content["body"].as_str().map(str::to_owned)
}

/// Runs a test on each database and each version of rooms.
fn everywhere<F: Future<Output = ()>>(test: impl Fn(Arc<Fixture>, RoomVersionId) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for database in TestDatabase::both() {
        let fixture = Arc::new(Fixture::new(database));
        for version in version::SUPPORTED {
            runtime.block_on(test(fixture.clone(), version));
        }
        runtime.block_on(fixture.context.store.close());
    }
}

#[test]
fn messages_sent_at_once_are_all_there_in_one_order() {
    everywhere(async |fixture, version| {
        let room = fixture.room(version).await;
        let sends: Vec<_> = (0..200)
            .map(|n| {
                let fixture = fixture.clone();
                let room = room.nid;
                let sender = if n % 2 == 0 { &fixture.alice } else { &fixture.bob }.clone();
                let message = fixture.message(&sender, &n.to_string());
                tokio::spawn(
                    async move { fixture.timeline.append_local(room, vec![message]).await },
                )
            })
            .collect();
        let mut positions = Vec::new();
        for send in sends {
            let events = send.await.unwrap().unwrap();
            positions.push(events[0].position().unwrap());
        }
        let mut bodies = fixture.bodies(&room).await;
        bodies.sort_by_key(|body| body.parse::<u32>().unwrap());
        assert_eq!(bodies, (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
        positions.sort_unstable();
        positions.dedup();
        assert_eq!(positions.len(), 200);
    });
}

#[test]
fn an_event_that_the_room_forbids_is_refused_and_leaves_nothing() {
    everywhere(async |fixture, version| {
        let room = fixture.room(version).await;
        let levels = json!({ "users": { fixture.bob.0.as_str(): 100 } });
        let grab = fixture.event(&fixture.bob, "m.room.power_levels", Some(""), levels);
        let good = fixture.message(&fixture.bob, "first");
        let refused = fixture.timeline.append_local(room.nid, vec![good, grab]).await;
        assert!(matches!(refused, Err(Error::Matrix { .. })), "{refused:?}");
        assert!(fixture.bodies(&room).await.is_empty(), "all or none");
        let message = fixture.message(&fixture.bob, "after");
        fixture.timeline.append_local(room.nid, vec![message]).await.unwrap();
        assert_eq!(fixture.bodies(&room).await, ["after"]);
    });
}

#[test]
fn a_repeated_transaction_gives_the_same_event() {
    everywhere(async |fixture, version| {
        let room = fixture.room(version).await;
        let key = TransactionKey {
            user_nid: fixture.alice.1,
            device_id: "DEVICE".to_owned(),
            endpoint: format!("send/{}", room.id),
            transaction_id: "1".to_owned(),
        };
        let sends: Vec<_> = (0..8)
            .map(|_| {
                let mut message = fixture.message(&fixture.alice, "once");
                message.transaction = Some(key.clone());
                let (fixture, room) = (fixture.clone(), room.nid);
                tokio::spawn(
                    async move { fixture.timeline.append_local(room, vec![message]).await },
                )
            })
            .collect();
        let mut ids = Vec::new();
        for send in sends {
            ids.push(send.await.unwrap().unwrap()[0].pdu.event_id.clone());
        }
        ids.dedup();
        assert_eq!(ids.len(), 1);
        assert_eq!(fixture.bodies(&room).await, ["once"]);
    });
}

#[test]
fn a_redacted_event_loses_its_content_everywhere() {
    everywhere(async |fixture, version| {
        let room = fixture.room(version).await;
        let message = fixture.message(&fixture.alice, "regretted");
        let sent = fixture.timeline.append_local(room.nid, vec![message]).await.unwrap();
        let redact = |sender: &(OwnedUserId, UserNid)| {
            let mut event = fixture.event(sender, "m.room.redaction", None, json!({}));
            event.draft.redacts = Some(sent[0].pdu.event_id.clone());
            event
        };
        fixture.timeline.append_local(room.nid, vec![redact(&fixture.alice)]).await.unwrap();
        assert!(fixture.bodies(&room).await.is_empty());
    });
}

#[test]
fn an_event_is_read_whatever_it_replaced_and_was_redacted_by() {
    everywhere(|fixture, version| async move {
        // It takes a while, and the versions do not differ in this.
        if version != RoomVersionId::V12 {
            return;
        }
        let room = fixture.room(version).await;
        let mut last = None;
        for first in (0..1_000).step_by(100) {
            let topic = |n: u32| {
                let content = json!({ "topic": n.to_string() });
                fixture.event(&fixture.alice, "m.room.topic", Some(""), content)
            };
            let topics = (first..first + 100).map(topic).collect();
            last = fixture.timeline.append_local(room.nid, topics).await.unwrap().pop();
        }
        // Each redaction is redacted by the next.
        let (first, mut redacted) = (last.unwrap(), None);
        for _ in 0..300 {
            let target: &Arc<Event> = redacted.as_ref().unwrap_or(&first);
            let mut redaction = fixture.event(&fixture.alice, "m.room.redaction", None, json!({}));
            redaction.draft.redacts = Some(target.pdu.event_id.clone());
            redacted =
                fixture.timeline.append_local(room.nid, vec![redaction]).await.unwrap().pop();
        }
        // Nothing is in memory.
        let context = context(fixture.context.store.clone());
        let read = fixture.context.store.read(move |conn| context.events.get(conn, first.nid));
        let event = read.await.unwrap();
        assert!(event.replaces.as_ref().unwrap().content.get().contains("998"));
        assert!(event.redacted_because.is_some());
    });
}

#[test]
fn a_membership_is_what_the_last_event_says() {
    everywhere(async |fixture, version| {
        let room = fixture.room(version).await;
        let ban = json!({ "membership": "ban" });
        let ban = fixture.event(&fixture.alice, "m.room.member", Some(fixture.bob.0.as_str()), ban);
        fixture.timeline.append_local(room.nid, vec![ban]).await.unwrap();
        let message = fixture.message(&fixture.bob, "still here");
        assert!(fixture.timeline.append_local(room.nid, vec![message]).await.is_err());
        let (nid, bob) = (room.nid, fixture.bob.1);
        let row = fixture.context.store.read(move |conn| members::get(conn, nid, bob)).await;
        assert_eq!(row.unwrap().unwrap().membership, "ban");
    });
}

/// Events of another server whose user is in the room.
struct Elsewhere {
    key: Ed25519KeyPair,
    user: OwnedUserId,
}

impl Elsewhere {
    fn new() -> Self {
        let der = Ed25519KeyPair::generate();
        let key = Ed25519KeyPair::from_der(&der, "1".to_owned()).unwrap();
        Self { key, user: user_id!("@dave:there.test").to_owned() }
    }

    /// An event after `prev`, authorised by the room's power levels and `auth`.
    async fn event(
        &self,
        fixture: &Fixture,
        room: &RoomInfo,
        draft: Draft,
        prev: &[&Pdu],
        auth: &Pdu,
    ) -> RemoteEvent {
        let ids = |pdus: &[&Pdu]| pdus.iter().map(|pdu| pdu.event_id.clone()).collect();
        let depth = prev.iter().map(|pdu| pdu.depth).max().unwrap_or(0) + 1;
        let create = fixture.state(room, "m.room.create", "").await;
        let levels = fixture.state(room, "m.room.power_levels", "").await;
        let mut auth = vec![&*levels.pdu, auth];
        if !room.rules.authorization.room_create_event_id_as_room_id {
            auth.push(&create.pdu);
        }
        let pdu = build::build(
            draft,
            Some(&room.id),
            ids(prev),
            ids(&auth),
            depth,
            &self.key,
            self.user.server_name(),
            room.rules,
        );
        RemoteEvent::new(pdu.unwrap())
    }

    /// Joins the room after Bob.
    async fn join(&self, fixture: &Fixture, room: &RoomInfo) -> Arc<Event> {
        let user = self.user.as_str();
        let join = json!({ "membership": "join" });
        let join = draft(&self.user, "m.room.member", Some(user), join);
        let rules = fixture.state(room, "m.room.join_rules", "").await;
        let tip = fixture.state(room, "m.room.member", fixture.bob.0.as_str()).await;
        let join = self.event(fixture, room, join, &[&tip.pdu], &rules.pdu).await;
        match fixture.timeline.append_remote(room.nid, join).await.unwrap() {
            Outcome::Accepted(joined) => joined,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_fork_is_merged_and_the_banned_lose() {
    everywhere(async |fixture, version| {
        let room = fixture.room(version).await;
        let nid = room.nid;
        let there = Elsewhere::new();
        let joined = there.join(&fixture, &room).await;

        // Alice bans Dave while Dave, apart, goes on from his join.
        let ban = fixture.event(
            &fixture.alice,
            "m.room.member",
            Some(there.user.as_str()),
            json!({ "membership": "ban" }),
        );
        fixture.timeline.append_local(nid, vec![ban]).await.unwrap();
        let say = draft(&there.user, "m.room.message", None, json!({ "body": "unaware" }));
        let say = there.event(&fixture, &room, say, &[&joined.pdu], &joined.pdu).await;
        let said = fixture.timeline.append_remote(nid, say.clone()).await.unwrap();
        assert!(matches!(said, Outcome::SoftFailed(_)), "{said:?}");
        let again = fixture.timeline.append_remote(nid, say).await.unwrap();
        assert!(matches!(again, Outcome::Known(_)), "{again:?}");

        // What comes after an event that is not here is not placed.
        let mut nowhere = (*joined.pdu).clone();
        nowhere.event_id = ruma::event_id!("$missing").to_owned();
        let gap = draft(&there.user, "m.room.message", None, json!({ "body": "gap" }));
        let gap = there.event(&fixture, &room, gap, &[&joined.pdu, &nowhere], &joined.pdu).await;
        let missing = fixture.timeline.append_remote(nid, gap).await.unwrap();
        assert!(matches!(missing, Outcome::MissingPrev(_)), "{missing:?}");
        assert!(fixture.bodies(&room).await.is_empty());
        let member = fixture.state(&room, "m.room.member", there.user.as_str()).await;
        assert!(member.pdu.content.get().contains("ban"));
    });
}
