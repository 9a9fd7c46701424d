//! `ruma::api::client::uiaa`: having the caller prove that they know the password.

use ruma::api::{
    client::uiaa::{AuthData, AuthType, UserIdentifier},
    error::ErrorKind,
};

use crate::{
    error::Result,
    http::ruma::Ctx,
    service::{
        sessions::Session,
        uia::{Attempt, Completed},
    },
};

/// Passes once the caller has given their password for `what`; otherwise 401 with what is left to do
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#user-interactive-authentication-api)).
pub async fn confirm(
    ctx: &Ctx,
    caller: &Session,
    auth: Option<&AuthData>,
    what: &str,
) -> Result<()> {
    let attempt = match auth {
        None | Some(AuthData::FallbackAcknowledgement(_)) => Attempt::None,
        Some(AuthData::Password(given)) => {
            ctx.rate_limits.attempt(caller.user_id.as_str())?;
            let is_own = match &given.identifier {
                UserIdentifier::Matrix(identifier) => {
                    ctx.accounts.is_meant(&identifier.user, &caller.user_id)
                }
                _ => false,
            };
            if is_own
                && ctx.accounts.verify_password(caller.user_nid, given.password.clone()).await?
            {
                Attempt::Passed(Completed { stage: AuthType::Password, token: None })
            } else {
                Attempt::Failed(ErrorKind::Forbidden, "Wrong user name or password")
            }
        }
        Some(_) => Attempt::Failed(ErrorKind::Unrecognized, "This stage is not asked for"),
    };
    let purpose = format!("{what} {}", caller.user_id);
    let session = auth.and_then(AuthData::session);
    ctx.uia.advance(&purpose, &[vec![AuthType::Password]], session, attempt).map(drop)
}
