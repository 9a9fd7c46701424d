//! The caller's account.

use std::time::Duration;

use ruma::{
    OwnedServerName,
    api::client::account::{
        ThirdPartyIdRemovalStatus, change_password::v3 as change_password_v3,
        deactivate::v3 as deactivate_v3, request_openid_token::v3 as openid_v3, whoami,
    },
    authentication::TokenType,
};

use super::uiaa::confirm;
use crate::{
    error::{Error, Result},
    http::{
        auth::required,
        ruma::{Ctx, Ruma},
    },
};

/// How long an OpenID token is good for.
const OPENID_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// `GET /_matrix/client/v3/account/whoami`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3accountwhoami>
pub async fn whoami(_: Ctx, call: Ruma<whoami::v3::Request>) -> Result<whoami::v3::Response> {
    let session = &call.caller;
    let mut response = whoami::v3::Response::new(session.user_id.clone(), session.is_guest);
    response.device_id = Some(session.device_id.clone());
    Ok(response)
}

/// `POST /_matrix/client/v3/account/password`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3accountpassword))
pub async fn change_password(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<change_password_v3::Request>,
) -> Result<change_password_v3::Response> {
    let caller = required(caller)?;
    confirm(&ctx, &caller, request.auth.as_ref(), "change the password of").await?;
    let (log_out, kept) = (request.logout_devices, Some(caller.device_id.clone()));
    ctx.accounts.set_password(caller.user_nid, request.new_password, log_out, kept).await?;
    Ok(change_password_v3::Response::new())
}

/// `POST /_matrix/client/v3/account/deactivate`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3accountdeactivate))
pub async fn deactivate(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<deactivate_v3::Request>,
) -> Result<deactivate_v3::Response> {
    let caller = required(caller)?;
    confirm(&ctx, &caller, request.auth.as_ref(), "deactivate").await?;
    ctx.accounts.deactivate(caller.user_nid, request.erase).await?;
    // Third-party identifiers are never bound here.
    Ok(deactivate_v3::Response::new(ThirdPartyIdRemovalStatus::NoSupport))
}

/// `POST /_matrix/client/v3/user/{userId}/openid/request_token`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3useruseridopenidrequest_token))
pub async fn request_openid_token(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<openid_v3::Request>,
) -> Result<openid_v3::Response> {
    if request.user_id != caller.user_id {
        return Err(Error::forbidden("An OpenID token is for oneself only"));
    }
    let token = ctx.accounts.openid_token(caller.user_nid, OPENID_LIFETIME).await?;
    let server = OwnedServerName::from(caller.user_id.server_name());
    Ok(openid_v3::Response::new(token, TokenType::Bearer, server, OPENID_LIFETIME))
}
