//! Who holds which access token. A known token costs no query; a revoked one is out at once, and what its
//! device waits for ends.
//!
//! With refresh tokens, an access token lasts for [`ACCESS_TOKEN_LIFETIME`]. What a refresh replaces stays good
//! until what it gave out is used (client-server API, "Refreshing access tokens").

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use quick_cache::sync::Cache;
use ruma::{
    OwnedDeviceId, OwnedUserId, UserId,
    api::error::{ErrorKind, UnknownTokenErrorData},
};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::{
    device_lists::{Changed, DeviceLists},
    random,
    to_device::delivery::Delivery,
};
use crate::{
    clock::Clock,
    error::{Error, Result},
    storage::{
        Store, Tx, UserNid,
        access_tokens::{self, AccessToken, Owner},
        accounts, cross_signing,
        devices::{self, Device},
        refresh_tokens::{self, RefreshToken},
    },
};

/// How many sessions are kept in memory.
const REMEMBERED: usize = 20_000;
/// Random characters of an access token: 256 bits.
const TOKEN_LENGTH: usize = 43;
/// How long an access token lasts that comes with a refresh token.
const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Milliseconds between two notes of when and from where a device was used.
const SEEN_EVERY: i64 = 10 * 60_000;
const DEVICE_ID_LENGTH: usize = 255;
pub(super) const DISPLAY_NAME_LENGTH: usize = 1000;

/// A device of a user that is logged in.
#[derive(Debug)]
pub struct Session {
    pub user_nid: UserNid,
    pub user_id: OwnedUserId,
    pub device_id: OwnedDeviceId,
    pub is_admin: bool,
    pub is_guest: bool,
    is_suspended: bool,
    is_locked: AtomicBool,
    expires_at: Option<i64>,
    /// When its use was last noted.
    seen_at: AtomicI64,
    /// Cancelled when its token is revoked or its user locked: what waits for it answers 401 at once.
    pub revoked: CancellationToken,
    /// Of the messages to the device.
    pub delivery: Delivery,
}

impl Session {
    /// 401 `M_UNKNOWN_TOKEN` or `M_USER_LOCKED`, for what waited when it was revoked.
    pub fn revoked_error(&self) -> Error {
        self.check_not_locked().err().unwrap_or_else(|| unknown_token(false))
    }

    /// For what the server does in a user's name, without a device.
    pub fn in_name_of(user_nid: UserNid, user_id: OwnedUserId) -> Self {
        Self {
            user_nid,
            user_id,
            device_id: OwnedDeviceId::from(""),
            is_admin: false,
            is_guest: false,
            is_suspended: false,
            is_locked: AtomicBool::new(false),
            expires_at: None,
            seen_at: AtomicI64::new(0),
            revoked: CancellationToken::new(),
            delivery: Delivery::default(),
        }
    }

    /// 401 `M_USER_LOCKED`: all that a locked user may do is to log out.
    pub fn check_not_locked(&self) -> Result<()> {
        if self.is_locked.load(Ordering::Acquire) { Err(Error::user_locked()) } else { Ok(()) }
    }

    /// 403 `M_USER_SUSPENDED`, for what a suspended user may not do.
    pub fn check_not_suspended(&self) -> Result<()> {
        if !self.is_suspended {
            return Ok(());
        }
        Err(Error::matrix(
            http::StatusCode::FORBIDDEN,
            ErrorKind::UserSuspended,
            "You cannot perform this action while suspended",
        ))
    }

    /// 403 `M_GUEST_ACCESS_FORBIDDEN`, for what a guest may not do.
    pub fn check_not_guest(&self) -> Result<()> {
        if !self.is_guest {
            return Ok(());
        }
        Err(Error::matrix(
            http::StatusCode::FORBIDDEN,
            ErrorKind::GuestAccessForbidden,
            "Guests may not do this",
        ))
    }
}

