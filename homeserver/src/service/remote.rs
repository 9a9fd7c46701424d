//! Rooms shared with other servers: what they ask of us, what we ask of them.
//!
//! ```text
//! http/federation ─► transaction.rs ─► receive.rs ─► timeline (the one door)
//!                          └─► edu.rs (the one gate of EDUs)
//!                    serve_join.rs ─┘      │  ▲
//!                    serve_events.rs       ▼  │ missing events, state, keys
//! service/rooms ───► join.rs, knock.rs, invite.rs ─► fetch.rs ─► other servers
//! ```
//!
//! Nothing here waits for another server while it holds a room's queue or a database connection.

mod acl;
mod backfill;
mod complaints;
mod device_lists;
mod device_updates;
mod devices;
pub mod directory;
mod early_receipts;
pub mod edu;
mod fetch;
mod held_events;
mod helpers;
pub mod invite;
pub mod invite_v1;
pub mod join;
pub mod keys;
mod knock;
mod leave;
pub(in crate::service) mod locks;
mod media;
mod notary;
mod omit_members;
pub mod others;
pub mod outbox;
pub mod partial;
mod pending;
mod policy;
mod postponed_events;
mod queries;
pub mod receive;
pub mod serve_events;
pub mod serve_join;
pub mod signs_of_life;
pub mod spaces;
mod spooled;
mod third_party_invite;
mod timestamps;
pub mod transaction;

use std::{path::PathBuf, sync::Arc};

use http::StatusCode;
use quick_cache::sync::Cache;
use ruma::{
    OwnedServerName, OwnedUserId, RoomId, ServerName,
    api::{
        OutgoingRequest,
        error::ErrorKind,
        federation::authentication::{ServerSignatures, XMatrix},
    },
};
use sealpost_federation::{
    Client, Error as FederationError, Keyring, OwnKeys, Policy,
    client::{Limits, Path},
    request_auth,
};
use tokio::sync::{Notify, Semaphore};

use self::{
    acl::Acls,
    complaints::Complaints,
    early_receipts::EarlyReceipts,
    locks::Locks,
    others::OtherServers,
    pending::Pending,
    signs_of_life::{Patience, SignsOfLife},
    spaces::Spaces,
};
use super::{
    device_lists::DeviceLists,
    keys::claim::shares::Shares,
    presence::Presence,
    room_info::RoomInfo,
    timeline::{Context, Timeline},
    typing,
};
use crate::{
    error::{Error, Result},
    storage::{Position, RoomNid, members},
};

pub struct Remote {
    timeline: Arc<Timeline>,
    context: Arc<Context>,
    client: Client,
    keyring: Arc<Keyring>,
    keys: OwnKeys,
    policy: Policy,
    signs_of_life: Arc<SignsOfLife>,
    spool_folder: PathBuf,
    acls: Arc<Acls>,
    /// Requests to us as a notary that wait for other servers.
    notarising: Semaphore,
    others: Arc<OtherServers>,
    typing: Arc<typing::Rooms>,
    presence: Arc<Presence>,
    /// One transaction of a server at a time.
    origins: Locks<OwnedServerName>,
    device_lists: DeviceLists,
    /// Each change of a device is told once.
    announcing: tokio::sync::Mutex<()>,
    /// One look at a user's devices at a time.
    fetching_devices: Locks<OwnedUserId>,
    pending: Arc<Pending>,
    early_receipts: EarlyReceipts,
    /// One join of this server to a room at a time.
    joining: Locks<ruma::OwnedRoomId>,
    /// Notified when a room may have been entered.
    entered: Arc<Notify>,
    /// Notified when an event is to be tried again.
    postponed: Notify,
    spaces: Spaces,
    /// The history of a room is fetched once at a time.
    backfilling: Locks<RoomNid>,
    /// When servers had no history of a room.
    backfill_failed: Cache<(RoomNid, Position), i64>,
    complaints: Arc<Complaints>,
    /// How much policy servers have held up others.
    policy_servers: Cache<OwnedServerName, policy::Patience>,
    /// Of one-time keys, among other servers.
    shares: Shares,
}

