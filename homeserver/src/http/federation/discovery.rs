//! Keys and version of this server.

use actix_web::HttpResponse;
use ruma::api::federation::discovery::{
    get_remote_server_keys, get_remote_server_keys_batch, get_server_keys, get_server_version,
};

use crate::{
    error::Result,
    http::ruma::{Answer, Call, Ctx, Ruma},
};

/// `GET /_matrix/key/v2/server`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixkeyv2server>
pub async fn get_server_keys(
    ctx: Ctx,
    _: Ruma<get_server_keys::v2::Request>,
) -> Result<get_server_keys::v2::Response> {
    Ok(get_server_keys::v2::Response::new(ctx.remote.own_keys()?))
}

/// Where older servers ask for one key.
pub const SERVER_KEYS_WITH_ID: &str = "/_matrix/key/v2/server/{key_id}";

/// `GET /_matrix/key/v2/server/{keyId}`: all keys, whichever was asked for.
pub async fn get_server_keys_with_id(ctx: Ctx, _: Call) -> Result<HttpResponse> {
    get_server_keys::v2::Response::new(ctx.remote.own_keys()?).into_response()
}

/// `GET /_matrix/key/v2/query/{serverName}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixkeyv2queryservername>
pub async fn get_remote_server_keys(
    ctx: Ctx,
    Ruma { request, .. }: Ruma<get_remote_server_keys::v2::Request>,
) -> Result<get_remote_server_keys::v2::Response> {
    let until = i64::from(request.minimum_valid_until_ts.get());
    let wanted = [(request.server_name, Some(until))].into();
    Ok(get_remote_server_keys::v2::Response::new(ctx.remote.notarised(wanted).await?))
}

/// `POST /_matrix/key/v2/query`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#post_matrixkeyv2query>
pub async fn get_remote_server_keys_batch(
    ctx: Ctx,
    Ruma { request, .. }: Ruma<get_remote_server_keys_batch::v2::Request>,
) -> Result<get_remote_server_keys_batch::v2::Response> {
    let wanted = request.server_keys.into_iter().map(|(server, keys)| {
        let until = keys.values().filter_map(|wanted| wanted.minimum_valid_until_ts);
        (server, until.max().map(|until| i64::from(until.get())))
    });
    let keys = ctx.remote.notarised(wanted.collect()).await?;
    Ok(get_remote_server_keys_batch::v2::Response::new(keys))
}

/// `GET /_matrix/federation/v1/version`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1version>
pub async fn get_server_version(
    _: Ctx,
    _: Ruma<get_server_version::v1::Request>,
) -> Result<get_server_version::v1::Response> {
    let mut server = get_server_version::v1::Server::new();
    server.name = Some("Sealpost".to_owned());
    server.version = Some(env!("CARGO_PKG_VERSION").to_owned());
    let mut response = get_server_version::v1::Response::new();
    response.server = Some(server);
    Ok(response)
}