/// What a client gets when it logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    pub access_token: String,
    pub device_id: OwnedDeviceId,
    pub refresh: Option<Refresh>,
}

/// How a session goes on after its access token has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    pub token: String,
    pub expires_in: Duration,
}

/// The device that a client logs in with.
#[derive(Clone, Debug, Default)]
pub struct NewDevice {
    /// A known one is used again, and its old token revoked.
    pub device_id: Option<OwnedDeviceId>,
    pub display_name: Option<String>,
    /// Whether the client wants a refresh token.
    pub refresh: bool,
}

impl NewDevice {
    /// 400 `M_INVALID_PARAM` when its texts are longer than anybody needs, or hold what no database takes.
    pub fn check(&self) -> Result<()> {
        let texts = [self.device_id.as_ref().map(|id| id.as_str()), self.display_name.as_deref()];
        if texts.into_iter().flatten().any(|text| text.contains('\0')) {
            return Err(Error::invalid_param("The device's id or name holds a NUL character"));
        }
        let id = self.device_id.as_ref().map_or("-", |id| id.as_str());
        if id.is_empty() || id.len() > DEVICE_ID_LENGTH {
            return Err(Error::invalid_param("The device id has more than 255 bytes, or none"));
        }
        if self.display_name.as_ref().is_some_and(|name| name.len() > DISPLAY_NAME_LENGTH) {
            return Err(Error::invalid_param("The device's name is too long"));
        }
        Ok(())
    }
}

type TokenHash = [u8; 32];

#[derive(Clone)]
pub struct Sessions {
    store: Store,
    clock: Clock,
    device_lists: DeviceLists,
    live: Arc<Live>,
}

/// The sessions in memory.
struct Live {
    cache: Cache<TokenHash, Arc<Session>>,
    /// Every session that somebody holds, evicted from the cache or not, so that it can be revoked.
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    sessions: HashMap<TokenHash, Weak<Session>>,
    /// How often something was revoked: what was read before may be of no worth now.
    revocations: u64,
}

impl Sessions {
    pub fn new(store: Store, clock: Clock, device_lists: DeviceLists) -> Self {
        let live = Live { cache: Cache::new(REMEMBERED), held: Mutex::default() };
        Self { store, clock, device_lists, live: Arc::new(live) }
    }

    /// The session of an access token, or 401 `M_UNKNOWN_TOKEN`.
    pub async fn authenticate(&self, access_token: &str) -> Result<Arc<Session>> {
        let token_hash = hash(access_token);
        if let Some(session) = self.live.cache.get(&token_hash) {
            return self.unless_expired(session);
        }
        loop {
            let revocations = self.live.held.lock().revocations;
            let owner = self
                .store
                .read(move |conn| access_tokens::find(conn, &token_hash))
                .await?
                .filter(|owner| !owner.is_deactivated)
                .ok_or_else(|| unknown_token(false))?;
            let refreshed_from = owner.refreshed_from.clone();
            let session = self.unless_expired(Arc::new(session(owner)?))?;
            if let Some(parent) = refreshed_from {
                // Used for the first time: what it replaces is good no more.
                self.settle(parent).await?;
                continue;
            }
            if let Some(session) = self.live.hold(token_hash, session, revocations) {
                return Ok(session);
            }
        }
    }

    /// Ends a refresh token of which the children are in use.
    async fn settle(&self, parent: Vec<u8>) -> Result<()> {
        let live = Arc::clone(&self.live);
        self.store
            .write(move |tx| {
                let replaced = refresh_tokens::settle(tx, &parent)?;
                live.forget(tx, replaced.into_iter().collect());
                Ok(())
            })
            .await
    }

    fn unless_expired(&self, session: Arc<Session>) -> Result<Arc<Session>> {
        match session.expires_at {
            Some(expires_at) if expires_at <= self.clock.now_ms() => Err(unknown_token(true)),
            Some(_) | None => Ok(session),
        }
    }

