//! What is in the spaces of this server.

use ruma::api::federation::space::get_hierarchy;

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `GET /_matrix/federation/v1/hierarchy/{roomId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1hierarchyroomid>
pub async fn get_hierarchy(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_hierarchy::v1::Request>,
) -> Result<get_hierarchy::v1::Response> {
    ctx.rooms.hierarchy_for(&caller, &request.room_id, request.suggested_only).await
}
