//! Profiles of this server's users.

use ruma::api::client::profile::{
    get_avatar_url::v3 as get_avatar_url_v3, get_display_name::v3 as get_display_name_v3,
    get_profile::v3 as get_profile_v3,
};

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `GET /_matrix/client/v3/profile/{userId}`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3profileuserid>
pub async fn get_profile(
    ctx: Ctx,
    call: Ruma<get_profile_v3::Request>,
) -> Result<get_profile_v3::Response> {
    let profile = ctx.accounts.profile(&call.user_id).await?;
    let fields = [("displayname", profile.displayname), ("avatar_url", profile.avatar_url)];
    Ok(fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.into())))
        .collect())
}

/// `GET /_matrix/client/v3/profile/{userId}/displayname`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3profileuseridkeyname>
pub async fn get_display_name(
    ctx: Ctx,
    call: Ruma<get_display_name_v3::Request>,
) -> Result<get_display_name_v3::Response> {
    let profile = ctx.accounts.profile(&call.user_id).await?;
    Ok(get_display_name_v3::Response::new(profile.displayname))
}

/// `GET /_matrix/client/v3/profile/{userId}/avatar_url`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3profileuseridkeyname>
pub async fn get_avatar_url(
    ctx: Ctx,
    call: Ruma<get_avatar_url_v3::Request>,
) -> Result<get_avatar_url_v3::Response> {
    let profile = ctx.accounts.profile(&call.user_id).await?;
    Ok(get_avatar_url_v3::Response::new(profile.avatar_url.map(Into::into)))
}
