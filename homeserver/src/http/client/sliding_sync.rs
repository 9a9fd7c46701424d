//! Sliding sync, in both dialects: the requests as clients write them.
//!
//! The types are our own: ruma's has not all filters of the unstable one, and none of version 4.

use std::{collections::BTreeMap, time::Duration};

use actix_web::HttpResponse;
use percent_encoding::percent_decode_str;
use ruma::{OwnedRoomId, api::auth_scheme::AccessToken, presence::PresenceState};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    error::{Error, Result},
    http::{
        auth::Scheme as _,
        limits::check_depth,
        ruma::{Answer as _, Call, Ctx, Json},
    },
    service::{
        sessions::Session,
        sync::sliding::request::{
            Dialect, Extensions, Filters, List, OfRooms, Pattern, Request, RequiredState,
            RoomConfig, ToDevice, Wanted,
        },
    },
};

pub const UNSTABLE: &str = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";
pub const V4: &str = "/_matrix/client/v4/sync";

const LISTS: usize = 100;
const SUBSCRIPTIONS: usize = 100;
/// Clients of the unstable dialect were not told of a limit.
const SUBSCRIPTIONS_UNSTABLE: usize = 1_000;
const CONN_ID_LENGTH: usize = 255;

/// `POST /_matrix/client/unstable/org.matrix.simplified_msc3575/sync`
/// ([MSC4186](https://github.com/matrix-org/matrix-spec-proposals/pull/4186))
pub async fn unstable(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let caller = AccessToken::caller(&ctx, &call.http, &mut call.body).await?;
    let body: UnstableBody = json(&mut call).await?;
    let set_presence = in_query(&call, "set_presence")?.map(PresenceState::from);
    let timeout = match in_query(&call, "timeout")? {
        Some(timeout) => timeout.parse().map_err(|_| Error::invalid_param("timeout"))?,
        None => 0,
    };
    let request = Request {
        dialect: Dialect::Unstable,
        conn_id: body.conn_id.unwrap_or_default(),
        pos: in_query(&call, "pos")?.filter(|pos| !pos.is_empty()),
        txn_id: body.txn_id,
        timeout: Duration::from_millis(timeout),
        wanted: Wanted {
            lists: lists(body.lists, |list| list.into_list(&caller))?,
            subscriptions: subscriptions(
                body.room_subscriptions,
                SUBSCRIPTIONS_UNSTABLE,
                |config| config.into_config(&caller),
            )?,
            extensions: body.extensions.try_into()?,
        },
    };
    answer(&ctx, &caller, set_presence, request).await
}

/// `POST /_matrix/client/v4/sync`
/// ([MSC4186](https://github.com/matrix-org/matrix-spec-proposals/pull/4186))
pub async fn v4(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let caller = AccessToken::caller(&ctx, &call.http, &mut call.body).await?;
    let body: V4Body = json(&mut call).await?;
    let request = Request {
        dialect: Dialect::V4,
        conn_id: body.conn_id.unwrap_or_default(),
        pos: body.pos,
        txn_id: None,
        timeout: Duration::from_millis(body.timeout.unwrap_or(0)),
        wanted: Wanted {
            lists: lists(body.lists, V4List::into_list)?,
            subscriptions: subscriptions(body.room_subscriptions, SUBSCRIPTIONS, |config| {
                Ok(config.into())
            })?,
            extensions: body.extensions.try_into()?,
        },
    };
    answer(&ctx, &caller, body.set_presence, request).await
}

async fn answer(
    ctx: &Ctx,
    caller: &std::sync::Arc<Session>,
    set_presence: Option<PresenceState>,
    request: Request,
) -> Result<HttpResponse> {
    use PresenceState::{Offline, Online, Unavailable};

    let set_presence = set_presence.unwrap_or(Online);
    if !matches!(set_presence, Online | Offline | Unavailable) {
        return Err(Error::invalid_param("set_presence is none of online, offline, unavailable"));
    }
    if request.conn_id.len() > CONN_ID_LENGTH {
        return Err(Error::invalid_param("conn_id is too long"));
    }
    let _syncing = ctx.presence.sync(caller, &set_presence);
    let response = ctx.sync.sliding(caller, request).await?;
    Json::of(&response)?.into_response()
}

