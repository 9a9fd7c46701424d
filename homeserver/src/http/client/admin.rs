//! `ruma::api::client::admin`: what administrators ask and do.

use std::collections::BTreeMap;

use ruma::{
    MilliSecondsSinceUnixEpoch, UInt, UserId,
    api::client::admin::{
        get_user_info::v3 as whois, is_user_locked, is_user_suspended, lock_user, suspend_user,
    },
};

use crate::{
    error::{Error, Result},
    http::ruma::{Ctx, Ruma},
    service::{moderation::Restriction, sessions::Session},
};

/// `GET /_matrix/client/v3/admin/whois/{userId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3adminwhoisuserid))
pub async fn get_user_info(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<whois::Request>,
) -> Result<whois::Response> {
    if caller.user_id != request.user_id {
        check_admin(&caller)?;
    }
    let mut devices = BTreeMap::new();
    for device in ctx.moderation.devices(&request.user_id).await? {
        let mut connection = whois::ConnectionInfo::new();
        connection.ip = device.last_seen_ip;
        connection.last_seen = device
            .last_seen_at
            .and_then(|at| UInt::try_from(at).ok())
            .map(MilliSecondsSinceUnixEpoch);
        let mut session = whois::SessionInfo::new();
        session.connections = vec![connection];
        let mut info = whois::DeviceInfo::new();
        info.sessions = vec![session];
        devices.insert(device.device_id, info);
    }
    let mut response = whois::Response::new();
    response.user_id = Some(request.user_id);
    response.devices = devices;
    Ok(response)
}

/// `GET /_matrix/client/v1/admin/lock/{userId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1adminlockuserid))
pub async fn is_user_locked(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<is_user_locked::v1::Request>,
) -> Result<is_user_locked::v1::Response> {
    check_local_admin(&ctx, &caller, &request.user_id)?;
    let locked = ctx.moderation.is_restricted(&request.user_id, Restriction::Lock).await?;
    Ok(is_user_locked::v1::Response::new(locked))
}

/// `PUT /_matrix/client/v1/admin/lock/{userId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv1adminlockuserid))
pub async fn lock_user(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<lock_user::v1::Request>,
) -> Result<lock_user::v1::Response> {
    check_local_admin(&ctx, &caller, &request.user_id)?;
    ctx.moderation.restrict(&request.user_id, Restriction::Lock, request.locked).await?;
    Ok(lock_user::v1::Response::new(request.locked))
}

/// `GET /_matrix/client/v1/admin/suspend/{userId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1adminsuspenduserid))
pub async fn is_user_suspended(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<is_user_suspended::v1::Request>,
) -> Result<is_user_suspended::v1::Response> {
    check_local_admin(&ctx, &caller, &request.user_id)?;
    let suspended = ctx.moderation.is_restricted(&request.user_id, Restriction::Suspension).await?;
    Ok(is_user_suspended::v1::Response::new(suspended))
}

/// `PUT /_matrix/client/v1/admin/suspend/{userId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv1adminsuspenduserid))
pub async fn suspend_user(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<suspend_user::v1::Request>,
) -> Result<suspend_user::v1::Response> {
    check_local_admin(&ctx, &caller, &request.user_id)?;
    ctx.moderation.restrict(&request.user_id, Restriction::Suspension, request.suspended).await?;
    Ok(suspend_user::v1::Response::new(request.suspended))
}

fn check_admin(caller: &Session) -> Result<()> {
    if caller.is_admin { Ok(()) } else { Err(Error::forbidden("You are not an administrator")) }
}

fn check_local_admin(ctx: &Ctx, caller: &Session, user_id: &UserId) -> Result<()> {
    check_admin(caller)?;
    if user_id.server_name().as_str() != ctx.config.server.server_name {
        return Err(Error::invalid_param("The user is not of this server"));
    }
    Ok(())
}
