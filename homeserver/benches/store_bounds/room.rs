//! The generated room: members join all along, and between them people talk, change their names, the topic
//! and the power levels.

use std::{path::Path, sync::Arc};

use diesel::prelude::*;
use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedServerName, OwnedUserId, RoomVersionId, UInt, UserId,
    events::TimelineEventType, room_version_rules::RoomVersionRules, server_name,
};
use sealpost_federation::signing_key::SigningKey;
use sealpost_homeserver::{
    clock::Clock,
    error::Result,
    room::{
        Pdu,
        build::{Draft, build},
        version,
    },
    service::{
        events::Events,
        gaps::Gaps,
        ignored_users::IgnoredUsers,
        notifier::{Notifier, Serial},
        push::rules::PushRules,
        room_info::{RoomInfo, RoomInfos},
        states::States,
        timeline::{Context, LocalEvent, NewRoom, Outcome, RemoteEvent, Timeline},
        user_rooms::UserRooms,
    },
    storage::{
        Conn, DatabaseUrl, EventNid, StateKeyNid, StateNid, Store, StoreOptions, Tx, UserNid,
        schema::events, state::State,
    },
};
use serde_json::{Value, json, value::to_raw_value};

/// Events of one request while the room is made.
const BATCH: usize = 100;

type User = (OwnedUserId, UserNid);

pub struct Sample {
    pub context: Arc<Context>,
    pub timeline: Timeline,
    pub room: Arc<RoomInfo>,
    pub other_room: Arc<RoomInfo>,
    /// The last event of the room.
    pub last: EventNid,
    users: Vec<User>,
}

pub fn key() -> SigningKey {
    SigningKey::from_seed("1", &[7; 32]).unwrap()
}

pub fn server() -> OwnedServerName {
    server_name!("bench.test").to_owned()
}

pub fn rules() -> &'static RoomVersionRules {
    version::rules(&RoomVersionId::V12).unwrap()
}

pub fn draft(sender: &str, kind: &str, state_key: Option<&str>, content: Value) -> Draft {
    Draft {
        event_type: TimelineEventType::from(kind),
        state_key: state_key.map(str::to_owned),
        content: to_raw_value(&content).unwrap(),
        redacts: None,
        sender: UserId::parse(sender).unwrap(),
        origin_server_ts: MilliSecondsSinceUnixEpoch(UInt::from(1_000_000_u32)),
    }
}

impl Sample {
    pub async fn generate(folder: &Path, events: usize, members: usize) -> Self {
        let database = DatabaseUrl::Sqlite(folder.join("bench.db"));
        let context = context(Store::open(StoreOptions::new(database)).unwrap());
        let users = users(&context, members.max(2));
        let timeline = Timeline::new(context.clone());
        let other_room = create(&timeline, &users[0], "other").await;
        let room = create(&timeline, &users[0], "large").await;
        let mut sample = Self { context, timeline, room, other_room, last: EventNid(0), users };

        let each = (events / members.max(2)).max(1);
        let mut batch = Vec::with_capacity(BATCH);
        for n in 1..events {
            let joined = (n / each).min(sample.users.len() - 1);
            batch.push(if n % each == 0 && n / each == joined {
                sample.member(joined, json!({ "membership": "join" }))
            } else {
                sample.some_event(n, joined)
            });
            if batch.len() == BATCH {
                sample.append(std::mem::take(&mut batch)).await;
            }
        }
        sample.append(batch).await;
        sample
    }

    fn some_event(&self, n: usize, joined: usize) -> LocalEvent {
        let creator = &self.users[0];
        match n {
            n if n % 2_000 == 17 => {
                let levels = json!({ "users": { self.users[1].0.as_str(): n % 90 },
                                     "events": { "m.room.topic": 0 } });
                self.event(creator, "m.room.power_levels", Some(""), levels)
            }
            n if n % 200 == 11 => {
                self.event(creator, "m.room.topic", Some(""), json!({ "topic": n.to_string() }))
            }
            n if n % 50 == 7 && joined > 1 => {
                let renamed = 1 + (n * 31) % (joined - 1);
                self.member(renamed, json!({ "membership": "join", "displayname": n.to_string() }))
            }
            n => {
                let content = json!({ "msgtype": "m.text", "body": format!("message {n}") });
                self.event(&self.users[n % joined.max(1)], "m.room.message", None, content)
            }
        }
    }

