//! Making an account. (ruma keeps these types in `account`.)

use std::sync::Arc;

use ruma::api::client::{
    account::{
        check_registration_token_validity::v1 as validity_v1,
        get_username_availability::v3 as availability_v3,
        register::{RegistrationKind, v3 as register_v3},
    },
    uiaa::{AuthData, AuthType},
};
use ruma::api::error::ErrorKind;

use crate::{
    error::{Error, Result},
    http::ruma::{Ctx, Ruma},
    service::{
        accounts::NewAccount,
        sessions::{NewDevice, Session},
        uia::{Attempt, Completed},
    },
};

/// `POST /_matrix/client/v3/register`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#post_matrixclientv3register>
pub async fn register(ctx: Ctx, call: Ruma<register_v3::Request>) -> Result<register_v3::Response> {
    let request = call.request;
    check_open(&ctx, &request.kind)?;
    ctx.rate_limits.registration(&ctx.rate_limited_caller())?;
    if request.kind == RegistrationKind::Guest {
        return register_guest(&ctx, request).await;
    }
    let upgraded = match &request.guest_access_token {
        Some(token) => Some(guest(&ctx, token, request.username.as_deref()).await?.user_nid),
        None => None,
    };
    if let Some(localpart) = &request.username
        && upgraded.is_none()
    {
        ctx.accounts.check_available(localpart).await?;
    }
    let registration_token = authenticate(&ctx, request.auth.as_ref()).await?;
    let password = request.password.filter(|password| !password.is_empty());
    let device = (!request.inhibit_login).then_some(NewDevice {
        device_id: request.device_id,
        display_name: request.initial_device_display_name,
        refresh: request.refresh_token,
    });
    let localpart = request.username;
    let new = NewAccount {
        localpart,
        password,
        upgraded,
        registration_token,
        device,
        ..NewAccount::default()
    };
    let (user_id, session) = ctx.accounts.create(new).await?;

    let mut response = register_v3::Response::new(user_id);
    if let Some(session) = session {
        response.access_token = Some(session.access_token);
        response.device_id = Some(session.device_id);
        if let Some(refresh) = session.refresh {
            response.refresh_token = Some(refresh.token);
            response.expires_in = Some(refresh.expires_in);
        }
    }
    Ok(response)
}

/// The guest whose token and name are given: who registers with them stays who they were.
async fn guest(ctx: &Ctx, token: &str, username: Option<&str>) -> Result<Arc<Session>> {
    let session = ctx.sessions.authenticate(token).await?;
    session.check_not_locked()?;
    if !session.is_guest || username != Some(session.user_id.localpart()) {
        return Err(Error::invalid_param("The token is not of a guest with this user name"));
    }
    Ok(session)
}

/// A guest has a name of the server's choosing and no password, and is asked nothing.
async fn register_guest(ctx: &Ctx, request: register_v3::Request) -> Result<register_v3::Response> {
    let device = Some(NewDevice {
        display_name: request.initial_device_display_name,
        ..NewDevice::default()
    });
    let new = NewAccount { is_guest: true, device, ..NewAccount::default() };
    let (user_id, session) = ctx.accounts.create(new).await?;
    let mut response = register_v3::Response::new(user_id);
    if let Some(session) = session {
        response.access_token = Some(session.access_token);
        response.device_id = Some(session.device_id);
    }
    Ok(response)
}

fn check_open(ctx: &Ctx, kind: &RegistrationKind) -> Result<()> {
    let registration = &ctx.config.registration;
    match kind {
        RegistrationKind::Guest if registration.allow_guests => Ok(()),
        RegistrationKind::Guest => Err(Error::matrix(
            http::StatusCode::FORBIDDEN,
            ErrorKind::GuestAccessForbidden,
            "Guests are not let in",
        )),
        _ if registration.enabled => Ok(()),
        _ => Err(Error::forbidden("Registration is closed")),
    }
}

/// Runs user-interactive authentication. Returns the registration token to use up, where one is asked for.
async fn authenticate(ctx: &Ctx, auth: Option<&AuthData>) -> Result<Option<String>> {
    let stage = match ctx.config.registration.tokens_required {
        true => AuthType::RegistrationToken,
        false => AuthType::Dummy,
    };
    let attempt = match auth {
        None | Some(AuthData::FallbackAcknowledgement(_)) => Attempt::None,
        Some(AuthData::Dummy(_)) if stage == AuthType::Dummy => {
            Attempt::Passed(Completed { stage: stage.clone(), token: None })
        }
        Some(AuthData::RegistrationToken(given)) if stage == AuthType::RegistrationToken => {
            if ctx.registration.is_token_valid(&given.token).await? {
                let token = Some(given.token.clone());
                Attempt::Passed(Completed { stage: stage.clone(), token })
            } else {
                Attempt::Failed(ErrorKind::Unauthorized, "The registration token is not valid")
            }
        }
        Some(_) => Attempt::Failed(ErrorKind::Unrecognized, "This stage is not asked for"),
    };
    let session = auth.and_then(AuthData::session);
    let completed = ctx.uia.advance("register", &[vec![stage]], session, attempt)?;
    Ok(completed.into_iter().find_map(|done| done.token))
}

/// `GET /_matrix/client/v3/register/available`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3registeravailable>
pub async fn get_username_availability(
    ctx: Ctx,
    call: Ruma<availability_v3::Request>,
) -> Result<availability_v3::Response> {
    if !ctx.config.registration.enabled {
        return Err(Error::forbidden("Registration is closed"));
    }
    ctx.accounts.check_available(&call.username).await?;
    Ok(availability_v3::Response::new(true))
}

/// `GET /_matrix/client/v1/register/m.login.registration_token/validity`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv1registermloginregistration_tokenvalidity>
pub async fn check_registration_token_validity(
    ctx: Ctx,
    call: Ruma<validity_v1::Request>,
) -> Result<validity_v1::Response> {
    ctx.rate_limits.registration(&ctx.rate_limited_caller())?;
    if !ctx.config.registration.enabled || !ctx.config.registration.tokens_required {
        return Err(Error::forbidden("Registration does not ask for tokens"));
    }
    Ok(validity_v1::Response::new(ctx.registration.is_token_valid(&call.token).await?))
}
