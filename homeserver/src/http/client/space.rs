//! `ruma::api::client::space`: what is in a space.

use ruma::api::client::space::get_hierarchy;

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `GET /_matrix/client/v1/rooms/{roomId}/hierarchy`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidhierarchy))
pub async fn get_hierarchy(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_hierarchy::v1::Request>,
) -> Result<get_hierarchy::v1::Response> {
    ctx.rooms.hierarchy(&caller, request).await
}