    /// New tokens for a refresh token, or 401 `M_UNKNOWN_TOKEN`.
    pub async fn refresh(&self, refresh_token: &str) -> Result<NewSession> {
        let used = hash(refresh_token);
        let device = NewDevice { refresh: true, ..NewDevice::default() };
        let prepared = self.prepare(device);
        let NewSession { access_token, refresh, .. } = prepared.session.clone();
        let live = Arc::clone(&self.live);
        let device_id = self
            .store
            .write(move |tx| {
                let Some(token) = refresh_tokens::find(tx, &used)? else {
                    return Err(unknown_token(false));
                };
                if accounts::standing(tx, token.user_nid)?.0.is_some() {
                    return Err(Error::user_locked());
                }
                if let Some(parent) = &token.refreshed_from {
                    let replaced = refresh_tokens::settle(tx, parent)?;
                    live.forget(tx, replaced.into_iter().collect());
                }
                let unused = refresh_tokens::delete_children(tx, &used)?;
                live.forget(tx, unused);
                prepared.insert_tokens(tx, token.user_nid, &token.device_id, Some(&used))?;
                Ok(token.device_id)
            })
            .await?;
        Ok(NewSession { access_token, device_id: device_id.into(), refresh })
    }

    /// Logs a device in.
    pub async fn log_in(&self, user_nid: UserNid, device: NewDevice) -> Result<NewSession> {
        let prepared = self.prepare(device);
        let session = prepared.session.clone();
        let sessions = self.clone();
        self.store.write(move |tx| sessions.insert(tx, user_nid, &prepared)).await?;
        Ok(session)
    }

    /// A login that is yet to be written, in the same commit as the account for instance.
    pub fn prepare(&self, device: NewDevice) -> PreparedSession {
        let random = &mut rand::rng();
        let access_token = format!("sp_{}", random::letters_and_digits(TOKEN_LENGTH, random));
        let device_id = device.device_id.unwrap_or_else(|| random::capitals(10, random).into());
        let refresh = device.refresh.then(|| Refresh {
            token: format!("spr_{}", random::letters_and_digits(TOKEN_LENGTH, random)),
            expires_in: ACCESS_TOKEN_LIFETIME,
        });
        PreparedSession {
            token_hash: hash(&access_token),
            session: NewSession { access_token, device_id, refresh },
            display_name: device.display_name,
            now: self.clock.now_ms(),
        }
    }

    /// Writes a prepared login.
    pub fn insert(
        &self,
        tx: &mut Tx<'_>,
        user_nid: UserNid,
        login: &PreparedSession,
    ) -> Result<()> {
        if login.insert(tx, user_nid, &self.live)? {
            let device_id = login.session.device_id.as_str();
            self.device_lists.changed(tx, user_nid, &[Changed::Device(device_id)])?;
        }
        Ok(())
    }

    /// Notes that a device was used, from an address; not each time.
    pub fn seen(&self, session: &Session, address: Option<IpAddr>) {
        let (now, before) = (self.clock.now_ms(), session.seen_at.load(Ordering::Relaxed));
        let seen_at = &session.seen_at;
        if now - before < SEEN_EVERY
            || seen_at.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        let (user, device_id) = (session.user_nid, session.device_id.to_string());
        let address = address.map(|address| address.to_string());
        self.store.write_then(
            move |tx| devices::set_last_seen(tx, user, &device_id, now, address.as_deref()),
            |noted| {
                if let Err(error) = noted {
                    tracing::debug!(%error, "when a device was seen was not noted");
                }
            },
        );
    }

    /// Has the sessions of a user, whose standing changes in this transaction, know of it.
    pub fn reload(&self, tx: &mut Tx<'_>, user_nid: UserNid, is_locked: bool) {
        self.live.reload(tx, user_nid, is_locked);
    }

    /// Removes the devices of a user and their tokens, but for one that is kept.
    pub fn remove_devices(
        &self,
        tx: &mut Tx<'_>,
        user_nid: UserNid,
        kept: Option<&str>,
    ) -> Result<()> {
        self.remove_devices_that(tx, user_nid, &|device_id| kept != Some(device_id))
    }

