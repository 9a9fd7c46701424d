//! Profiles of this server's users.

use ruma::{
    UserId,
    api::client::profile::{
        get_avatar_url::v3 as get_avatar_url_v3, get_display_name::v3 as get_display_name_v3,
        get_profile::v3 as get_profile_v3, set_avatar_url::v3 as set_avatar_url_v3,
        set_display_name::v3 as set_display_name_v3,
    },
};

use crate::{
    error::{Error, Result},
    http::ruma::{Ctx, Ruma},
    service::{accounts::ProfileChange, sessions::Session},
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

/// `PUT /_matrix/client/v3/profile/{userId}/displayname`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#put_matrixclientv3profileuseridkeyname>
pub async fn set_display_name(
    ctx: Ctx,
    call: Ruma<set_display_name_v3::Request>,
) -> Result<set_display_name_v3::Response> {
    let Ruma { request, caller } = call;
    let name = request.displayname.filter(|name| !name.is_empty());
    change(&ctx, &caller, &request.user_id, ProfileChange::Displayname(name)).await?;
    Ok(set_display_name_v3::Response::new())
}

/// `PUT /_matrix/client/v3/profile/{userId}/avatar_url`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#put_matrixclientv3profileuseridkeyname>
pub async fn set_avatar_url(
    ctx: Ctx,
    call: Ruma<set_avatar_url_v3::Request>,
) -> Result<set_avatar_url_v3::Response> {
    let Ruma { request, caller } = call;
    let url = request.avatar_url.map(String::from).filter(|url| !url.is_empty());
    change(&ctx, &caller, &request.user_id, ProfileChange::AvatarUrl(url)).await?;
    Ok(set_avatar_url_v3::Response::new())
}

async fn change(
    ctx: &Ctx,
    caller: &Session,
    user_id: &UserId,
    change: ProfileChange,
) -> Result<()> {
    if caller.user_id != *user_id {
        return Err(Error::forbidden("This is another user's profile"));
    }
    let profile = ctx.accounts.set_profile(caller.user_nid, change).await?;
    ctx.rooms.update_profile(caller, &profile).await
}
