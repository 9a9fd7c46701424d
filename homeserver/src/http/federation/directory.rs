//! The directory of public rooms, for other servers.

use ruma::{
    UInt,
    api::federation::directory::{get_public_rooms, get_public_rooms_filtered},
    directory::Filter,
};

use crate::{
    error::{Error, Result},
    http::ruma::{Ctx, Ruma},
    service::rooms::DirectoryPage,
};

/// `GET /_matrix/federation/v1/publicRooms`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1publicrooms>
pub async fn get_public_rooms(
    ctx: Ctx,
    Ruma { request, .. }: Ruma<get_public_rooms::v1::Request>,
) -> Result<get_public_rooms::v1::Response> {
    let page = page(&ctx, request.limit, request.since, Filter::new()).await?;
    let mut response = get_public_rooms::v1::Response::new();
    response.chunk = page.rooms;
    response.next_batch = page.next_batch;
    response.prev_batch = page.prev_batch;
    response.total_room_count_estimate = Some(UInt::new_saturating(page.total as u64));
    Ok(response)
}

/// `POST /_matrix/federation/v1/publicRooms`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#post_matrixfederationv1publicrooms>
pub async fn get_public_rooms_filtered(
    ctx: Ctx,
    Ruma { request, .. }: Ruma<get_public_rooms_filtered::v1::Request>,
) -> Result<get_public_rooms_filtered::v1::Response> {
    let page = page(&ctx, request.limit, request.since, request.filter).await?;
    let mut response = get_public_rooms_filtered::v1::Response::new();
    response.chunk = page.rooms;
    response.next_batch = page.next_batch;
    response.prev_batch = page.prev_batch;
    response.total_room_count_estimate = Some(UInt::new_saturating(page.total as u64));
    Ok(response)
}

async fn page(
    ctx: &Ctx,
    limit: Option<UInt>,
    since: Option<String>,
    filter: Filter,
) -> Result<DirectoryPage> {
    if !ctx.config.room_directory.public_over_federation {
        return Err(Error::forbidden("This server does not show its directory to others"));
    }
    // Zero, the default of the specification, is no limit: of our own there is one.
    let limit = limit.map(u64::from).filter(|limit| *limit > 0);
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    ctx.rooms.public_rooms(limit, since.as_deref(), filter).await
}
