//! Accounts of this server: making them, logging in, profiles.

use std::sync::Arc;

use ruma::{OwnedServerName, OwnedUserId, UserId, api::error::ErrorKind};

use super::{
    passwords::Passwords,
    random,
    sessions::{NewDevice, NewSession, Sessions},
};
use crate::{
    clock::Clock,
    error::{Error, Result},
    storage::{
        Store, UserNid,
        accounts::{self, Account},
        registration_tokens,
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
    /// A registration token to use up.
    pub registration_token: Option<String>,
    /// Log this device in at once.
    pub device: Option<NewDevice>,
}

/// What others see of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    pub displayname: Option<String>,
    pub avatar_url: Option<String>,
}

/// One change of it; `None` takes the field away.
#[derive(Clone, Debug)]
pub enum ProfileChange {
    Displayname(Option<String>),
    AvatarUrl(Option<String>),
}

impl ProfileChange {
    fn check(&self) -> Result<()> {
        let (value, longest) = match self {
            Self::Displayname(name) => (name, DISPLAYNAME_LENGTH),
            Self::AvatarUrl(url) => (url, AVATAR_URL_LENGTH),
        };
        match value {
            Some(value) if value.len() > longest => {
                Err(Error::invalid_param("The profile field is too long"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

const DISPLAYNAME_LENGTH: usize = 256;
const AVATAR_URL_LENGTH: usize = 1000;

pub struct Accounts {
    store: Store,
    clock: Clock,
    server_name: OwnedServerName,
    passwords: Passwords,
    sessions: Arc<Sessions>,
}

impl Accounts {
    pub fn new(
        store: Store,
        clock: Clock,
        server_name: OwnedServerName,
        passwords: Passwords,
        sessions: Arc<Sessions>,
    ) -> Self {
        Self { store, clock, server_name, passwords, sessions }
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
        let NewAccount { displayname, is_admin, registration_token, .. } = new;
        self.store
            .write(move |tx| {
                let user = users.find_or_reserve(tx, &*name)?;
                if user.committed && accounts::find(tx, user.nid)?.is_some() {
                    return Err(user_in_use());
                }
                if let Some(token) = &registration_token
                    && !registration_tokens::use_once(tx, token, now)?
                {
                    return Err(Error::forbidden("The registration token is not valid"));
                }
                users.insert(tx, &user)?;
                let account = Account {
                    user_nid: user.nid,
                    password_hash: password_hash.clone(),
                    is_admin,
                    is_guest: false,
                    created_at: now,
                    deactivated_at: None,
                    displayname: displayname.clone(),
                    avatar_url: None,
                };
                accounts::insert(tx, &account)?;
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
        let account = self
            .store
            .read(move |conn| accounts::find_by_id(conn, name.as_str()))
            .await?
            .filter(|account| account.deactivated_at.is_none());
        let hash = account.as_ref().and_then(|account| account.password_hash.clone());
        let is_right = self.passwords.verify(password, hash).await?;
        match account {
            Some(account) if is_right => {
                let session = self.sessions.log_in(account.user_nid, device).await?;
                Ok((user_id, session))
            }
            Some(_) | None => Err(wrong_password()),
        }
    }

    /// The user of this server that is meant, whether there is one or not.
    fn identified(&self, user: &str) -> Option<OwnedUserId> {
        let user_id = match user.starts_with('@') {
            true => UserId::parse(user).ok()?,
            false => UserId::parse(format!("@{user}:{}", self.server_name)).ok()?,
        };
        (user_id.server_name() == self.server_name).then_some(user_id)
    }

    /// Changes what others see of a user, and returns all of it.
    pub async fn set_profile(&self, user_nid: UserNid, change: ProfileChange) -> Result<Profile> {
        change.check()?;
        self.store
            .write(move |tx| {
                match &change {
                    ProfileChange::Displayname(name) => {
                        accounts::set_displayname(tx, user_nid, name.as_deref())?;
                    }
                    ProfileChange::AvatarUrl(url) => {
                        accounts::set_avatar_url(tx, user_nid, url.as_deref())?;
                    }
                }
                let account = accounts::find(tx, user_nid)?
                    .ok_or_else(|| Error::internal("a session without an account"))?;
                Ok(Profile { displayname: account.displayname, avatar_url: account.avatar_url })
            })
            .await
    }

    /// What others see of a user of this server, or 404.
    pub async fn profile(&self, user_id: &UserId) -> Result<Profile> {
        let user_id = user_id.to_owned();
        self.store
            .read(move |conn| accounts::find_by_id(conn, user_id.as_str()))
            .await?
            .filter(|account| account.deactivated_at.is_none())
            .map(|account| Profile {
                displayname: account.displayname,
                avatar_url: account.avatar_url,
            })
            .ok_or_else(|| Error::not_found("There is no such profile here"))
    }
}

fn invalid_username(message: &'static str) -> Error {
    Error::matrix(http::StatusCode::BAD_REQUEST, ErrorKind::InvalidUsername, message)
}

fn user_in_use() -> Error {
    Error::matrix(http::StatusCode::BAD_REQUEST, ErrorKind::UserInUse, "The user name is taken")
}

fn wrong_password() -> Error {
    Error::forbidden("Wrong user name or password")
}
