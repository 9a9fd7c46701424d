//! Making a room: the events of `createRoom`, in the order of the specification (client-server API,
//! "Creation"), in one commit.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
};

use http::StatusCode;
use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedRoomAliasId, OwnedRoomId, OwnedUserId, RoomAliasId, RoomId,
    RoomVersionId, ServerName, UInt, UserId,
    api::{
        client::room::{
            Visibility,
            create_room::v3::{Request, RoomPreset},
        },
        error::ErrorKind,
    },
    events::TimelineEventType,
    room_version_rules::RoomVersionRules,
};
use serde_json::{Map, Value, json};

use super::{
    Rooms,
    membership::{membership_content, set_profile},
    send::{Message, member, state},
};
use crate::{
    error::{Error, Result},
    room::{build, event::Pdu, version},
    service::{
        room_info::RoomInfo,
        sessions::Session,
        timeline::{LocalEvent, NewRoom, prepare::refused},
    },
    storage::{RoomNid, accounts, room_upgrades::UpgradeRow, rooms as room_rows},
};

/// What a client asks for.
pub type NewRoomRequest = Request;

/// So many users can be invited by the making of a room.
const INVITES_MAX: usize = 1_000;
/// Power that only creators have where creators are above all.
const TOMBSTONE_ABOVE_ADMINS: i64 = 150;
pub(super) const CREATOR_POWER: i64 = 100;

impl Rooms {
    /// Makes a room and returns its id.
    pub async fn create(&self, caller: &Session, request: NewRoomRequest) -> Result<OwnedRoomId> {
        let version = request.room_version.clone().unwrap_or_else(|| self.default_version.clone());
        let rules = rules_of(&version)?;
        if !request.invite_3pid.is_empty() {
            return Err(Error::invalid_param("Invitations by e-mail are not supported yet"));
        }
        if request.invite.len() > INVITES_MAX {
            return Err(Error::invalid_param("These are too many invitations at once"));
        }
        let plan = Plan::new(&caller.user_id, &version, rules, &request)?;
        let alias = match &request.room_alias_name {
            Some(name) => Some(self.new_alias(name).await?),
            None => None,
        };
        let invited = request.invite.clone();
        let read = self.context.store.read(move |conn| {
            let of_invited = |user: OwnedUserId| accounts::find_by_id(conn, user.as_str());
            invited.into_iter().map(of_invited).collect::<Result<Vec<_>>>()
        });
        let profiles = read.await?;
        let mut messages = plan.state(alias.as_deref(), &request)?;
        let mut invites_elsewhere = Vec::new();
        for (user, profile) in request.invite.iter().zip(profiles) {
            let mut invite = membership_content("invite", None);
            set_profile(&mut invite, profile);
            if request.is_direct
                && let Some(invite) = invite.as_object_mut()
            {
                invite.insert("is_direct".to_owned(), true.into());
            }
            if user.server_name() == self.context.server_name {
                messages.push(member(user, &invite)?);
            } else {
                invites_elsewhere.push((user, member(user, &invite)?));
            }
        }
        let founding = Founding {
            room_id: new_room_id(&self.context.server_name, rules),
            version,
            rules,
            create: plan.create,
            messages,
            is_public: request.visibility == Visibility::Public,
            alias,
            replaces: None,
        };
        let info = self.found(caller, founding).await?;
        for (user, invite) in invites_elsewhere {
            let draft = self.draft(caller.user_id.clone(), invite);
            if let Err(error) = self.remote.invite(&info, user, draft).await {
                tracing::info!(%user, room = %info.id, %error, "invite not delivered");
            }
        }
        Ok(info.id.clone())
    }

    /// Makes a room with its creator and its first state, in one commit.
    pub(super) async fn found(
        &self,
        caller: &Session,
        founding: Founding,
    ) -> Result<Arc<RoomInfo>> {
        let Founding { room_id, version, rules, create, messages, is_public, alias, replaces } =
            founding;
        let creator = caller.user_nid;
        let profile = self.context.store.read(move |conn| accounts::find(conn, creator)).await?;
        let mut create =
            self.draft(caller.user_id.clone(), state(TimelineEventType::RoomCreate, "", &create)?);
        create.origin_server_ts = self.creation_time();
        let create = build::build(
            create,
            room_id.as_deref(),
            Vec::new(),
            Vec::new(),
            1,
            self.context.keys.current().pair(),
            &self.context.server_name,
            rules,
        )
        .map_err(refused)?;
        let info = Arc::new(RoomInfo {
            nid: self.context.store.nids().room(),
            id: create.room_id.clone(),
            version,
            rules,
        });
        let mut join = membership_content("join", None);
        set_profile(&mut join, profile);
        let events = [member(&caller.user_id, &join)?]
            .into_iter()
            .chain(messages)
            .map(|message| LocalEvent {
                draft: self.draft(caller.user_id.clone(), message),
                sender_nid: creator,
                signed: None,
                transaction: None,
            })
            .collect();
        let room = NewRoom {
            info: info.clone(),
            create,
            is_public,
            alias: alias.map(|alias| (alias, creator)),
            replaces: replaces.map(|replaces| UpgradeRow {
                old_room_nid: replaces.old,
                new_room_nid: info.nid,
                user_nid: creator,
                tombstone_id: replaces.tombstone.as_ref().map(|pdu| pdu.event_id.to_string()),
                tombstone: replaces.tombstone.map(|pdu| pdu.json.into()),
            }),
        };
        self.timeline.create(room, events).await?;
        Ok(info)
    }