pub(super) async fn json<T: DeserializeOwned>(call: &mut Call) -> Result<T> {
    let body = call.body.read().await?;
    check_depth(&body)?;
    let body = if body.is_empty() { b"{}" } else { &body[..] };
    serde_json::from_slice(body).map_err(|error| match error.is_data() {
        true => Error::bad_json(error.to_string()),
        false => Error::matrix(
            http::StatusCode::BAD_REQUEST,
            ruma::api::error::ErrorKind::NotJson,
            error.to_string(),
        ),
    })
}

pub(super) fn in_query(call: &Call, name: &str) -> Result<Option<String>> {
    let query = call.http.uri().query().unwrap_or_default();
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let Some(value) = value else { return Ok(None) };
    let decoded = percent_decode_str(value).decode_utf8();
    let decoded = decoded.map_err(|_| Error::invalid_param("The query is not UTF-8"))?;
    Ok(Some(decoded.into_owned()))
}

fn lists<T>(
    lists: BTreeMap<String, T>,
    convert: impl Fn(T) -> Result<List>,
) -> Result<BTreeMap<String, List>> {
    if lists.len() > LISTS {
        return Err(Error::invalid_param("There are more than 100 lists"));
    }
    let lists: BTreeMap<String, List> =
        lists.into_iter().map(|(name, list)| Ok((name, convert(list)?))).collect::<Result<_>>()?;
    let backward = |list: &List| list.ranges.iter().any(|(first, last)| first > last);
    if lists.values().any(backward) {
        return Err(Error::invalid_param("A range ends before it begins"));
    }
    Ok(lists)
}

/// What is not a room's id names no room.
fn subscriptions<T>(
    subscriptions: BTreeMap<String, T>,
    most: usize,
    convert: impl Fn(T) -> Result<RoomConfig>,
) -> Result<BTreeMap<OwnedRoomId, RoomConfig>> {
    if subscriptions.len() > most {
        return Err(Error::invalid_param("There are too many room subscriptions"));
    }
    let known = subscriptions
        .into_iter()
        .filter_map(|(room, config)| Some((OwnedRoomId::try_from(room).ok()?, config)));
    known.map(|(room, config)| Ok((room, convert(config)?))).collect()
}

#[derive(Deserialize)]
struct UnstableBody {
    conn_id: Option<String>,
    txn_id: Option<String>,
    #[serde(default)]
    lists: BTreeMap<String, UnstableList>,
    #[serde(default)]
    room_subscriptions: BTreeMap<String, UnstableConfig>,
    #[serde(default)]
    extensions: ExtensionsBody,
}

#[derive(Deserialize)]
struct UnstableList {
    #[serde(default)]
    ranges: Vec<(usize, usize)>,
    #[serde(flatten)]
    config: UnstableConfig,
    filters: Option<FiltersBody>,
}

#[derive(Deserialize)]
struct UnstableConfig {
    #[serde(default)]
    timeline_limit: usize,
    #[serde(default)]
    required_state: Vec<(String, String)>,
}

impl UnstableList {
    fn into_list(self, caller: &Session) -> Result<List> {
        let filters = self.filters.unwrap_or_default().into();
        Ok(List { ranges: self.ranges, config: self.config.into_config(caller)?, filters })
    }
}

impl UnstableConfig {
    /// `*` stands for any, `$ME` for the caller, `$LAZY` for members as they are met.
    fn into_config(self, caller: &Session) -> Result<RoomConfig> {
        let mut required = RequiredState::default();
        for (event_type, state_key) in self.required_state {
            if event_type == "m.room.member" && state_key == "$LAZY" {
                required.lazy_members = true;
                continue;
            }
            let state_key = match state_key.as_str() {
                "*" => None,
                "$ME" => Some(caller.user_id.to_string()),
                _ => Some(state_key),
            };
            let event_type = (event_type != "*").then_some(event_type);
            required.include.push(Pattern { event_type, state_key });
        }
        let every_member = |pattern: &Pattern| {
            pattern.event_type.as_deref() == Some("m.room.member") && pattern.state_key.is_none()
        };
        required.lazy_members &= !required.include.iter().any(every_member);
        Ok(RoomConfig { timeline_limit: self.timeline_limit, required_state: vec![required] })
    }
}

