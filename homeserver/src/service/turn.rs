//! Credentials for a TURN server from the secret shared with it
//! ([draft-uberti-behave-turn-rest](https://datatracker.ietf.org/doc/html/draft-uberti-behave-turn-rest-00)).

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use ruma::UserId;
use sha1::Sha1;

use crate::error::{Error, Result};

/// User name and password, good until `expires_at` (seconds since the epoch).
pub fn credentials(secret: &str, user_id: &UserId, expires_at: i64) -> Result<(String, String)> {
    let username = format!("{expires_at}:{user_id}");
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes())
        .map_err(|_| Error::internal("HMAC refuses the TURN secret"))?;
    mac.update(username.as_bytes());
    Ok((username, BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `openssl dgst -sha1 -hmac secret -binary | base64` computes it.
    #[test]
    fn the_password_is_the_mac_of_the_user_name() {
        let user = UserId::parse("@alice:example.org").unwrap();
        let (name, password) = credentials("secret", &user, 1_700_000_000).unwrap();
        assert_eq!(name, "1700000000:@alice:example.org");
        assert_eq!(password, "g/l/t/tR2Emj7Ax0fkxwtp3GUrQ=");
    }
}
