//! Logging in and out.

use std::time::Duration;

use ruma::api::client::{
    session::{
        get_login_token::v1 as get_login_token_v1,
        get_login_types::v3 as get_login_types_v3,
        login::v3::{self as login_v3, LoginInfo, Password},
        logout::v3 as logout_v3,
        logout_all::v3 as logout_all_v3,
        refresh_token::v3 as refresh_token_v3,
    },
    uiaa::UserIdentifier,
};

use super::uiaa::confirm;
use crate::{
    error::{Error, Result},
    http::ruma::{Ctx, Ruma},
    service::sessions::NewDevice,
};

/// `GET /_matrix/client/v3/login`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3login>
pub async fn get_login_types(
    _: Ctx,
    _: Ruma<get_login_types_v3::Request>,
) -> Result<get_login_types_v3::Response> {
    let password = get_login_types_v3::PasswordLoginType::new();
    let mut token = get_login_types_v3::TokenLoginType::new();
    token.get_login_token = true;
    let flows = vec![
        get_login_types_v3::LoginType::Password(password),
        get_login_types_v3::LoginType::Token(token),
    ];
    Ok(get_login_types_v3::Response::new(flows))
}

/// `POST /_matrix/client/v3/login`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#post_matrixclientv3login>
pub async fn login(ctx: Ctx, call: Ruma<login_v3::Request>) -> Result<login_v3::Response> {
    ctx.rate_limits.login(&ctx.rate_limited_caller())?;
    let request = call.request;
    let device = NewDevice {
        device_id: request.device_id,
        display_name: request.initial_device_display_name,
        refresh: request.refresh_token,
    };
    let (user_id, session) = match request.login_info {
        LoginInfo::Password(password) => {
            let user = user(&password).ok_or_else(|| Error::invalid_param("No user is named"))?;
            ctx.rate_limits.attempt(&user)?;
            ctx.accounts.log_in(&user, password.password, device).await?
        }
        LoginInfo::Token(token) => ctx.accounts.log_in_with_token(&token.token, device).await?,
        _ => return Err(Error::invalid_param("Unknown login type")),
    };
    let mut response = login_v3::Response::new(user_id, session.access_token, session.device_id);
    if let Some(refresh) = session.refresh {
        response.refresh_token = Some(refresh.token);
        response.expires_in = Some(refresh.expires_in);
    }
    Ok(response)
}

/// How long a login token is good for.
const LOGIN_TOKEN_LIFETIME: Duration = Duration::from_secs(2 * 60);

/// `POST /_matrix/client/v1/login/get_token`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv1loginget_token))
pub async fn get_login_token(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_login_token_v1::Request>,
) -> Result<get_login_token_v1::Response> {
    confirm(&ctx, &caller, request.auth.as_ref(), "log in another device of").await?;
    let token = ctx.accounts.login_token(caller.user_nid, LOGIN_TOKEN_LIFETIME).await?;
    Ok(get_login_token_v1::Response::new(LOGIN_TOKEN_LIFETIME, token))
}

/// `POST /_matrix/client/v3/refresh`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3refresh))
pub async fn refresh_token(
    ctx: Ctx,
    call: Ruma<refresh_token_v3::Request>,
) -> Result<refresh_token_v3::Response> {
    ctx.rate_limits.login(&ctx.rate_limited_caller())?;
    let session = ctx.sessions.refresh(&call.refresh_token).await?;
    let mut response = refresh_token_v3::Response::new(session.access_token);
    if let Some(refresh) = session.refresh {
        response.refresh_token = Some(refresh.token);
        response.expires_in_ms = Some(refresh.expires_in);
    }
    Ok(response)
}

/// The user named by an identifier, or in the way of before r0.4.
fn user(password: &Password) -> Option<String> {
    match &password.identifier {
        Some(UserIdentifier::Matrix(identifier)) => Some(identifier.user.clone()),
        Some(_) => None,
        #[expect(deprecated, reason = "old clients name the user this way")]
        None => password.user.clone(),
    }
}

/// `POST /_matrix/client/v3/logout`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#post_matrixclientv3logout>
pub async fn logout(ctx: Ctx, call: Ruma<logout_v3::Request>) -> Result<logout_v3::Response> {
    ctx.sessions.log_out(&call.caller).await?;
    Ok(logout_v3::Response::new())
}

/// `POST /_matrix/client/v3/logout/all`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#post_matrixclientv3logoutall>
pub async fn logout_all(
    ctx: Ctx,
    call: Ruma<logout_all_v3::Request>,
) -> Result<logout_all_v3::Response> {
    ctx.sessions.log_out_all(call.caller.user_nid).await?;
    Ok(logout_all_v3::Response::new())
}
