//! Accounts of this server: making them, logging in.

use std::{sync::Arc, time::Duration};

use ruma::{
    OwnedDeviceId, OwnedServerName, OwnedUserId, UserId,
    api::error::{ErrorKind, UnknownTokenErrorData},
};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use super::{
    erased_users::ErasedUsers,
    passwords::Passwords,
    random,
    sessions::{NewDevice, NewSession, Sessions},
};
use crate::{
    clock::Clock,
    error::{Error, Result},
    storage::{
        Store, UserNid,
        account_tokens::{self, Purpose},
        accounts::{self, Account},
        belongings, registration_tokens,
    },
};

/// What an account is made of.
#[derive(Clone, Debug, Default)]
pub struct NewAccount {
    /// Its name; one is made up when absent.
    pub localpart: Option<String>,
    /// Without one nobody can log in to it again.
    pub password: Option<String>,
    pub displayname: Option<String>,
    pub is_admin: bool,
    pub is_guest: bool,
    /// The guest who becomes a user with this account; they keep their name and their sessions.
    pub upgraded: Option<UserNid>,
    /// A registration token to use up.
    pub registration_token: Option<String>,
    /// Log this device in at once.
    pub device: Option<NewDevice>,
}

pub struct Accounts {
    store: Store,
    clock: Clock,
    server_name: OwnedServerName,
    passwords: Passwords,
    sessions: Arc<Sessions>,
    erased_users: Arc<ErasedUsers>,
    departing: Arc<Notify>,
}

impl Accounts {
    pub fn new(
        store: Store,
        clock: Clock,
        server_name: OwnedServerName,
        passwords: Passwords,
        sessions: Arc<Sessions>,
        erased_users: Arc<ErasedUsers>,
    ) -> Self {
        let departing = Arc::default();
        Self { store, clock, server_name, passwords, sessions, erased_users, departing }
    }

