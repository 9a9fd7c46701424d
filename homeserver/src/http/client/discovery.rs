//! What this server speaks.

use ruma::api::client::discovery::get_supported_versions::{Request, Response};

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// A version stands here only when what clients switch on by it is there.
const VERSIONS: [&str; 10] =
    ["v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6", "v1.7", "v1.8", "v1.9", "v1.10"];

/// `GET /_matrix/client/versions`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientversions>
pub async fn get_supported_versions(_: Ctx, _: Ruma<Request>) -> Result<Response> {
    Ok(Response::new(VERSIONS.iter().map(|&version| version.to_owned()).collect()))
}
