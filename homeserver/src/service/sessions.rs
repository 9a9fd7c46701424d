//! Who holds which access token. A known token costs no query; a revoked one is out at once, and what its
//! device waits for ends.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use quick_cache::sync::Cache;
use ruma::{
    OwnedDeviceId, OwnedUserId, UserId,
    api::error::{ErrorKind, UnknownTokenErrorData},
};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::random;
use crate::{
    clock::Clock,
    error::{Error, Result},
    storage::{
        Store, Tx, UserNid,
        access_tokens::{self, Owner},
        devices::{self, Device},
    },
};

/// How many sessions are kept in memory.
const REMEMBERED: usize = 20_000;
/// Random characters of an access token: 256 bits.
const TOKEN_LENGTH: usize = 43;
const DEVICE_ID_LENGTH: usize = 255;
const DISPLAY_NAME_LENGTH: usize = 1000;

/// A device of a user that is logged in.
#[derive(Debug)]
pub struct Session {
    pub user_nid: UserNid,
    pub user_id: OwnedUserId,
    pub device_id: OwnedDeviceId,
    pub is_admin: bool,
    pub is_guest: bool,
    expires_at: Option<i64>,
    /// Cancelled when its token is revoked: what waits for it answers 401 at once.
    pub revoked: CancellationToken,
}

impl Session {
    /// 401 `M_UNKNOWN_TOKEN`, for what waited when it was revoked.
    pub fn revoked_error() -> Error {
        unknown_token()
    }
}

/// What a client gets when it logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    pub access_token: String,
    pub device_id: OwnedDeviceId,
}

/// The device that a client logs in with.
#[derive(Clone, Debug, Default)]
pub struct NewDevice {
    /// A known one is used again, and its old token revoked.
    pub device_id: Option<OwnedDeviceId>,
    pub display_name: Option<String>,
}

impl NewDevice {
    /// 400 `M_INVALID_PARAM` when its texts are longer than anybody needs.
    pub fn check(&self) -> Result<()> {
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

pub struct Sessions {
    store: Store,
    clock: Clock,
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
    pub fn new(store: Store, clock: Clock) -> Self {
        let live = Live { cache: Cache::new(REMEMBERED), held: Mutex::default() };
        Self { store, clock, live: Arc::new(live) }
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
                .ok_or_else(unknown_token)?;
            let session = Arc::new(session(owner)?);
            if let Some(session) = self.live.hold(token_hash, session, revocations) {
                return self.unless_expired(session);
            }
        }
    }

    fn unless_expired(&self, session: Arc<Session>) -> Result<Arc<Session>> {
        match session.expires_at {
            Some(expires_at) if expires_at <= self.clock.now_ms() => Err(unknown_token()),
            Some(_) | None => Ok(session),
        }
    }

    /// Logs a device in.
    pub async fn log_in(&self, user_nid: UserNid, device: NewDevice) -> Result<NewSession> {
        let prepared = self.prepare(device);
        let session = prepared.session.clone();
        let live = Arc::clone(&self.live);
        self.store.write(move |tx| prepared.insert(tx, user_nid, &live)).await?;
        Ok(session)
    }

    /// A login that is yet to be written, in the same commit as the account for instance.
    pub fn prepare(&self, device: NewDevice) -> PreparedSession {
        let random = &mut rand::rng();
        let access_token = format!("sp_{}", random::letters_and_digits(TOKEN_LENGTH, random));
        let device_id = device.device_id.unwrap_or_else(|| random::capitals(10, random).into());
        PreparedSession {
            token_hash: hash(&access_token),
            session: NewSession { access_token, device_id },
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
        login.insert(tx, user_nid, &self.live)
    }

    /// Removes a device and its token.
    pub async fn log_out(&self, session: &Session) -> Result<()> {
        let (user_nid, device_id) = (session.user_nid, session.device_id.clone());
        let live = Arc::clone(&self.live);
        self.store
            .write(move |tx| {
                live.revoke(tx, user_nid, Some(device_id.as_str()))?;
                devices::delete(tx, user_nid, device_id.as_str())
            })
            .await
    }

    /// Removes all devices of a user, and their tokens.
    pub async fn log_out_all(&self, user_nid: UserNid) -> Result<()> {
        let live = Arc::clone(&self.live);
        self.store
            .write(move |tx| {
                live.revoke(tx, user_nid, None)?;
                for device in devices::of_user(tx, user_nid)? {
                    devices::delete(tx, user_nid, &device.device_id)?;
                }
                Ok(())
            })
            .await
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
    fn insert(&self, tx: &mut Tx<'_>, user_nid: UserNid, live: &Arc<Live>) -> Result<()> {
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
        devices::insert_if_absent(tx, &device)?;
        access_tokens::insert(tx, &self.token_hash, user_nid, device_id, self.now)
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
        let revoked = access_tokens::delete(tx, user_nid, device_id)?;
        if revoked.is_empty() {
            return Ok(());
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
        Ok(())
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
        expires_at: owner.expires_at,
        revoked: CancellationToken::new(),
    })
}

fn hash(access_token: &str) -> TokenHash {
    Sha256::digest(access_token.as_bytes()).into()
}

fn unknown_token() -> Error {
    Error::matrix(
        http::StatusCode::UNAUTHORIZED,
        ErrorKind::UnknownToken(UnknownTokenErrorData::new()),
        "Unknown access token",
    )
}
