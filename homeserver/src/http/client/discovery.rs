//! What this server speaks.

use actix_web::HttpResponse;
use ruma::api::client::discovery::get_supported_versions::Response;

use crate::{
    error::Result,
    http::ruma::{Answer as _, Call, Ctx},
};

/// A version stands here only when what clients switch on by it is there.
const VERSIONS: [&str; 19] = [
    "v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6", "v1.7", "v1.8", "v1.9", "v1.10", "v1.11",
    "v1.12", "v1.13", "v1.14", "v1.15", "v1.16", "v1.17", "v1.18", "v1.19",
];

/// What clients look for by the names of proposals, although most of it is in a version.
const FEATURES: [&str; 16] = [
    "org.matrix.msc2285.stable",
    "org.matrix.msc3030",
    "org.matrix.msc3266",
    "org.matrix.msc3440.stable",
    "org.matrix.msc3771",
    "org.matrix.msc3773",
    "org.matrix.msc3814",
    "org.matrix.msc3827.stable",
    "org.matrix.msc3916.stable",
    "org.matrix.msc3981",
    "org.matrix.msc4222",
    "org.matrix.simplified_msc3575",
    "org.sealpost.prekeys",
    "org.sealpost.sender_keys",
    "uk.half-shot.msc2666.query_mutual_rooms.stable",
    "uk.tcpip.msc4133.stable",
];

/// `GET /_matrix/client/versions`. An access token is not looked at: a client learns the versions before it
/// learns that its token has been revoked.
///
/// <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientversions>
pub async fn get_supported_versions(_: Ctx, _: Call) -> Result<HttpResponse> {
    let mut response = Response::new(VERSIONS.iter().map(|&version| version.to_owned()).collect());
    let features = FEATURES.iter().map(|&feature| (feature.to_owned(), true));
    response.unstable_features = features.collect();
    response.into_response()
}
