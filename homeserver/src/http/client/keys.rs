//! `ruma::api::client::keys`: keys of devices and users.

use ruma::api::client::keys::{
    claim_keys::v3 as claim_keys_v3, get_key_changes::v3 as get_key_changes_v3,
    get_keys::v3 as get_keys_v3, upload_keys::v3 as upload_keys_v3,
    upload_signatures::v3 as upload_signatures_v3,
    upload_signing_keys::v3 as upload_signing_keys_v3,
};
use serde_json::json;

use super::uiaa::confirm;
use crate::{
    error::Result,
    http::ruma::{Ctx, Json, Ruma},
    service::keys::cross_signing::Proof,
};

/// `POST /_matrix/client/v3/keys/upload`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysupload))
pub async fn upload_keys(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<upload_keys_v3::Request>,
) -> Result<upload_keys_v3::Response> {
    Ok(upload_keys_v3::Response::new(ctx.keys.upload(&caller, request).await?))
}

/// `POST /_matrix/client/v3/keys/query`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysquery))
pub async fn get_keys(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_keys_v3::Request>,
) -> Result<get_keys_v3::Response> {
    let (queried, failures) = ctx.keys.query(&caller, request.device_keys, request.timeout).await?;
    let mut response = get_keys_v3::Response::new();
    response.failures = failures;
    response.device_keys = queried.device_keys;
    response.master_keys = queried.master_keys;
    response.self_signing_keys = queried.self_signing_keys;
    response.user_signing_keys = queried.user_signing_keys;
    Ok(response)
}

/// `POST /_matrix/client/v3/keys/claim`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysclaim))
pub async fn claim_keys(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<claim_keys_v3::Request>,
) -> Result<claim_keys_v3::Response> {
    let (claimed, failures) =
        ctx.keys.claim(&caller, request.one_time_keys, request.timeout).await?;
    let mut response = claim_keys_v3::Response::new(claimed);
    response.failures = failures;
    Ok(response)
}

/// `GET /_matrix/client/v3/keys/changes`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3keyschanges))
pub async fn get_key_changes(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_key_changes_v3::Request>,
) -> Result<get_key_changes_v3::Response> {
    let lists = ctx.keys.changes(&caller, &request.from).await?;
    Ok(get_key_changes_v3::Response::new(lists.changed, lists.left))
}

/// `POST /_matrix/client/v3/keys/device_signing/upload`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keysdevice_signingupload))
pub async fn upload_signing_keys(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<upload_signing_keys_v3::Request>,
) -> Result<upload_signing_keys_v3::Response> {
    let mut proof = Proof::None;
    if ctx.keys.needs_proof(&caller, &request).await? {
        confirm(&ctx, &caller, request.auth.as_ref(), "replace cross-signing keys of").await?;
        proof = Proof::Given;
    }
    ctx.keys.upload_signing_keys(&caller, &request, proof).await?;
    Ok(upload_signing_keys_v3::Response::new())
}

/// `POST /_matrix/client/v3/keys/signatures/upload`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keyssignaturesupload))
pub async fn upload_signatures(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<upload_signatures_v3::Request>,
) -> Result<Json> {
    // ruma's failures cannot be made, only read.
    let failures = ctx.keys.upload_signatures(&caller, request.signed_keys).await?;
    Ok(Json(json!({ "failures": failures }).to_string().into()))
}
