//! `ruma::api::client::voip`: credentials for a TURN server.

use std::time::Duration;

use ruma::api::client::voip::get_turn_server_info::v3::{Request, Response};

use crate::{
    error::{Error, Result},
    http::ruma::{Ctx, Ruma},
    service::turn,
};

/// `GET /_matrix/client/v3/voip/turnServer`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3voipturnserver))
pub async fn get_turn_server_info(
    ctx: Ctx,
    Ruma { caller, .. }: Ruma<Request>,
) -> Result<Response> {
    let config = &ctx.config.turn;
    let Some(secret) = config.secret.as_ref().filter(|_| !config.uris.is_empty()) else {
        return Err(Error::not_found("This server has no TURN server"));
    };
    let ttl = Duration::from_secs(config.ttl_seconds);
    let expires_at = ctx.clock.now_ms() / 1000 + ttl.as_secs() as i64;
    let (username, password) = turn::credentials(&secret.0, &caller.user_id, expires_at)?;
    Ok(Response::new(username, password, config.uris.clone(), ttl))
}