/// What [`Remote`] is made of.
pub struct Parts {
    pub timeline: Arc<Timeline>,
    pub client: Client,
    pub keyring: Arc<Keyring>,
    pub keys: OwnKeys,
    pub policy: Policy,
    pub signs_of_life: Arc<SignsOfLife>,
    pub device_lists: DeviceLists,
    /// Where large answers are kept while they are read.
    pub spool_folder: PathBuf,
    pub others: Arc<OtherServers>,
    pub typing: Arc<typing::Rooms>,
    pub presence: Arc<Presence>,
}

impl Remote {
    pub fn new(parts: Parts) -> Self {
        let Parts { timeline, client, keyring, keys, policy, signs_of_life, .. } = parts;
        let Parts { device_lists, spool_folder, others, typing, presence, .. } = parts;
        let context = timeline.context().clone();
        let complaints = Arc::new(Complaints::new(context.clock.clone()));
        Self {
            timeline,
            context,
            client,
            keyring,
            keys,
            policy,
            signs_of_life,
            device_lists,
            announcing: tokio::sync::Mutex::default(),
            fetching_devices: Locks::default(),
            spool_folder,
            acls: Arc::default(),
            notarising: Semaphore::new(notary::WAITING_MAX),
            others,
            typing,
            presence,
            origins: Locks::default(),
            pending: Arc::default(),
            early_receipts: EarlyReceipts::default(),
            joining: Locks::default(),
            entered: Arc::default(),
            postponed: Notify::new(),
            spaces: Spaces::default(),
            backfilling: Locks::default(),
            backfill_failed: Cache::new(1_000),
            complaints,
            policy_servers: Cache::new(1_000),
            shares: Shares::of_servers(),
        }
    }

    /// Which server `request` claims to come from: 401 when it claims nothing, 403 when we don't talk to that one.
    pub fn claim<B>(&self, request: &http::Request<B>) -> Result<XMatrix> {
        let claim =
            request_auth::claim(request, &self.context.server_name).map_err(unauthorized)?;
        self.check_policy(&claim.origin)?;
        Ok(claim)
    }

    /// Which server sent `request`, by the signature that it [claims](Self::claim). Its sign of life is noted.
    pub async fn authenticate(
        &self,
        request: &http::Request<impl AsRef<[u8]> + Sync>,
        claim: XMatrix,
    ) -> Result<OwnedServerName> {
        let own_name = &self.context.server_name;
        let now = self.context.clock.now_ms();
        let origin = request_auth::authenticate(request, claim, own_name, &self.keyring, now)
            .await
            .map_err(unauthorized)?;
        self.signs_of_life.heard_from(&origin);
        Ok(origin)
    }

    /// Sends a request for somebody who waits for the answer: at once an error where the server did not answer lately.
    async fn ask<R>(
        &self,
        server: &ServerName,
        request: R,
        limits: Limits,
    ) -> Result<R::IncomingResponse, FederationError>
    where
        R: OutgoingRequest<
                Authentication = ServerSignatures,
                EndpointError = ruma::api::error::Error,
            >,
        R::PathBuilder: Path,
    {
        let silent = &self.signs_of_life.silent;
        let asking = silent.ask(server, Patience::Short, &self.context.clock)?;
        let answer = self.client.send(server, request, limits).await;
        asking.ended(answer.as_ref().err());
        answer
    }

    /// Whether `server` did not answer lately.
    pub fn is_silent(&self, server: &ServerName) -> bool {
        self.signs_of_life.silent.is_silent(server, self.context.clock.now_ms())
    }

    /// Whether anything may be sent to `server`.
    pub fn talks_to(&self, server: &ServerName) -> bool {
        self.policy.allows(server)
    }

    /// Whether a line that another server is the cause of goes to the log.
    pub fn may_log(&self, server: &ServerName) -> bool {
        self.complaints.may_log(server)
    }

    /// 403 when we don't talk to `server`.
    fn check_policy(&self, server: &ServerName) -> Result<()> {
        if self.policy.allows(server) {
            return Ok(());
        }
        Err(Error::forbidden(if self.policy.is_enabled() {
            "This server does not federate with yours"
        } else {
            "Federation is switched off on this server"
        }))
    }

