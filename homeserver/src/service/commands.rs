//! What an administrator does from the command line, beside a running server or without one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    accounts::{Accounts, NewAccount},
    registration::Registration,
};
use crate::{error::Result, storage::registration_tokens::RegistrationToken};

/// One command, as it goes over the socket.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    CreateUser { localpart: String, password: String, is_admin: bool },
    CreateRegistrationToken { uses_allowed: Option<i64>, expires_at: Option<i64> },
    ListRegistrationTokens,
    RevokeRegistrationToken { token: String },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    UserCreated { user_id: String },
    RegistrationTokens { tokens: Vec<Token> },
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

impl From<RegistrationToken> for Token {
    fn from(token: RegistrationToken) -> Self {
        let RegistrationToken { token, uses_allowed, uses_completed, expires_at, .. } = token;
        Self { token, uses_allowed, uses_completed, expires_at }
    }
}

pub struct Commands {
    accounts: Arc<Accounts>,
    registration: Arc<Registration>,
}

impl Commands {
    pub fn new(accounts: Arc<Accounts>, registration: Arc<Registration>) -> Self {
        Self { accounts, registration }
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
        }
    }
}
