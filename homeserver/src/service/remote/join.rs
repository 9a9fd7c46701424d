//! Entering a room with another server's help.
//!
//! 1. `make_join`: a template of the join, from the first server that gives one (`helpers.rs`).
//! 2. Fill in, hash, sign.
//! 3. `send_join`: the room's state before the join, with all that authorises it.
//! 4. Check every event; keep them as outliers, in chunks, seen by nobody yet.
//! 5. Write the memberships that this makes, in chunks too: nobody here is in the room yet.
//! 6. Append the join on that state: one commit makes the room visible.
//!
//! Where the other server leaves the members out, the room is entered without them, and `partial.rs` fetches them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use http::StatusCode;
use ruma::{
    CanonicalJsonValue, EventId, OwnedEventId, OwnedRoomId, OwnedServerName, OwnedUserId,
    RoomAliasId, RoomId, RoomVersionId, ServerName,
    api::{
        error::ErrorKind,
        federation::{
            membership::{create_join_event, prepare_join_event},
            query::get_room_information,
        },
    },
    events::TimelineEventType,
    room_version_rules::{EventIdFormatVersion, RoomVersionRules},
};
use sealpost_federation::{canonical, client::Limits};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    Remote, helpers::Answers, refused, signs_of_life::Patience, spooled::Spooled,
    unsupported_version,
};
use crate::{
    error::{Error, Result},
    room::{
        auth, check,
        event::{Pdu, create_of_room_id},
        version,
    },
    service::{
        room_info::RoomInfo,
        timeline::{Before, Outcome, RemoteEvent},
    },
    storage::{
        StateNid,
        rooms::{self, RoomRow},
    },
};

/// So long everything may take, but for the members of a large room.
const WITHIN: Duration = Duration::from_secs(15 * 60);
/// So long a join waits for the members of the room: those of a small one are here by then.
const PATIENCE: Duration = Duration::from_secs(1);
/// Of servers of which nothing but another's word says that they are in a room, so many are sent what is said there:
/// who makes up names has us bother no more.
const UNPROVEN_MAX: usize = 100;

/// A user of this server who wants to join, or to leave.
pub struct Joiner {
    pub user_id: OwnedUserId,
    /// What to say in the event beside `membership`: `displayname`, `avatar_url`, `reason`.
    pub content: Map<String, Value>,
}

/// A membership made by another server's template.
pub(super) struct Made {
    pub version: RoomVersionId,
    pub event_id: OwnedEventId,
    pub event: Box<RawValue>,
}

/// Why servers did not help to enter a room: the error that says most.
#[derive(Default)]
pub(super) struct Refusals(Option<Error>);

impl Refusals {
    pub fn add(&mut self, server: &ServerName, error: Error) {
        tracing::info!(%server, %error, "this server did not help to enter a room");
        // What says something about the room says more than a server that is down.
        let tells = |error: &Error| matches!(error, Error::Matrix { status, .. } if status.is_client_error());
        if !self.0.as_ref().is_some_and(tells) {
            self.0 = Some(error);
        }
    }

    pub fn into_error(self) -> Error {
        self.0.unwrap_or_else(|| {
            let message = "No server is known that could help to enter this room";
            Error::matrix(StatusCode::NOT_FOUND, ErrorKind::NotFound, message)
        })
    }
}

/// An event as another server would have it.
pub(super) struct Template<'a> {
    pub room_id: &'a RoomId,
    pub membership: &'static str,
    pub rules: &'static RoomVersionRules,
    pub event: &'a RawValue,
}

impl Remote {
    /// The room that another server's alias points to, and servers that may help to join it. Somebody wants to enter: a
    /// server that did not answer lately is tried again.
    pub async fn by_alias(
        &self,
        alias: &RoomAliasId,
    ) -> Result<(OwnedRoomId, Vec<OwnedServerName>)> {
        let server = alias.server_name();
        self.check_policy(server)?;
        let request = get_room_information::v1::Request::new(alias.to_owned());
        let silent = &self.signs_of_life.silent;
        let asking = silent.ask_again(server, Patience::Short, &self.context.clock);
        let asking = asking.map_err(|error| refused(server, error))?;
        let answer = self.client.send(server, request, Limits::SMALL).await;
        asking.ended(answer.as_ref().err());
        let answer = answer.map_err(|error| refused(server, error))?;
        Ok((answer.room_id, answer.servers))
    }

