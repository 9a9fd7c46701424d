//! Keys and version of this server.

use actix_web::HttpResponse;
use ruma::api::federation::discovery::{get_server_keys, get_server_version};

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
