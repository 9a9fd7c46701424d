//! `ruma::api::client::typing`: who is typing.

use ruma::api::client::typing::create_typing_event::v3::{Request, Response, Typing};

use super::config::own;
use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `PUT /_matrix/client/v3/rooms/{roomId}/typing/{userId}`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidtypinguserid>
pub async fn create_typing_event(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<Request>,
) -> Result<Response> {
    own(&caller, &request.user_id)?;
    let timeout = match request.state {
        Typing::Yes(typing) => Some(typing.timeout),
        Typing::No => None,
    };
    ctx.typing.set(&caller, &request.room_id, timeout).await?;
    Ok(Response::new())
}