    /// A room that this server knows; 404 otherwise.
    async fn room(&self, room_id: &RoomId) -> Result<Arc<RoomInfo>> {
        if let Some(info) = self.context.rooms.cached(room_id) {
            return Ok(info);
        }
        let (context, id) = (self.context.clone(), room_id.to_owned());
        let read = self.context.store.read(move |conn| context.rooms.by_id(conn, &id));
        read.await?.ok_or_else(|| Error::not_found("This server does not know that room"))
    }

    /// A room that `origin` asks about and that its access control list lets it take part in; 404 where
    /// this server does not know it.
    async fn open_room(&self, origin: &ServerName, room_id: &RoomId) -> Result<Arc<RoomInfo>> {
        let info = self.room(room_id).await?;
        self.check_acl(origin, &info).await?;
        Ok(info)
    }

    /// The same, of a room that users of this server are in and whose members are here; 404 otherwise.
    async fn resident_room(&self, origin: &ServerName, room_id: &RoomId) -> Result<Arc<RoomInfo>> {
        let info = self.open_room(origin, room_id).await?;
        if !self.is_resident(&info).await? {
            return Err(Error::not_found("This server is not in that room"));
        }
        self.check_whole(&info)?;
        Ok(info)
    }

    /// 404 while this server does not have the members of a room: others know more of it.
    fn check_whole(&self, info: &RoomInfo) -> Result<()> {
        if !self.context.partial_rooms.is_partial(info.nid) {
            return Ok(());
        }
        let message = "This server has joined that room and does not know its members yet";
        Err(Error::matrix(StatusCode::NOT_FOUND, without_members(), message))
    }

    /// Whether a user of this server is in the room.
    async fn is_resident(&self, info: &RoomInfo) -> Result<bool> {
        let room = info.nid;
        self.context.store.read(move |conn| members::is_resident(conn, room)).await
    }

    /// 403 unless `user` is of `origin`.
    fn check_sender(&self, origin: &ServerName, user: &OwnedUserId) -> Result<()> {
        if user.server_name() != origin {
            return Err(Error::forbidden("The user is not of your server"));
        }
        Ok(())
    }
}

/// Why a request is not taken as that of another server.
fn unauthorized(error: FederationError) -> Error {
    match error {
        FederationError::Body(_) => Error::bad_json(error.to_string()),
        error => {
            Error::matrix(StatusCode::UNAUTHORIZED, ErrorKind::Unauthorized, error.to_string())
        }
    }
}

/// `M_UNABLE_DUE_TO_PARTIAL_STATE`, for which ruma has no name.
fn without_members() -> ErrorKind {
    let kind = serde_json::json!({ "errcode": "M_UNABLE_DUE_TO_PARTIAL_STATE" });
    serde_json::from_value(kind).unwrap_or(ErrorKind::NotFound)
}

/// What a user of ours is told when another server could not help: what it says of the thing asked for. What a client
/// would take as said by us of its own session or request is not passed on.
fn refused(server: &ServerName, error: FederationError) -> Error {
    match error {
        FederationError::Status { status, kind: Some(kind), message }
            if is_of_thing(status, &kind) =>
        {
            Error::matrix(status, *kind, message)
        }
        FederationError::NotAllowed(server) => {
            Error::forbidden(format!("This server does not federate with {server}"))
        }
        error => {
            let message = format!("{server}: {error}");
            Error::matrix(StatusCode::BAD_GATEWAY, ErrorKind::Unknown, message)
        }
    }
}

fn is_of_thing(status: StatusCode, kind: &ErrorKind) -> bool {
    let is_status = matches!(status.as_u16(), 400 | 403 | 404 | 413 | 429);
    let is_kind = matches!(
        kind,
        ErrorKind::Forbidden
            | ErrorKind::NotFound
            | ErrorKind::TooLarge
            | ErrorKind::InviteBlocked
            | ErrorKind::UnableToAuthorizeJoin
            | ErrorKind::UnableToGrantJoin
            | ErrorKind::IncompatibleRoomVersion(_)
            | ErrorKind::UnsupportedRoomVersion
    );
    is_status && (is_kind || kind.errcode() == without_members().errcode())
}

fn unsupported_version(version: &ruma::RoomVersionId) -> Error {
    Error::matrix(
        StatusCode::BAD_REQUEST,
        ErrorKind::UnsupportedRoomVersion,
        format!("Room version {version} is not supported here"),
    )
}