    /// The time, later than that of any room made before: where a room's id is the hash of its create
    /// event, rooms made alike in one millisecond would be one.
    fn creation_time(&self) -> MilliSecondsSinceUnixEpoch {
        let now = self.context.clock.now_ms();
        let last = self.last_created.fetch_max(now, Ordering::AcqRel);
        let time =
            if last < now { now } else { self.last_created.fetch_add(1, Ordering::AcqRel) + 1 };
        MilliSecondsSinceUnixEpoch(UInt::new_saturating(u64::try_from(time).unwrap_or(0)))
    }

    /// A local alias that is free.
    async fn new_alias(&self, name: &str) -> Result<OwnedRoomAliasId> {
        let alias = format!("#{name}:{}", self.context.server_name);
        let alias = RoomAliasId::parse(alias)
            .map_err(|_| Error::invalid_param("The alias is not a valid localpart"))?;
        let text = alias.to_string();
        let taken = self.context.store.read(move |conn| room_rows::by_alias(conn, &text)).await?;
        match taken {
            Some(_) => Err(Error::matrix(
                StatusCode::BAD_REQUEST,
                ErrorKind::RoomInUse,
                "The alias is already taken",
            )),
            None => Ok(alias),
        }
    }
}

/// The rules of a version that rooms can be made of.
pub(super) fn rules_of(version: &RoomVersionId) -> Result<&'static RoomVersionRules> {
    version::rules(version).ok_or_else(|| {
        Error::matrix(
            StatusCode::BAD_REQUEST,
            ErrorKind::UnsupportedRoomVersion,
            format!("Room version {version} is not supported here"),
        )
    })
}

/// A room to be made.
pub(super) struct Founding {
    /// Where the create event does not make it.
    pub room_id: Option<OwnedRoomId>,
    pub version: RoomVersionId,
    pub rules: &'static RoomVersionRules,
    /// The content of the create event.
    pub create: Value,
    /// What follows the creator's join.
    pub messages: Vec<Message>,
    pub is_public: bool,
    pub alias: Option<OwnedRoomAliasId>,
    pub replaces: Option<Replaced>,
}

/// The room that a new one replaces.
pub(super) struct Replaced {
    pub old: RoomNid,
    /// The event that says so there, where the new room names it.
    pub tombstone: Option<Pdu>,
}

/// The id of a room to be made, in versions where it is made up.
pub(super) fn new_room_id(
    server_name: &ServerName,
    rules: &RoomVersionRules,
) -> Option<OwnedRoomId> {
    (!rules.authorization.room_create_event_id_as_room_id).then(|| RoomId::new_v1(server_name))
}

/// What a request comes to, before the room has an id.
struct Plan {
    create: Value,
    power_levels: Value,
    preset: RoomPreset,
}

impl Plan {
    fn new(
        creator: &UserId,
        version: &RoomVersionId,
        rules: &RoomVersionRules,
        request: &Request,
    ) -> Result<Self> {
        let preset = request.preset.clone().unwrap_or(match request.visibility {
            Visibility::Public => RoomPreset::PublicChat,
            _ => RoomPreset::PrivateChat,
        });
        let trusted: &[OwnedUserId] = match preset {
            RoomPreset::TrustedPrivateChat => &request.invite,
            RoomPreset::PrivateChat | RoomPreset::PublicChat => &[],
            _ => return Err(Error::invalid_param("There is no such preset")),
        };
        let mut create = match &request.creation_content {
            Some(content) => object(content.json().get(), "creation_content")?,
            None => Map::new(),
        };
        create.insert("room_version".to_owned(), json!(version));
        if rules.authorization.use_room_create_sender {
            create.remove("creator");
        } else {
            create.insert("creator".to_owned(), json!(creator));
        }
        let creators_above_all = rules.authorization.explicitly_privilege_room_creators;
        if creators_above_all {
            let additional = additional_creators(&create, creator, trusted)?;
            if !additional.is_empty() {
                create.insert("additional_creators".to_owned(), json!(additional));
            }
        }
        let mut power_levels = default_power_levels(&preset, creators_above_all);
        if !creators_above_all {
            for user in trusted.iter().map(|user| &**user).chain([creator]) {
                power_levels["users"][user.as_str()] = CREATOR_POWER.into();
            }
        }
        if let Some(content) = &request.power_level_content_override {
            for (key, value) in object(content.json().get(), "power_level_content_override")? {
                power_levels[key] = value;
            }
        }
        Ok(Self { create: create.into(), power_levels, preset })
    }