    /// Joins a room through the first of `via` that can help.
    pub async fn join(
        &self,
        room_id: &RoomId,
        via: &[OwnedServerName],
        joiner: &Joiner,
    ) -> Result<Arc<RoomInfo>> {
        let room_id = room_id.to_owned();
        let joining = self.join_through_any(&room_id, via, joiner);
        let info =
            tokio::time::timeout(WITHIN, joining).await.unwrap_or_else(|_| Err(too_long()))?;
        // Clients that do not load members when they need them see nothing of the room before.
        self.context.partial_rooms.ended_within(info.nid, PATIENCE).await;
        Ok(info)
    }

    async fn join_through_any(
        &self,
        room_id: &OwnedRoomId,
        via: &[OwnedServerName],
        joiner: &Joiner,
    ) -> Result<Arc<RoomInfo>> {
        let _one_at_a_time = self.entering(room_id).await;
        let mut refusals = Refusals::default();
        let mut answers = Answers::new(self.helpers(via), |server| async move {
            (server, self.made_join(server, room_id, joiner).await)
        });
        while let Some((server, made)) = answers.next().await {
            let joined = match made {
                Ok(made) => {
                    let limits = answers.share();
                    answers.beside(self.join_through(server, room_id, made, limits)).await
                }
                Err(error) => Err(error),
            };
            match joined {
                Ok(info) => return Ok(info),
                Err(error) => refusals.add(server, error),
            }
        }
        Err(refusals.into_error())
    }

    /// Steps 3 to 6.
    async fn join_through(
        &self,
        server: &ServerName,
        room_id: &RoomId,
        made: Made,
        limits: Limits,
    ) -> Result<Arc<RoomInfo>> {
        let mut request = create_join_event::v2::Request::new(
            room_id.to_owned(),
            made.event_id.clone(),
            made.event.clone(),
        );
        request.omit_members = true;
        let info = self.not_entered(server, room_id, made.version.clone()).await?;
        let mut answer = self.spooled(server, &info, request, limits).await?;
        let resident = self.is_resident(&info).await?;

        // A server that signs restricted joins sends the join back with its signature added.
        let own = self.check(&info, vec![answer.event.take().unwrap_or(made.event)]).await?;
        let join = match own.into_iter().next() {
            Some(Ok(join)) if join.event_id == made.event_id => join,
            other => return Err(answered_wrong(server, &format!("another join: {other:?}"))),
        };
        if resident {
            // Users of ours are in the room, and none of them could vouch for the join: it is one more event.
            return match self.receive(server, &info, join).await? {
                Outcome::Accepted(_) | Outcome::Known(_) => Ok(info),
                outcome => Err(outcome.into_refusal()),
            };
        }
        check_create(server, &info, &answer.state)?;
        let partial = match answer.members_omitted {
            true => Some(Arc::new(self.others_in_room(server, &mut answer)?)),
            false => None,
        };
        let info = self.enter(&info).await?;
        let state = answer.state.iter().map(|event| event.event_id.clone());
        let ids: Vec<OwnedEventId> = state.collect();
        let members = answer.state.iter().filter(|event| is_member(event));
        let members: Vec<OwnedEventId> = members.map(|event| event.event_id.clone()).collect();
        let mut events = answer.auth_chain;
        events.extend(answer.state);
        self.keep_checked(&info, events).await?;
        let members = self.state_of(&info, members).await?;
        self.timeline.write_members(info.nid, members).await?;
        let before = Before::Entry(self.state_of(&info, ids).await?);
        let event = RemoteEvent { before, partial, ..RemoteEvent::new(join) };
        match self.append(server, &info, event).await? {
            Outcome::Accepted(_) | Outcome::Known(_) => Ok(info),
            outcome => Err(answered_wrong(server, &format!("a join that became {outcome:?}"))),
        }
    }

