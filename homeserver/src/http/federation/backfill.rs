//! History of rooms that other servers share with this one.

use ruma::api::federation::backfill::get_backfill;

use crate::{
    error::Result,
    http::{
        limits::answers::{Large, Size},
        ruma::{Ctx, Ruma},
    },
};

/// `GET /_matrix/federation/v1/backfill/{roomId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1backfillroomid>
pub async fn get_backfill(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_backfill::v1::Request>,
) -> Result<Large<get_backfill::v1::Response>> {
    let place = ctx.rate_limits.answer(&caller, Size::Few).await?;
    let limit = usize::try_from(u64::from(request.limit)).unwrap_or(usize::MAX);
    let events = ctx.remote.backfill_for(&caller, &request.room_id, request.v, limit).await?;
    let (origin, now) = ctx.remote.origin();
    Ok(Large(get_backfill::v1::Response::new(origin, now, events), place))
}