    /// Removes those devices of a user for which `is_meant`, with their tokens and keys.
    pub(super) fn remove_devices_that(
        &self,
        tx: &mut Tx<'_>,
        user_nid: UserNid,
        is_meant: &dyn Fn(&str) -> bool,
    ) -> Result<()> {
        let mut devices = devices::of_user(tx, user_nid)?;
        devices.retain(|device| is_meant(&device.device_id));
        for device in &devices {
            self.live.revoke(tx, user_nid, Some(&device.device_id))?;
            devices::delete(tx, user_nid, &device.device_id)?;
        }
        let removed: Vec<_> =
            devices.iter().map(|device| Changed::Device(&device.device_id)).collect();
        self.device_lists.changed(tx, user_nid, &removed)
    }

    /// Removes a user's cross-signing keys.
    pub fn forget_identity(&self, tx: &mut Tx<'_>, user_nid: UserNid) -> Result<()> {
        if cross_signing::delete_all(tx, user_nid)? {
            self.device_lists.changed(tx, user_nid, &[Changed::CrossSigning])?;
        }
        Ok(())
    }

    /// Removes a device and its token.
    pub async fn log_out(&self, session: &Session) -> Result<()> {
        let (user_nid, device_id) = (session.user_nid, session.device_id.clone());
        let sessions = self.clone();
        self.store
            .write(move |tx| {
                sessions.remove_devices_that(tx, user_nid, &|id| id == device_id.as_str())
            })
            .await
    }

    /// Removes all devices of a user, and their tokens.
    pub async fn log_out_all(&self, user_nid: UserNid) -> Result<()> {
        let sessions = self.clone();
        self.store.write(move |tx| sessions.remove_devices(tx, user_nid, None)).await
    }
}

/// A login before its commit.
#[derive(Clone, Debug)]
pub struct PreparedSession {
    pub session: NewSession,
    token_hash: TokenHash,
    display_name: Option<String>,
    now: i64,
}

impl PreparedSession {
    /// Answers whether the device is new.
    fn insert(&self, tx: &mut Tx<'_>, user_nid: UserNid, live: &Arc<Live>) -> Result<bool> {
        let device_id = self.session.device_id.as_str();
        live.revoke(tx, user_nid, Some(device_id))?;
        let device = Device {
            user_nid,
            device_id: device_id.to_owned(),
            display_name: self.display_name.clone(),
            created_at: self.now,
            last_seen_at: None,
            last_seen_ip: None,
        };
        let is_new = devices::insert_if_absent(tx, &device)?;
        self.insert_tokens(tx, user_nid, device_id, None)?;
        Ok(is_new)
    }

    fn insert_tokens(
        &self,
        tx: &mut Tx<'_>,
        user_nid: UserNid,
        device_id: &str,
        refreshed_from: Option<&TokenHash>,
    ) -> Result<()> {
        let refreshed_from = refreshed_from.map(|hash| hash.to_vec());
        let refresh = self.session.refresh.as_ref();
        let token = AccessToken {
            token_hash: self.token_hash.to_vec(),
            user_nid,
            device_id: device_id.to_owned(),
            created_at: self.now,
            expires_at: refresh.map(|it| self.now + it.expires_in.as_millis() as i64),
            refreshed_from: refreshed_from.clone(),
        };
        access_tokens::insert(tx, &token)?;
        let Some(refresh) = refresh else { return Ok(()) };
        let token = RefreshToken {
            token_hash: hash(&refresh.token).to_vec(),
            user_nid,
            device_id: device_id.to_owned(),
            access_token_hash: self.token_hash.to_vec(),
            refreshed_from,
        };
        refresh_tokens::insert(tx, &token)
    }
}

