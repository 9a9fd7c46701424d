//! Telling the administrators of an event, a room or a user. (ruma keeps some of these types in `room`.)

use ruma::api::client::{
    reporting::report_user,
    room::{report_content, report_room},
};

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `POST /_matrix/client/v3/rooms/{roomId}/report/{eventId}`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidreporteventid))
pub async fn report_content(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<report_content::v3::Request>,
) -> Result<report_content::v3::Response> {
    let reason = request.reason.unwrap_or_default();
    let (room, event) = (&request.room_id, &request.event_id);
    ctx.moderation.report_event(&caller, room, event, reason).await?;
    Ok(report_content::v3::Response::new())
}

/// `POST /_matrix/client/v3/rooms/{roomId}/report`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidreport))
pub async fn report_room(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<report_room::v3::Request>,
) -> Result<report_room::v3::Response> {
    ctx.moderation.report_room(&caller, &request.room_id, request.reason).await?;
    Ok(report_room::v3::Response::new())
}

/// `POST /_matrix/client/v3/users/{userId}/report`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3usersuseridreport))
pub async fn report_user(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<report_user::v3::Request>,
) -> Result<report_user::v3::Response> {
    ctx.moderation.report_user(&caller, &request.user_id, request.reason).await?;
    Ok(report_user::v3::Response::new())
}
