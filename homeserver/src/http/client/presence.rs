//! `ruma::api::client::presence`: who is online.

use std::time::Duration;

use ruma::api::client::presence::{get_presence, set_presence};

use super::config::own;
use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `GET /_matrix/client/v3/presence/{userId}/status`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3presenceuseridstatus>
pub async fn get_presence(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_presence::v3::Request>,
) -> Result<get_presence::v3::Response> {
    let shown = ctx.presence.get(&caller, &request.user_id).await?;
    let mut response = get_presence::v3::Response::new(shown.state);
    response.status_msg = shown.status;
    response.currently_active = shown.currently_active;
    let ago = shown.last_active_ago.and_then(|ago| u64::try_from(ago).ok());
    response.last_active_ago = ago.map(Duration::from_millis);
    Ok(response)
}

/// `PUT /_matrix/client/v3/presence/{userId}/status`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3presenceuseridstatus>
pub async fn set_presence(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<set_presence::v3::Request>,
) -> Result<set_presence::v3::Response> {
    own(&caller, &request.user_id)?;
    ctx.presence.set(&caller, request.presence, request.status_msg)?;
    Ok(set_presence::v3::Response::new())
}