    /// The other servers in a room, as `server` tells: that one, those that have signed an event of the room, and some
    /// of the rest.
    fn others_in_room(
        &self,
        server: &ServerName,
        answer: &mut Spooled,
    ) -> Result<Vec<OwnedServerName>> {
        let told = std::mem::take(&mut answer.servers).into_iter();
        let told: Vec<_> = told.filter_map(|name| OwnedServerName::try_from(name).ok()).collect();
        if told.is_empty() {
            return Err(answered_wrong(server, "a room without members and without servers"));
        }
        let events = answer.state.iter().chain(&answer.auth_chain);
        let signed: HashSet<&ServerName> = events.map(|event| event.sender.server_name()).collect();
        let mut seen = HashSet::from([self.context.server_name.clone()]);
        let mut unproven = 0;
        let servers = std::iter::once(server.to_owned()).chain(told).filter(|name| {
            if !self.policy.allows(name) || !seen.insert(name.clone()) {
                return false;
            }
            let is_proven = name == server || signed.contains(&**name);
            unproven += usize::from(!is_proven);
            is_proven || unproven <= UNPROVEN_MAX
        });
        Ok(servers.collect())
    }

    /// Steps 1 and 2.
    async fn made_join(
        &self,
        server: &ServerName,
        room_id: &RoomId,
        joiner: &Joiner,
    ) -> Result<Made> {
        let mut request =
            prepare_join_event::v1::Request::new(room_id.to_owned(), joiner.user_id.clone());
        request.ver = version::SUPPORTED.to_vec();
        self.check_policy(server)?;
        let silent = &self.signs_of_life.silent;
        let asking = silent.attempt(server, Patience::Long, &self.context.clock);
        let answer = self.client.send(server, request, Limits::SMALL).await;
        asking.ended(answer.as_ref().err());
        let answer = answer.map_err(|error| refused(server, error))?;
        let version = answer.room_version.unwrap_or(RoomVersionId::V1);
        let rules = version::rules(&version).ok_or_else(|| unsupported_version(&version))?;
        let template = Template { room_id, membership: "join", rules, event: &answer.event };
        let (event_id, event) = self.fill_in(server, template, joiner)?;
        Ok(Made { version, event_id, event })
    }

    /// Makes an event of another server's template: our own content, hash and signature.
    pub(super) fn fill_in(
        &self,
        server: &ServerName,
        template: Template<'_>,
        joiner: &Joiner,
    ) -> Result<(OwnedEventId, Box<RawValue>)> {
        let Template { room_id, membership, rules, event } = template;
        let wrong = |reason: &str| answered_wrong(server, reason);
        let mut event =
            canonical::parse(event.get(), rules).map_err(|error| wrong(&error.to_string()))?;
        let is = |field: &str, value: &str| {
            event.get(field).and_then(CanonicalJsonValue::as_str) == Some(value)
        };
        let user = joiner.user_id.as_str();
        if !(is("type", "m.room.member")
            && is("room_id", room_id.as_str())
            && is("sender", user)
            && is("state_key", user))
        {
            return Err(wrong("a template of another event"));
        }
        let Some(CanonicalJsonValue::Object(content)) = event.get_mut("content") else {
            return Err(wrong("a template without content"));
        };
        if content.get("membership").and_then(CanonicalJsonValue::as_str) != Some(membership) {
            return Err(wrong("a template of another membership"));
        }
        // Of what the other server wrote only the one field that it must decide stays.
        content.retain(|key, _| key == "membership" || key == "join_authorised_via_users_server");
        let of_joiner = serde_json::to_string(&joiner.content)
            .and_then(|content| canonical::parse(&content, rules))
            .map_err(|error| Error::bad_json(error.to_string()))?;
        content.extend(of_joiner);
        for field in ["event_id", "hashes", "signatures", "unsigned", "origin"] {
            event.remove(field);
        }
        let now = i64::from(self.timestamp().get());
        let now = ruma::Int::new_saturating(now);
        event.insert("origin_server_ts".to_owned(), CanonicalJsonValue::Integer(now));
        let own = self.context.server_name.as_str();
        if matches!(rules.event_id_format, EventIdFormatVersion::V1) {
            let event_id = EventId::new_v1(&self.context.server_name);
            event.insert("event_id".to_owned(), event_id.as_str().into());
        }
        canonical::hash_and_sign(&mut event, own, &self.keys.current(), rules)
            .map_err(|error| wrong(&error.to_string()))?;
        let event_id = check::event_id(&event, rules).map_err(|error| wrong(&error.to_string()))?;
        let event = canonical::to_string(&event, rules)
            .and_then(RawValue::from_string)
            .map_err(|error| Error::internal(format!("an event does not serialise: {error}")))?;
        Ok((event_id, event))
    }