    fn member(&self, user: usize, content: Value) -> LocalEvent {
        let user = &self.users[user];
        self.event(user, "m.room.member", Some(user.0.as_str()), content)
    }

    fn event(&self, user: &User, kind: &str, key: Option<&str>, content: Value) -> LocalEvent {
        let draft = draft(user.0.as_str(), kind, key, content);
        LocalEvent { draft, sender_nid: user.1, signed: None, transaction: None }
    }

    async fn append(&mut self, batch: Vec<LocalEvent>) {
        let events = self.timeline.append_local(self.room.nid, batch).await.unwrap();
        self.last = events.last().map_or(self.last, |event| event.nid);
    }

    /// A message by the creator.
    pub fn message(&self) -> LocalEvent {
        let content = json!({ "msgtype": "m.text", "body": "hello" });
        self.event(&self.users[0], "m.room.message", None, content)
    }

    pub fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    ) -> T {
        tokio::task::block_in_place(|| self.context.store.read_blocking(read)).unwrap()
    }

    /// The state key of one of the members.
    pub fn some_member(&self, n: usize) -> StateKeyNid {
        let user = self.users[n * 13 % self.users.len()].0.clone();
        let context = self.context.clone();
        self.read(move |conn| {
            Ok(context.store.state_keys().find(conn, ("m.room.member", user.as_str()))?.unwrap())
        })
    }

    /// The state after the event, or after the one before it that has one.
    pub fn state(&self, at: EventNid) -> State {
        let (context, room) = (self.context.clone(), self.room.nid);
        self.read(move |conn| {
            let nid: Option<StateNid> = events::table
                .filter(events::event_nid.le(at))
                .filter(events::room_nid.eq(room))
                .filter(events::state_after_nid.is_not_null())
                .order(events::event_nid.desc())
                .select(events::state_after_nid)
                .first(conn)?;
            context.states.get(conn, nid.unwrap())
        })
    }
}

/// A user of another server in the room.
pub struct Elsewhere {
    key: SigningKey,
    server: OwnedServerName,
    user: String,
    joined: Pdu,
    levels: Pdu,
    join_rules: Pdu,
}

impl Elsewhere {
    /// Joins; then the room goes on for 1,000 events.
    pub async fn join(sample: &mut Sample) -> Self {
        let (context, room) = (sample.context.clone(), sample.room.clone());
        let state = sample.state(sample.last);
        let last = sample.last;
        let (levels, join_rules, tip) = sample.read(move |conn| {
            let mut of = |kind: &str| {
                let key = context.store.state_keys().find(conn, (kind, ""))?.unwrap();
                let event = context.events.get(conn, state.get(key).unwrap())?;
                Ok::<Pdu, sealpost_homeserver::error::Error>(Pdu::clone(&event.pdu))
            };
            let (levels, rules) = (of("m.room.power_levels")?, of("m.room.join_rules")?);
            Ok((levels, rules, Pdu::clone(&context.events.get(conn, last)?.pdu)))
        });
        let mut there = Self {
            key: SigningKey::from_seed("1", &[8; 32]).unwrap(),
            server: server_name!("there.test").to_owned(),
            user: "@dave:there.test".to_owned(),
            joined: tip.clone(),
            levels,
            join_rules,
        };
        let content = json!({ "membership": "join" });
        let auth = [&there.levels, &there.join_rules];
        let join = there.event(&room, "m.room.member", Some(&there.user), content, &tip, &auth);
        let joined = sample.timeline.append_remote(room.nid, join).await.unwrap();
        let Outcome::Accepted(joined) = joined else { panic!("{joined:?}") };
        there.joined = Pdu::clone(&joined.pdu);
        for batch in 0..10 {
            let events = (0..BATCH).map(|n| sample.some_event(batch * BATCH + n, 50)).collect();
            sample.append(events).await;
        }
        there
    }

