//! `ruma::api::client::user_directory`, and the rooms shared with somebody.

use ruma::{
    UInt,
    api::client::{
        membership::get_mutual_rooms, user_directory::search_users::v3 as search_users_v3,
    },
};

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `POST /_matrix/client/v3/user_directory/search`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3user_directorysearch))
pub async fn search_users(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<search_users_v3::Request>,
) -> Result<search_users_v3::Response> {
    let (found, limited) =
        ctx.user_directory.search(&caller, &request.search_term, request.limit.into()).await?;
    let results = found
        .into_iter()
        .map(|found| {
            let mut user = search_users_v3::User::new(found.user_id);
            user.display_name = found.display_name;
            user.avatar_url = found.avatar_url.map(Into::into);
            user
        })
        .collect();
    Ok(search_users_v3::Response::new(results, limited))
}

/// `GET /_matrix/client/v1/mutual_rooms`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1mutual_rooms))
pub async fn get_mutual_rooms(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_mutual_rooms::v1::Request>,
) -> Result<get_mutual_rooms::v1::Response> {
    let (user, from) = (&request.user_id, request.from.as_deref());
    let found = ctx.user_directory.mutual_rooms(&caller, user, from).await?;
    let mut response =
        get_mutual_rooms::v1::Response::new(UInt::new_saturating(found.count), found.rooms);
    response.next_batch = found.next;
    Ok(response)
}
