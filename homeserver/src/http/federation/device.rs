//! `ruma::api::federation::device`: the devices of this server's users.

use ruma::api::federation::device::get_devices;

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `GET /_matrix/federation/v1/user/devices/{userId}`
/// ([spec](https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1userdevicesuserid))
pub async fn get_devices(
    ctx: Ctx,
    Ruma { request, .. }: Ruma<get_devices::v1::Request>,
) -> Result<get_devices::v1::Response> {
    ctx.remote.serve_devices(request.user_id).await
}
