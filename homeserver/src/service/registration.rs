//! Who may make an account: registration tokens, and scripts that know the shared secret.

use std::{collections::HashMap, time::Duration};

use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use sha1::Sha1;

use super::random;
use crate::{
    clock::Clock,
    error::{Error, Result},
    storage::{
        Store,
        registration_tokens::{self, RegistrationToken},
    },
};

const NONCES: usize = 1000;
const NONCE_LIFETIME: Duration = Duration::from_secs(60);
/// Length that the specification allows to a registration token.
const TOKEN_LENGTH: usize = 64;

pub struct Registration {
    store: Store,
    clock: Clock,
    shared_secret: Option<String>,
    nonces: Mutex<HashMap<String, i64>>,
}

/// What a script asks for, and the proof that it knows the secret.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct SharedSecretRequest {
    pub nonce: String,
    pub username: String,
    pub password: String,
    #[serde(default)]
    pub admin: bool,
    pub user_type: Option<String>,
    pub displayname: Option<String>,
    /// HMAC-SHA1 of the fields above, in hexadecimal.
    pub mac: String,
}

impl Registration {
    pub fn new(store: Store, clock: Clock, shared_secret: Option<String>) -> Self {
        Self { store, clock, shared_secret, nonces: Mutex::default() }
    }

    /// A number that one request with the shared secret may use once.
    pub fn nonce(&self) -> Result<String> {
        self.secret()?;
        let nonce = random::letters_and_digits(64, &mut rand::rng());
        let now = self.clock.now_ms();
        let mut nonces = self.nonces.lock();
        nonces.retain(|_, made_at| is_fresh(*made_at, now));
        if nonces.len() >= NONCES {
            return Err(Error::LimitExceeded { retry_after: NONCE_LIFETIME });
        }
        nonces.insert(nonce.clone(), now);
        Ok(nonce)
    }

    /// Uses the nonce up and checks the proof.
    pub fn check_shared_secret(&self, request: &SharedSecretRequest) -> Result<()> {
        let secret = self.secret()?;
        let made_at = self.nonces.lock().remove(&request.nonce);
        if !made_at.is_some_and(|made_at| is_fresh(made_at, self.clock.now_ms())) {
            return Err(Error::invalid_param("Unknown nonce"));
        }
        let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes())
            .map_err(|_| Error::internal("HMAC refuses the shared secret"))?;
        let admin = if request.admin { "admin" } else { "notadmin" };
        let fields = [&*request.nonce, &*request.username, &*request.password, admin];
        for (index, field) in fields.into_iter().chain(request.user_type.as_deref()).enumerate() {
            if index > 0 {
                mac.update(b"\0");
            }
            mac.update(field.as_bytes());
        }
        let proof = from_hex(&request.mac).unwrap_or_default();
        mac.verify_slice(&proof).map_err(|_| Error::forbidden("HMAC incorrect"))
    }

    fn secret(&self) -> Result<&str> {
        self.shared_secret
            .as_deref()
            .ok_or_else(|| Error::invalid_param("Shared secret registration is not enabled"))
    }

    /// Whether a registration token would be accepted now.
    pub async fn is_token_valid(&self, token: &str) -> Result<bool> {
        let (token, now) = (token.to_owned(), self.clock.now_ms());
        let found = self.store.read(move |conn| registration_tokens::find(conn, &token)).await?;
        Ok(found.is_some_and(|token| token.is_valid(now)))
    }

    /// Makes a token, with a text of its own unless one is given.
    pub async fn create_token(
        &self,
        token: Option<String>,
        uses_allowed: Option<i64>,
        expires_at: Option<i64>,
    ) -> Result<RegistrationToken> {
        let token = match token {
            Some(token) => token,
            None => random::letters_and_digits(16, &mut rand::rng()),
        };
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        if token.is_empty() || token.len() > TOKEN_LENGTH || !token.bytes().all(is_allowed) {
            return Err(Error::invalid_param(
                "A registration token has up to 64 letters, digits and the signs . _ ~ -",
            ));
        }
        let created_at = self.clock.now_ms();
        let new =
            RegistrationToken { token, uses_allowed, uses_completed: 0, created_at, expires_at };
        self.store
            .write(move |tx| {
                if registration_tokens::find(tx, &new.token)?.is_some() {
                    return Err(Error::invalid_param("There is such a registration token"));
                }
                registration_tokens::insert(tx, &new)?;
                Ok(new.clone())
            })
            .await
    }

    pub async fn tokens(&self) -> Result<Vec<RegistrationToken>> {
        self.store.read(registration_tokens::all).await
    }

    /// Makes a token worthless.
    pub async fn revoke_token(&self, token: String) -> Result<()> {
        let is_gone = self.store.write(move |tx| registration_tokens::delete(tx, &token)).await?;
        if is_gone { Ok(()) } else { Err(Error::not_found("There is no such registration token")) }
    }
}

fn is_fresh(made_at: i64, now: i64) -> bool {
    now - made_at < NONCE_LIFETIME.as_millis() as i64
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(
        digits.chunks_exact(2).filter_map(|pair| Some(pair.first()? << 4 | pair.last()?)).collect(),
    )
}