    /// Forks that begin after the join, each of five events that conflict with those of the others.
    pub fn forks(&self, sample: &Sample, count: usize) -> Vec<RemoteEvent> {
        let mut forks = Vec::new();
        for fork in 0..count {
            let mut prev = self.joined.clone();
            let mut member = self.joined.clone();
            for n in 0..5 {
                let text = format!("{fork} {n}");
                let event = if n % 2 == 0 {
                    let auth = [&self.levels, &member];
                    let content = json!({ "topic": text });
                    self.event(&sample.room, "m.room.topic", Some(""), content, &prev, &auth)
                } else {
                    let auth = [&self.levels, &self.join_rules, &member];
                    let content = json!({ "membership": "join", "displayname": text });
                    let key = Some(self.user.as_str());
                    self.event(&sample.room, "m.room.member", key, content, &prev, &auth)
                };
                prev = event.pdu.clone();
                if n % 2 == 1 {
                    member = prev.clone();
                }
                forks.push(event);
            }
        }
        forks
    }

    fn event(
        &self,
        room: &RoomInfo,
        kind: &str,
        key: Option<&str>,
        content: Value,
        prev: &Pdu,
        auth: &[&Pdu],
    ) -> RemoteEvent {
        let pdu = build(
            draft(&self.user, kind, key, content),
            Some(&room.id),
            vec![prev.event_id.clone()],
            auth.iter().map(|pdu| pdu.event_id.clone()).collect(),
            prev.depth + 1,
            &self.key,
            &self.server,
            room.rules,
        );
        RemoteEvent::new(pdu.unwrap())
    }
}

fn context(store: Store) -> Arc<Context> {
    let notifier = Arc::new(Notifier::new(store.position(), Serial(0), 1_000));
    let rooms = Arc::new(RoomInfos::new(100));
    Arc::new(Context {
        erased_users: Arc::default(),
        guest_access: Arc::default(),
        rooms: rooms.clone(),
        events: Arc::new(Events::new(rooms, 32 << 20)),
        gaps: Gaps::default(),
        states: Arc::new(States::new(16 << 20)),
        push_rules: Arc::new(PushRules::new(100)),
        ignored_users: Arc::new(IgnoredUsers::new(100)),
        user_rooms: Arc::new(UserRooms::new(100, notifier.clone())),
        notifier,
        partial_rooms: Arc::default(),
        keys: key().into(),
        server_name: server(),
        clock: Clock::fixed(1_000_000),
        store,
    })
}

fn users(context: &Context, count: usize) -> Vec<User> {
    let interner = context.store.users().clone();
    let ids: Vec<OwnedUserId> =
        (0..count).map(|n| UserId::parse(format!("@user-{n}:bench.test")).unwrap()).collect();
    let write = move |tx: &mut Tx<'_>| {
        let mut users = Vec::with_capacity(ids.len());
        for id in &ids {
            let user = interner.find_or_reserve(tx, &**id)?;
            interner.insert(tx, &user)?;
            users.push((id.clone(), user.nid));
        }
        Ok(users)
    };
    tokio::task::block_in_place(|| context.store.write_blocking(write)).unwrap()
}

async fn create(timeline: &Timeline, creator: &User, name: &str) -> Arc<RoomInfo> {
    let context = timeline.context();
    let id = creator.0.as_str();
    let create = build(
        draft(id, "m.room.create", Some(""), json!({ "room_version": "12", "name": name })),
        None,
        vec![],
        vec![],
        1,
        &context.keys.current(),
        &context.server_name,
        rules(),
    );
    let create = create.unwrap();
    let nid = context.store.nids().room();
    let info =
        RoomInfo { nid, id: create.room_id.clone(), version: RoomVersionId::V12, rules: rules() };
    let info = Arc::new(info);
    let event = |kind: &str, key: &str, content: Value| LocalEvent {
        draft: draft(id, kind, Some(key), content),
        sender_nid: creator.1,
        signed: None,
        transaction: None,
    };
    let levels = json!({ "events": { "m.room.topic": 0 } });
    let events = vec![
        event("m.room.member", id, json!({ "membership": "join" })),
        event("m.room.power_levels", "", levels),
        event("m.room.join_rules", "", json!({ "join_rule": "public" })),
    ];
    let room =
        NewRoom { info: info.clone(), create, is_public: false, alias: None, replaces: None };
    timeline.create(room, events).await.unwrap();
    info
}
