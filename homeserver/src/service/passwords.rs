//! Passwords, hashed with argon2id off the async threads, a bounded number at a time.

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version,
};
use tokio::{sync::Semaphore, task::spawn_blocking};
use zeroize::Zeroizing;

use crate::{
    config::PasswordHashing,
    error::{Error, Result},
};

#[derive(Debug)]
pub struct Passwords {
    params: Params,
    turns: Semaphore,
    /// Verified against when there is no account, so that the answer takes as long.
    nobody: String,
}

impl Passwords {
    pub fn new(cost: &PasswordHashing) -> Result<Self> {
        let params = Params::new(cost.memory_kib, cost.iterations, cost.parallelism, None)
            .map_err(|e| Error::internal(format!("argon2: {e}")))?;
        let nobody = hash(&params, b"nobody's password")?;
        let turns = Semaphore::new(cost.concurrency as usize);
        Ok(Self { params, turns, nobody })
    }

    /// The hash of a password, as a PHC string.
    pub async fn hash(&self, password: String) -> Result<String> {
        let params = self.params.clone();
        self.in_turn(password, move |password| hash(&params, password)).await?
    }

    /// Whether a password is that of `hash`. Without a hash never, after the same time.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        let is_there = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let is_right = self
            .in_turn(password, move |password| {
                PasswordHash::new(&hash)
                    .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
            })
            .await?;
        Ok(is_there && is_right)
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        password: String,
        work: impl FnOnce(&[u8]) -> T + Send + 'static,
    ) -> Result<T> {
        let password = Zeroizing::new(password);
        let _turn = self.turns.acquire().await.map_err(|_| Error::Stopping)?;
        spawn_blocking(move || work(password.as_bytes()))
            .await
            .map_err(|_| Error::internal("hashing a password panicked"))
    }
}

fn hash(params: &Params, password: &[u8]) -> Result<String> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password(password)
        .map(|hash| hash.to_string())
        .map_err(|e| Error::internal(format!("argon2: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords() -> Passwords {
        let cost = PasswordHashing { memory_kib: 8, iterations: 1, ..PasswordHashing::default() };
        Passwords::new(&cost).unwrap()
    }

    #[tokio::test]
    async fn only_the_right_password_is_verified() {
        let passwords = passwords();
        let hash = passwords.hash("wonderland".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert!(passwords.verify("wonderland".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("Wonderland".to_owned(), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn nobody_has_no_password() {
        let passwords = passwords();
        assert!(!passwords.verify("nobody's password".to_owned(), None).await.unwrap());
    }
}