impl Live {
    /// Keeps a session that was read when so much had been revoked; `None` when more has been since.
    fn hold(
        &self,
        token_hash: TokenHash,
        session: Arc<Session>,
        revocations: u64,
    ) -> Option<Arc<Session>> {
        let mut held = self.held.lock();
        if held.revocations != revocations {
            return None;
        }
        let session = match held.sessions.get(&token_hash).and_then(Weak::upgrade) {
            Some(held) => held,
            None => {
                if held.sessions.len() == held.sessions.capacity() {
                    held.sessions.retain(|_, session| session.strong_count() > 0);
                    // Room for as many again, so that the next sweep is not soon.
                    let room = held.sessions.len().max(64);
                    held.sessions.reserve(room);
                }
                held.sessions.insert(token_hash, Arc::downgrade(&session));
                session
            }
        };
        self.cache.insert(token_hash, Arc::clone(&session));
        Some(session)
    }

    /// Deletes tokens; after the commit they are forgotten and what waits for them ends.
    fn revoke(
        self: &Arc<Self>,
        tx: &mut Tx<'_>,
        user_nid: UserNid,
        device_id: Option<&str>,
    ) -> Result<()> {
        refresh_tokens::delete(tx, user_nid, device_id)?;
        let revoked = access_tokens::delete(tx, user_nid, device_id)?;
        self.forget(tx, revoked);
        Ok(())
    }

    /// After the commit, deleted tokens are forgotten and what waits for them ends.
    fn forget(self: &Arc<Self>, tx: &mut Tx<'_>, revoked: Vec<Vec<u8>>) {
        if revoked.is_empty() {
            return;
        }
        let live = Arc::clone(self);
        tx.after_commit(move || {
            let mut held = live.held.lock();
            held.revocations += 1;
            for token_hash in revoked {
                let Ok(token_hash) = TokenHash::try_from(token_hash) else { continue };
                live.cache.remove(&token_hash);
                if let Some(session) = held.sessions.remove(&token_hash).and_then(|s| s.upgrade()) {
                    session.revoked.cancel();
                }
            }
        });
    }

    /// After the commit, what is known of a user's sessions is read again; of a locked user, what waits ends.
    fn reload(self: &Arc<Self>, tx: &mut Tx<'_>, user_nid: UserNid, is_locked: bool) {
        let live = Arc::clone(self);
        tx.after_commit(move || {
            let mut held = live.held.lock();
            held.revocations += 1;
            held.sessions.retain(|token_hash, session| {
                let Some(session) = session.upgrade() else { return false };
                if session.user_nid != user_nid {
                    return true;
                }
                live.cache.remove(token_hash);
                if is_locked {
                    session.is_locked.store(true, Ordering::Release);
                    session.revoked.cancel();
                }
                false
            });
        });
    }
}

fn session(owner: Owner) -> Result<Session> {
    let user_id = UserId::parse(owner.user_id)
        .map_err(|e| Error::internal(format!("user id of an access token: {e}")))?;
    Ok(Session {
        user_nid: owner.user_nid,
        user_id,
        device_id: owner.device_id.into(),
        is_admin: owner.is_admin,
        is_guest: owner.is_guest,
        is_suspended: owner.is_suspended,
        is_locked: AtomicBool::new(owner.is_locked),
        expires_at: owner.expires_at,
        seen_at: AtomicI64::new(0),
        revoked: CancellationToken::new(),
        delivery: Delivery::default(),
    })
}

fn hash(access_token: &str) -> TokenHash {
    Sha256::digest(access_token.as_bytes()).into()
}

/// 401 `M_UNKNOWN_TOKEN`; after a soft logout the client keeps what it has and logs in again.
fn unknown_token(soft_logout: bool) -> Error {
    let mut data = UnknownTokenErrorData::new();
    data.soft_logout = soft_logout;
    Error::matrix(
        http::StatusCode::UNAUTHORIZED,
        ErrorKind::UnknownToken(data),
        "Unknown access token",
    )
}
