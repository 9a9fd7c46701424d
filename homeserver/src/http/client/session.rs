//! Logging in and out.

use ruma::api::client::{
    session::{
        get_login_types::v3 as get_login_types_v3,
        login::v3::{self as login_v3, LoginInfo, Password},
        logout::v3 as logout_v3,
        logout_all::v3 as logout_all_v3,
    },
    uiaa::UserIdentifier,
};

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
    let flows = vec![get_login_types_v3::LoginType::Password(password)];
    Ok(get_login_types_v3::Response::new(flows))
}

/// `POST /_matrix/client/v3/login`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#post_matrixclientv3login>
pub async fn login(ctx: Ctx, call: Ruma<login_v3::Request>) -> Result<login_v3::Response> {
    ctx.rate_limits.login(&ctx.rate_limited_caller())?;
    let request = call.request;
    let LoginInfo::Password(password) = request.login_info else {
        return Err(Error::invalid_param("Unknown login type"));
    };
    let user = user(&password).ok_or_else(|| Error::invalid_param("No user is named"))?;
    ctx.rate_limits.attempt(&user)?;
    let device = NewDevice {
        device_id: request.device_id,
        display_name: request.initial_device_display_name,
    };
    let (user_id, session) = ctx.accounts.log_in(&user, password.password, device).await?;
    Ok(login_v3::Response::new(user_id, session.access_token, session.device_id))
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