    /// A room as `server` says it is, which need not be known yet. What invites claim of its version counts for
    /// nothing.
    pub(super) async fn not_entered(
        &self,
        server: &ServerName,
        room_id: &RoomId,
        version: RoomVersionId,
    ) -> Result<Arc<RoomInfo>> {
        let rules = version::rules(&version).ok_or_else(|| unsupported_version(&version))?;
        let id = room_id.to_owned();
        let row = self.context.store.read(move |conn| rooms::by_id(conn, &id)).await?;
        let is_other = |row: &RoomRow| row.is_proven() && row.version != version.as_str();
        if row.as_ref().is_some_and(is_other) || !version::fits(room_id, rules) {
            return Err(answered_wrong(server, "a template of another room version"));
        }
        let nid = row.map_or_else(|| self.context.store.nids().room(), |row| row.room_nid);
        Ok(Arc::new(RoomInfo { nid, id: room_id.to_owned(), version, rules }))
    }

    /// The row of a room that is not known yet, or only by what was claimed of it: without state and members, so seen
    /// by nobody. Its create event was seen, so its version is certain. What then fails leaves events that are of use
    /// when it is tried again.
    async fn enter(&self, info: &Arc<RoomInfo>) -> Result<Arc<RoomInfo>> {
        let entering = info.clone();
        let write = self.context.store.write(move |tx| {
            let Some(row) = rooms::by_id(tx, &entering.id)? else {
                let row = RoomRow {
                    room_nid: entering.nid,
                    room_id: entering.id.to_string(),
                    version: entering.version.to_string(),
                    generation: rooms::PROVEN,
                    state_nid: StateNid(0),
                    is_public: false,
                };
                return rooms::insert(tx, &row);
            };
            let is_same = row.is_proven() && row.version == entering.version.as_str();
            if is_same || rooms::set_version(tx, row.room_nid, &entering.version, rooms::PROVEN)? {
                return Ok(());
            }
            Err(Error::forbidden("The room has another version here"))
        });
        write.await?;
        self.room(&info.id).await
    }
}

fn is_member(event: &Pdu) -> bool {
    event.event_type == TimelineEventType::RoomMember
}

/// The create event must be in the state, of the version that was said, and make the room's id where the
/// version has it so.
fn check_create(server: &ServerName, info: &RoomInfo, state: &[Pdu]) -> Result<()> {
    #[derive(Deserialize)]
    struct Create {
        room_version: Option<RoomVersionId>,
    }
    let wrong = |reason: &str| answered_wrong(server, reason);
    let mut creates =
        state.iter().filter(|event| event.event_type == TimelineEventType::RoomCreate);
    let (Some(create), None) = (creates.next(), creates.next()) else {
        return Err(wrong("a state without one create event"));
    };
    let content: Create = create.content_as().map_err(|error| wrong(&error.to_string()))?;
    if content.room_version.unwrap_or(RoomVersionId::V1) != info.version {
        return Err(wrong("a create event of another version"));
    }
    if info.rules.authorization.room_create_event_id_as_room_id
        && create_of_room_id(&info.id).ok().as_ref() != Some(&create.event_id)
    {
        return Err(wrong("a create event that does not make the room's id"));
    }
    // So nobody but the room's own server can say of which version it is.
    auth::check_auth_events(info.rules, create, |_| None)
        .map_err(|error| wrong(&format!("a create event that may not be: {error}")))?;
    let mut places = HashMap::new();
    for event in state {
        let Some(place) = event.state_key_pair() else {
            return Err(wrong("a state with events that are no state"));
        };
        if places.insert((place.0.to_string(), place.1), &event.event_id).is_some() {
            return Err(wrong("a state with two events in one place"));
        }
    }
    Ok(())
}

fn too_long() -> Error {
    let message = "Entering the room took too long; it may be tried again";
    Error::matrix(StatusCode::GATEWAY_TIMEOUT, ErrorKind::Unknown, message)
}

pub(super) fn answered_wrong(server: &ServerName, reason: &str) -> Error {
    let message = format!("{server} answered {reason}");
    Error::matrix(StatusCode::BAD_GATEWAY, ErrorKind::Unknown, message)
}
