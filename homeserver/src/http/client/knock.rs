//! `ruma::api::client::knock`: asking to be let in.

use ruma::api::client::knock::knock_room;

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `POST /_matrix/client/v3/knock/{roomIdOrAlias}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3knockroomidoralias))
pub async fn knock_room(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<knock_room::v3::Request>,
) -> Result<knock_room::v3::Response> {
    let knock_room::v3::Request { room_id_or_alias, reason, via, .. } = request;
    let room_id = ctx.joins.knock(&caller, &room_id_or_alias, via, reason).await?;
    Ok(knock_room::v3::Response::new(room_id))
}
