//! `ruma::api::federation::keys`: the keys of this server's users.

use ruma::api::federation::keys::{claim_keys, get_keys};

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `POST /_matrix/federation/v1/user/keys/query`
/// ([spec](https://spec.matrix.org/v1.19/server-server-api/#post_matrixfederationv1userkeysquery))
pub async fn get_keys(
    ctx: Ctx,
    Ruma { request, .. }: Ruma<get_keys::v1::Request>,
) -> Result<get_keys::v1::Response> {
    let queried = ctx.remote.serve_keys(request.device_keys).await?;
    let mut response = get_keys::v1::Response::new(queried.device_keys);
    response.master_keys = queried.master_keys;
    response.self_signing_keys = queried.self_signing_keys;
    Ok(response)
}

/// `POST /_matrix/federation/v1/user/keys/claim`
/// ([spec](https://spec.matrix.org/v1.19/server-server-api/#post_matrixfederationv1userkeysclaim))
pub async fn claim_keys(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<claim_keys::v1::Request>,
) -> Result<claim_keys::v1::Response> {
    let claimed = ctx.remote.serve_claim(&caller, request.one_time_keys).await?;
    Ok(claim_keys::v1::Response::new(claimed))
}