    /// The user id of a name that somebody wants; `M_INVALID_USERNAME` if it cannot be one.
    pub fn user_id(&self, localpart: &str) -> Result<OwnedUserId> {
        let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'=' | b'-' | b'/' | b'+');
        let user_id = format!("@{localpart}:{}", self.server_name);
        if localpart.is_empty() || !localpart.bytes().all(is_allowed) {
            return Err(invalid_username(
                "A user name has only small letters, digits, and the signs . _ = - / +",
            ));
        }
        UserId::parse(user_id).map_err(|_| invalid_username("The user name is too long"))
    }

    /// Whether a name can still be had; `M_INVALID_USERNAME` or `M_USER_IN_USE` if not.
    pub async fn check_available(&self, localpart: &str) -> Result<()> {
        let user_id = self.user_id(localpart)?;
        match self.store.read(move |conn| accounts::find_by_id(conn, user_id.as_str())).await? {
            Some(_) => Err(user_in_use()),
            None => Ok(()),
        }
    }

    /// Makes an account, uses up its registration token and logs it in, in one commit.
    pub async fn create(&self, new: NewAccount) -> Result<(OwnedUserId, Option<NewSession>)> {
        let user_id = match &new.localpart {
            Some(localpart) => self.user_id(localpart)?,
            None => self.user_id(&random::small_letters_and_digits(12, &mut rand::rng()))?,
        };
        if let Some(device) = &new.device {
            device.check()?;
        }
        let password_hash = match new.password {
            Some(password) => Some(self.passwords.hash(password).await?),
            None => None,
        };
        let login = new.device.map(|device| self.sessions.prepare(device));
        let session = login.as_ref().map(|login| login.session.clone());

        let users = self.store.users().clone();
        let sessions = Arc::clone(&self.sessions);
        let (now, name) = (self.clock.now_ms(), user_id.clone());
        let NewAccount { displayname, is_admin, is_guest, upgraded, registration_token, .. } = new;
        self.store
            .write(move |tx| {
                let user = users.find_or_reserve(tx, &*name)?;
                let exists = user.committed && accounts::find(tx, user.nid)?.is_some();
                let is_upgrade = exists && upgraded == Some(user.nid);
                if exists && !is_upgrade {
                    return Err(user_in_use());
                }
                if let Some(token) = &registration_token
                    && !registration_tokens::use_once(tx, token, now)?
                {
                    return Err(Error::forbidden("The registration token is not valid"));
                }
                if is_upgrade {
                    if !accounts::upgrade_guest(tx, user.nid, password_hash.as_deref())? {
                        return Err(user_in_use());
                    }
                    sessions.reload(tx, user.nid, false);
                } else {
                    users.insert(tx, &user)?;
                    let account = Account {
                        user_nid: user.nid,
                        password_hash: password_hash.clone(),
                        is_admin,
                        is_guest,
                        created_at: now,
                        deactivated_at: None,
                        displayname: displayname.clone(),
                        avatar_url: None,
                    };
                    accounts::insert(tx, &account)?;
                }
                match &login {
                    Some(login) => sessions.insert(tx, user.nid, login),
                    None => Ok(()),
                }
            })
            .await?;
        Ok((user_id, session))
    }

    /// Logs a device in with a password; 403 `M_FORBIDDEN` if name or password are wrong. `user` is a user id
    /// or its localpart.
    pub async fn log_in(
        &self,
        user: &str,
        password: String,
        device: NewDevice,
    ) -> Result<(OwnedUserId, NewSession)> {
        device.check()?;
        let Some(user_id) = self.identified(user) else {
            self.passwords.verify(password, None).await?;
            return Err(wrong_password());
        };
        let name = user_id.clone();
        let account =
            self.store.read(move |conn| accounts::find_by_id(conn, name.as_str())).await?;
        if account.as_ref().is_some_and(|account| account.deactivated_at.is_some()) {
            return Err(deactivated());
        }
        let hash = account.as_ref().and_then(|account| account.password_hash.clone());
        let is_right = self.passwords.verify(password, hash).await?;
        match account {
            Some(account) if is_right => {
                self.check_not_locked(account.user_nid).await?;
                let session = self.sessions.log_in(account.user_nid, device).await?;
                Ok((user_id, session))
            }
            Some(_) | None => Err(wrong_password()),
        }
    }

    async fn check_not_locked(&self, user_nid: UserNid) -> Result<()> {
        let standing = self.store.read(move |conn| accounts::standing(conn, user_nid)).await?;
        if standing.0.is_some() { Err(Error::user_locked()) } else { Ok(()) }
    }

    /// The user of this server that a user id or localpart names.
    pub fn named(&self, user: &str) -> Result<OwnedUserId> {
        self.identified(user)
            .ok_or_else(|| Error::invalid_param(format!("{user} names no user of this server")))
    }

    /// Whether a user id or localpart, as somebody typed it, means a user.
    pub fn is_meant(&self, user: &str, user_id: &UserId) -> bool {
        self.identified(user).is_some_and(|identified| identified == *user_id)
    }

    /// Whether a password is that of a user.
    pub async fn verify_password(&self, user_nid: UserNid, password: String) -> Result<bool> {
        let account = self.store.read(move |conn| accounts::find(conn, user_nid)).await?;
        self.passwords.verify(password, account.and_then(|account| account.password_hash)).await
    }

    /// Gives a user another password. With `log_out`, their devices are logged out, but for `kept`.
    pub async fn set_password(
        &self,
        user_nid: UserNid,
        password: String,
        log_out: bool,
        kept: Option<OwnedDeviceId>,
    ) -> Result<()> {
        if password.is_empty() {
            return Err(Error::invalid_param("The new password is empty"));
        }
        let hash = self.passwords.hash(password).await?;
        let sessions = Arc::clone(&self.sessions);
        self.store
            .write(move |tx| {
                accounts::set_password_hash(tx, user_nid, Some(&hash))?;
                if log_out {
                    sessions.remove_devices(tx, user_nid, kept.as_ref().map(|id| id.as_str()))?;
                }
                Ok(())
            })
            .await
    }

    /// Logs a device in with a token that was made for it; 403 `M_FORBIDDEN` if it is not good.
    pub async fn log_in_with_token(
        &self,
        token: &str,
        device: NewDevice,
    ) -> Result<(OwnedUserId, NewSession)> {
        device.check()?;
        let (token, now) = (sha256(token), self.clock.now_ms());
        let login = self.sessions.prepare(device);
        let session = login.session.clone();
        let sessions = Arc::clone(&self.sessions);
        let user_id = self
            .store
            .write(move |tx| {
                let Some((user_nid, user_id)) =
                    account_tokens::find(tx, &token, Purpose::Login, now)?
                else {
                    return Err(Error::forbidden("The login token is not valid"));
                };
                if accounts::standing(tx, user_nid)?.0.is_some() {
                    return Err(Error::user_locked());
                }
                account_tokens::delete(tx, &token)?;
                sessions.insert(tx, user_nid, &login)?;
                Ok(user_id)
            })
            .await?;
        let user_id = UserId::parse(user_id)
            .map_err(|error| Error::internal(format!("the user of a login token: {error}")))?;
        Ok((user_id, session))
    }

    /// A token that logs a user in once.
    pub async fn login_token(&self, user_nid: UserNid, lifetime: Duration) -> Result<String> {
        self.make_token(user_nid, Purpose::Login, lifetime).await
    }

    /// A token that tells others who a user is.
    pub async fn openid_token(&self, user_nid: UserNid, lifetime: Duration) -> Result<String> {
        self.make_token(user_nid, Purpose::OpenId, lifetime).await
    }

    async fn make_token(
        &self,
        user_nid: UserNid,
        purpose: Purpose,
        lifetime: Duration,
    ) -> Result<String> {
        let token = random::letters_and_digits(43, &mut rand::rng());
        let hash = sha256(&token);
        let expires_at = self.clock.now_ms() + lifetime.as_millis() as i64;
        self.store
            .write(move |tx| account_tokens::insert(tx, &hash, purpose, user_nid, expires_at))
            .await?;
        Ok(token)
    }

    /// Whom an OpenID token is of; 401 `M_UNKNOWN_TOKEN` if it is not good.
    pub async fn openid_user(&self, token: &str) -> Result<OwnedUserId> {
        let (token, now) = (sha256(token), self.clock.now_ms());
        let found = self
            .store
            .read(move |conn| account_tokens::find(conn, &token, Purpose::OpenId, now))
            .await?;
        found.and_then(|(_, user_id)| UserId::parse(user_id).ok()).ok_or_else(|| {
            Error::matrix(
                http::StatusCode::UNAUTHORIZED,
                ErrorKind::UnknownToken(UnknownTokenErrorData::new()),
                "Unknown or expired OpenID token",
            )
        })
    }

    /// Closes an account for good, with `erase` also hiding what it sent from those who were not there. Its rooms
    /// are left, and what may be much is deleted, by [`Departures`](super::departures::Departures).
    pub async fn deactivate(&self, user_nid: UserNid, erase: bool) -> Result<()> {
        let (sessions, now) = (Arc::clone(&self.sessions), self.clock.now_ms());
        let erased = Arc::clone(&self.erased_users);
        self.store
            .write(move |tx| {
                accounts::deactivate(tx, user_nid, now, erase)?;
                account_tokens::delete_of(tx, user_nid)?;
                sessions.remove_devices(tx, user_nid, None)?;
                sessions.forget_identity(tx, user_nid)?;
                belongings::delete(tx, user_nid)?;
                if erase {
                    let erased = Arc::clone(&erased);
                    tx.after_commit(move || erased.add(user_nid));
                }
                Ok(())
            })
            .await?;
        self.departing.notify_one();
        Ok(())
    }

    /// Wakes up who leaves the rooms of deactivated users.
    pub fn departing(&self) -> &Arc<Notify> {
        &self.departing
    }

    /// The user of this server that is meant, whether there is one or not.
    fn identified(&self, user: &str) -> Option<OwnedUserId> {
        let user_id = match user.starts_with('@') {
            true => UserId::parse(user).ok()?,
            false => UserId::parse(format!("@{user}:{}", self.server_name)).ok()?,
        };
        (user_id.server_name() == self.server_name).then_some(user_id)
    }
}

fn invalid_username(message: &'static str) -> Error {
    Error::matrix(http::StatusCode::BAD_REQUEST, ErrorKind::InvalidUsername, message)
}

fn user_in_use() -> Error {
    Error::matrix(http::StatusCode::BAD_REQUEST, ErrorKind::UserInUse, "The user name is taken")
}

fn sha256(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn deactivated() -> Error {
    Error::matrix(
        http::StatusCode::FORBIDDEN,
        ErrorKind::UserDeactivated,
        "This account has been deactivated",
    )
}

fn wrong_password() -> Error {
    Error::forbidden("Wrong user name or password")
}
