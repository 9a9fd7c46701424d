//! What an administrator does from the command line, beside a running server or without one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    accounts::{Accounts, NewAccount},
    moderation::{Moderation, Restriction},
    registration::Registration,
    signing_keys::SigningKeys,
};
use crate::{
    error::{Error, Result},
    storage::{
        accounts::{Account, Listed},
        registration_tokens::RegistrationToken,
        reports,
    },
};

/// One command, as it goes over the socket.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    CreateUser {
        localpart: String,
        password: String,
        is_admin: bool,
    },
    ListUsers,
    ResetPassword {
        user: String,
        password: String,
    },
    SetAdmin {
        user: String,
        is_admin: bool,
    },
    Lock {
        user: String,
        locked: bool,
    },
    Deactivate {
        user: String,
        #[serde(default)]
        erase: bool,
    },
    ListReports {
        limit: i64,
    },
    CreateRegistrationToken {
        uses_allowed: Option<i64>,
        expires_at: Option<i64>,
    },
    ListRegistrationTokens,
    RevokeRegistrationToken {
        token: String,
    },
    RotateSigningKey,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    UserCreated { user_id: String },
    Users { users: Vec<User> },
    Reports { reports: Vec<Report> },
    RegistrationTokens { tokens: Vec<Token> },
    SigningKeyRotated { old: String, new: String },
    Done,
    Failed { message: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub token: String,
    pub uses_allowed: Option<i64>,
    pub uses_completed: i64,
    pub expires_at: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub user_id: String,
    pub is_admin: bool,
    pub is_guest: bool,
    pub created_at: i64,
    pub deactivated: bool,
    pub locked: bool,
    pub suspended: bool,
}

impl From<Listed> for User {
    fn from(listed: Listed) -> Self {
        Self {
            user_id: listed.user_id,
            is_admin: listed.is_admin,
            is_guest: listed.is_guest,
            created_at: listed.created_at,
            deactivated: listed.deactivated_at.is_some(),
            locked: listed.locked_at.is_some(),
            suspended: listed.suspended_at.is_some(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub reporter: String,
    pub room_id: Option<String>,
    pub event_id: Option<String>,
    pub user_id: Option<String>,
    pub reason: String,
    pub created_at: i64,
}

impl From<(String, reports::Report)> for Report {
    fn from((reporter, report): (String, reports::Report)) -> Self {
        let reports::Report { room_id, event_id, user_id, reason, created_at } = report;
        Self { reporter, room_id, event_id, user_id, reason, created_at }
    }
}

impl From<RegistrationToken> for Token {
    fn from(token: RegistrationToken) -> Self {
        let RegistrationToken { token, uses_allowed, uses_completed, expires_at, .. } = token;
        Self { token, uses_allowed, uses_completed, expires_at }
    }
}

pub struct Commands {
    accounts: Arc<Accounts>,
    registration: Arc<Registration>,
    moderation: Arc<Moderation>,
    signing_keys: Arc<SigningKeys>,
}

impl Commands {
    pub fn new(
        accounts: Arc<Accounts>,
        registration: Arc<Registration>,
        moderation: Arc<Moderation>,
        signing_keys: Arc<SigningKeys>,
    ) -> Self {
        Self { accounts, registration, moderation, signing_keys }
    }

    pub async fn run(&self, command: Command) -> Outcome {
        self.try_run(command).await.unwrap_or_else(|error| {
            let message = match error {
                crate::error::Error::Matrix { message, .. } => message.into_owned(),
                other => other.to_string(),
            };
            Outcome::Failed { message }
        })
    }

    async fn try_run(&self, command: Command) -> Result<Outcome> {
        match command {
            Command::CreateUser { localpart, password, is_admin } => {
                let (localpart, password) = (Some(localpart), Some(password));
                let new = NewAccount { localpart, password, is_admin, ..NewAccount::default() };
                let (user_id, _) = self.accounts.create(new).await?;
                Ok(Outcome::UserCreated { user_id: user_id.into() })
            }
            Command::ListUsers => {
                let users = self.moderation.accounts().await?;
                Ok(Outcome::Users { users: users.into_iter().map(User::from).collect() })
            }
            Command::ResetPassword { user, password } => {
                let account = self.account(&user).await?;
                self.accounts.set_password(account.user_nid, password, true, None).await?;
                Ok(Outcome::Done)
            }
            Command::SetAdmin { user, is_admin } => {
                self.moderation.set_admin(&self.accounts.named(&user)?, is_admin).await?;
                Ok(Outcome::Done)
            }
            Command::Lock { user, locked } => {
                let user_id = self.accounts.named(&user)?;
                self.moderation.restrict(&user_id, Restriction::Lock, locked).await?;
                Ok(Outcome::Done)
            }
            Command::Deactivate { user, erase } => {
                let account = self.account(&user).await?;
                self.accounts.deactivate(account.user_nid, erase).await?;
                Ok(Outcome::Done)
            }
            Command::ListReports { limit } => {
                let reports = self.moderation.reports(limit).await?;
                Ok(Outcome::Reports { reports: reports.into_iter().map(Report::from).collect() })
            }
            Command::CreateRegistrationToken { uses_allowed, expires_at } => {
                let token = self.registration.create_token(None, uses_allowed, expires_at).await?;
                Ok(Outcome::RegistrationTokens { tokens: vec![token.into()] })
            }
            Command::ListRegistrationTokens => {
                let tokens = self.registration.tokens().await?;
                let tokens = tokens.into_iter().map(Token::from).collect();
                Ok(Outcome::RegistrationTokens { tokens })
            }
            Command::RevokeRegistrationToken { token } => {
                self.registration.revoke_token(token).await?;
                Ok(Outcome::Done)
            }
            Command::RotateSigningKey => {
                let rotated = self.signing_keys.rotate().await?;
                Ok(Outcome::SigningKeyRotated { old: rotated.old, new: rotated.new })
            }
        }
    }

    /// An account that is not deactivated.
    async fn account(&self, user: &str) -> Result<Account> {
        let account = self.moderation.account(&self.accounts.named(user)?).await?;
        if account.deactivated_at.is_some() {
            return Err(Error::forbidden("The account has been deactivated"));
        }
        Ok(account)
    }
}
