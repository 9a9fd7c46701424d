//! Invites of people by what they are elsewhere.

use ruma::api::federation::thirdparty::exchange_invite;

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `PUT /_matrix/federation/v1/exchange_third_party_invite/{roomId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv1exchange_third_party_inviteroomid>
pub async fn exchange_invite(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<exchange_invite::v1::Request>,
) -> Result<exchange_invite::v1::Response> {
    ctx.remote.exchange_third_party_invite(&caller, request).await?;
    Ok(exchange_invite::v1::Response::new())
}
