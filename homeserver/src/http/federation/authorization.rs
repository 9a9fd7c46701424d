//! What authorises an event.

use ruma::api::federation::authorization::get_event_authorization;

use crate::{
    error::Result,
    http::{
        limits::answers::{Large, Size},
        ruma::{Ctx, Ruma},
    },
};

/// `GET /_matrix/federation/v1/event_auth/{roomId}/{eventId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1event_authroomideventid>
pub async fn get_event_authorization(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_event_authorization::v1::Request>,
) -> Result<Large<get_event_authorization::v1::Response>> {
    let place = ctx.rate_limits.answer(&caller, Size::Whole).await?;
    let chain = ctx.remote.auth_chain_for(&caller, &request.room_id, &request.event_id).await?;
    Ok(Large(get_event_authorization::v1::Response::new(chain), place))
}