    /// The state after the creator's join, in order.
    fn state(&self, alias: Option<&RoomAliasId>, request: &Request) -> Result<Vec<Message>> {
        use TimelineEventType as Type;

        let mut messages = vec![state(Type::RoomPowerLevels, "", &self.power_levels)?];
        if let Some(alias) = alias {
            messages.push(state(Type::RoomCanonicalAlias, "", &json!({ "alias": alias }))?);
        }
        let (join_rule, guest_access) = match self.preset {
            RoomPreset::PublicChat => ("public", "forbidden"),
            _ => ("invite", "can_join"),
        };
        let preset = [
            (Type::RoomJoinRules, json!({ "join_rule": join_rule })),
            (Type::RoomHistoryVisibility, json!({ "history_visibility": "shared" })),
            (Type::RoomGuestAccess, json!({ "guest_access": guest_access })),
        ];
        let initial: Vec<Message> = request
            .initial_state
            .iter()
            .map(|raw| initial(raw.json().get()))
            .collect::<Result<_>>()?;
        for (event_type, content) in preset {
            let given = |message: &Message| {
                message.event_type == event_type && message.state_key.as_deref() == Some("")
            };
            if !initial.iter().any(given) {
                messages.push(state(event_type, "", &content)?);
            }
        }
        messages.extend(initial);
        if let Some(name) = &request.name {
            messages.push(state(Type::RoomName, "", &json!({ "name": name }))?);
        }
        if let Some(topic) = &request.topic {
            let rich = json!({ "m.text": [{ "body": topic, "mimetype": "text/plain" }] });
            let content = json!({ "topic": topic, "m.topic": rich });
            messages.push(state(Type::RoomTopic, "", &content)?);
        }
        Ok(messages)
    }
}

/// The users who share the creator's power, in versions that know such users.
fn additional_creators(
    create: &Map<String, Value>,
    creator: &UserId,
    trusted: &[OwnedUserId],
) -> Result<BTreeSet<OwnedUserId>> {
    let given: Vec<OwnedUserId> = match create.get("additional_creators") {
        Some(given) => serde_json::from_value(given.clone())
            .map_err(|_| Error::invalid_param("additional_creators is not a list of user ids"))?,
        None => Vec::new(),
    };
    Ok(given.into_iter().chain(trusted.iter().cloned()).filter(|user| user != creator).collect())
}

pub(super) fn default_power_levels(preset: &RoomPreset, creators_above_all: bool) -> Value {
    let invite = if *preset == RoomPreset::PublicChat { 50 } else { 0 };
    let tombstone = if creators_above_all { TOMBSTONE_ABOVE_ADMINS } else { CREATOR_POWER };
    json!({
        "ban": 50,
        "events": {
            "m.room.avatar": 50,
            "m.room.canonical_alias": 50,
            "m.room.encryption": 100,
            "m.room.history_visibility": 100,
            "m.room.name": 50,
            "m.room.power_levels": 100,
            "m.room.server_acl": 100,
            "m.room.tombstone": tombstone,
        },
        "events_default": 0,
        "historical": 100,
        "invite": invite,
        "kick": 50,
        "redact": 50,
        "state_default": 50,
        "users": {},
        "users_default": 0,
    })
}

fn initial(json: &str) -> Result<Message> {
    #[derive(serde::Deserialize)]
    struct Initial {
        #[serde(rename = "type")]
        event_type: TimelineEventType,
        #[serde(default)]
        state_key: String,
        content: Box<serde_json::value::RawValue>,
    }
    let initial: Initial = serde_json::from_str(json)
        .map_err(|error| Error::bad_json(format!("initial_state: {error}")))?;
    Ok(Message {
        event_type: initial.event_type,
        state_key: Some(initial.state_key),
        content: initial.content,
        redacts: None,
    })
}

fn object(json: &str, name: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(json).map_err(|error| Error::bad_json(format!("{name}: {error}")))
}
