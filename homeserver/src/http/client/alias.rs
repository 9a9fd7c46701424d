//! `ruma::api::client::alias`, and `room::aliases`: names of rooms.

use ruma::api::client::{
    alias::{create_alias, delete_alias, get_alias},
    room::aliases,
};

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `PUT /_matrix/client/v3/directory/room/{roomAlias}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3directoryroomroomalias))
pub async fn create_alias(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<create_alias::v3::Request>,
) -> Result<create_alias::v3::Response> {
    ctx.rooms.create_alias(&caller, &request.room_alias, &request.room_id).await?;
    Ok(create_alias::v3::Response::new())
}

/// `GET /_matrix/client/v3/directory/room/{roomAlias}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3directoryroomroomalias))
pub async fn get_alias(
    ctx: Ctx,
    Ruma { request, .. }: Ruma<get_alias::v3::Request>,
) -> Result<get_alias::v3::Response> {
    let (room_id, servers) = ctx.rooms.resolve_alias(&request.room_alias).await?;
    Ok(get_alias::v3::Response::new(room_id, servers))
}

/// `DELETE /_matrix/client/v3/directory/room/{roomAlias}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3directoryroomroomalias))
pub async fn delete_alias(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<delete_alias::v3::Request>,
) -> Result<delete_alias::v3::Response> {
    ctx.rooms.delete_alias(&caller, &request.room_alias).await?;
    Ok(delete_alias::v3::Response::new())
}

/// `GET /_matrix/client/v3/rooms/{roomId}/aliases`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidaliases))
pub async fn aliases(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<aliases::v3::Request>,
) -> Result<aliases::v3::Response> {
    Ok(aliases::v3::Response::new(ctx.rooms.aliases(&caller, &request.room_id).await?))
}