#[derive(Deserialize)]
struct V4Body {
    conn_id: Option<String>,
    pos: Option<String>,
    timeout: Option<u64>,
    set_presence: Option<PresenceState>,
    #[serde(default)]
    lists: BTreeMap<String, V4List>,
    #[serde(default)]
    room_subscriptions: BTreeMap<String, V4Config>,
    #[serde(default)]
    extensions: ExtensionsBody,
}

#[derive(Deserialize)]
struct V4List {
    range: Option<(usize, usize)>,
    #[serde(flatten)]
    config: V4Config,
    filters: Option<FiltersBody>,
}

#[derive(Deserialize)]
struct V4Config {
    timeline_limit: usize,
    required_state: V4RequiredState,
}

#[derive(Deserialize)]
struct V4RequiredState {
    #[serde(default)]
    include: Vec<V4Pattern>,
    #[serde(default)]
    exclude: Vec<V4Pattern>,
    #[serde(default)]
    lazy_members: bool,
}

#[derive(Deserialize)]
struct V4Pattern {
    #[serde(rename = "type")]
    event_type: Option<String>,
    state_key: Option<String>,
}

impl V4List {
    fn into_list(self) -> Result<List> {
        let filters = self.filters.unwrap_or_default().into();
        let range = self.range.unwrap_or((0, usize::MAX));
        Ok(List { ranges: vec![range], config: self.config.into(), filters })
    }
}

impl From<V4Config> for RoomConfig {
    fn from(config: V4Config) -> Self {
        let patterns = |patterns: Vec<V4Pattern>| {
            let pattern = |V4Pattern { event_type, state_key }| Pattern { event_type, state_key };
            patterns.into_iter().map(pattern).collect()
        };
        let required = RequiredState {
            include: patterns(config.required_state.include),
            exclude: patterns(config.required_state.exclude),
            lazy_members: config.required_state.lazy_members,
        };
        Self { timeline_limit: config.timeline_limit, required_state: vec![required] }
    }
}

#[derive(Default, Deserialize)]
struct FiltersBody {
    is_dm: Option<bool>,
    spaces: Option<Vec<String>>,
    is_encrypted: Option<bool>,
    #[serde(alias = "is_invited")]
    is_invite: Option<bool>,
    room_types: Option<Vec<Option<String>>>,
    not_room_types: Option<Vec<Option<String>>>,
    room_name_like: Option<String>,
    tags: Option<Vec<String>>,
    not_tags: Option<Vec<String>>,
}

impl From<FiltersBody> for Filters {
    fn from(body: FiltersBody) -> Self {
        let FiltersBody { is_dm, spaces, is_encrypted, is_invite, room_types, .. } = body;
        let FiltersBody { not_room_types, room_name_like, tags, not_tags, .. } = body;
        Self {
            is_dm,
            spaces,
            is_encrypted,
            is_invite,
            room_types,
            not_room_types,
            room_name_like,
            tags,
            not_tags,
        }
    }
}

#[derive(Default, Deserialize)]
struct ExtensionsBody {
    #[serde(default)]
    to_device: ExtensionBody,
    #[serde(default)]
    e2ee: ExtensionBody,
    #[serde(default)]
    account_data: ExtensionBody,
    #[serde(default)]
    receipts: ExtensionBody,
    #[serde(default)]
    typing: ExtensionBody,
}

#[derive(Default, Deserialize)]
struct ExtensionBody {
    #[serde(default)]
    enabled: Option<bool>,
    limit: Option<usize>,
    since: Option<String>,
    lists: Option<Vec<String>>,
    rooms: Option<Vec<String>>,
}

impl ExtensionBody {
    fn of_rooms(self) -> Option<OfRooms> {
        let of = OfRooms { lists: self.lists, rooms: self.rooms };
        (self.enabled == Some(true)).then_some(of)
    }
}

impl TryFrom<ExtensionsBody> for Extensions {
    type Error = Error;

    fn try_from(body: ExtensionsBody) -> Result<Self> {
        let ExtensionsBody { to_device, e2ee, account_data, receipts, typing } = body;
        let to_device = match to_device.enabled {
            Some(true) => Some(ToDevice::new(to_device.limit, to_device.since.as_deref())?),
            Some(false) | None => None,
        };
        Ok(Self {
            to_device,
            e2ee: e2ee.enabled == Some(true),
            account_data: account_data.of_rooms(),
            receipts: receipts.of_rooms(),
            typing: typing.of_rooms(),
        })
    }
}
