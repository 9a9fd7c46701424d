//! `ruma::api::client::tag`: tags of rooms. Only the user's own.

use ruma::{
    api::client::tag::{create_tag, delete_tag, get_tags},
    events::tag::{TagInfo, TagName, Tags},
};
use serde_json::value::to_raw_value;

use super::config::own;
use crate::{
    error::{Error, Result},
    http::ruma::{Ctx, Ruma},
};

/// `GET /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3useruseridroomsroomidtags>
pub async fn get_tags(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_tags::v3::Request>,
) -> Result<get_tags::v3::Response> {
    own(&caller, &request.user_id)?;
    let tags = ctx.account_data.tags(&caller, &request.room_id).await?;
    let read = |(name, info): (String, Box<serde_json::value::RawValue>)| {
        (TagName::from(name), serde_json::from_str::<TagInfo>(info.get()).unwrap_or_default())
    };
    Ok(get_tags::v3::Response::new(tags.into_iter().map(read).collect::<Tags>()))
}

/// `PUT /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3useruseridroomsroomidtagstag>
pub async fn create_tag(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<create_tag::v3::Request>,
) -> Result<create_tag::v3::Response> {
    own(&caller, &request.user_id)?;
    let info = to_raw_value(&request.tag_info)
        .map_err(|error| Error::internal(format!("a tag: {error}")))?;
    ctx.account_data.set_tag(&caller, &request.room_id, request.tag, info).await?;
    Ok(create_tag::v3::Response::new())
}

/// `DELETE /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3useruseridroomsroomidtagstag>
pub async fn delete_tag(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<delete_tag::v3::Request>,
) -> Result<delete_tag::v3::Response> {
    own(&caller, &request.user_id)?;
    ctx.account_data.delete_tag(&caller, &request.room_id, request.tag).await?;
    Ok(delete_tag::v3::Response::new())
}
