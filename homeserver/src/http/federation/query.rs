//! Look-ups in this server's directories: aliases and profiles.

use actix_web::HttpResponse;
use ruma::api::federation::{
    authentication::ServerSignatures,
    query::{get_profile_information, get_room_information},
};

use crate::{
    error::{Error, Result},
    http::{
        auth::Scheme,
        ruma::{Call, Ctx, Ruma},
    },
};

/// Where queries are that other servers may know and this one does not.
pub const OTHER: &str = "/_matrix/federation/v1/query/{query_type}";

/// `GET /_matrix/federation/v1/query/directory`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1querydirectory>
pub async fn get_room_information(
    ctx: Ctx,
    Ruma { request, .. }: Ruma<get_room_information::v1::Request>,
) -> Result<get_room_information::v1::Response> {
    let (room_id, servers) = ctx.remote.alias_for(&request.room_alias).await?;
    Ok(get_room_information::v1::Response::new(room_id, servers))
}

/// `GET /_matrix/federation/v1/query/profile`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1queryprofile>
pub async fn get_profile_information(
    ctx: Ctx,
    Ruma { request, .. }: Ruma<get_profile_information::v1::Request>,
) -> Result<get_profile_information::v1::Response> {
    let profile = ctx.remote.profile_for(&request.user_id).await?;
    let wanted = |name: &str| request.field.as_ref().is_none_or(|field| field.as_str() == name);
    Ok(profile.into_iter().filter(|(name, _)| wanted(name)).collect())
}

/// `GET /_matrix/federation/v1/query/{queryType}`, of any other type than those above.
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1queryquerytype>
pub async fn query(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    ServerSignatures::caller(&ctx, &call.http, &mut call.body).await?;
    Err(Error::not_found("This server knows no such query"))
}
