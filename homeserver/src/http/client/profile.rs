//! `ruma::api::client::profile`: profiles, whole and by field.

use actix_web::HttpResponse;
use ruma::api::{
    auth_scheme::AccessToken,
    client::profile::{delete_profile_field, get_profile, get_profile_field},
    error::ErrorKind,
};
use serde_json::{Map, Value};

use super::config::own;
use crate::{
    error::{Error, Result},
    http::{
        auth::Scheme as _,
        limits::check_depth,
        ruma::{Answer as _, Call, Ctx, Json, Ruma},
    },
};

/// `PUT` has three of them; ruma's type knows no error for a body without the field.
pub const FIELD: [&str; 3] = [
    "/_matrix/client/r0/profile/{user_id}/{field}",
    "/_matrix/client/v3/profile/{user_id}/{field}",
    "/_matrix/client/unstable/uk.tcpip.msc4133/profile/{user_id}/{field}",
];

/// `GET /_matrix/client/v3/profile/{userId}`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3profileuserid>
pub async fn get_profile(
    ctx: Ctx,
    call: Ruma<get_profile::v3::Request>,
) -> Result<get_profile::v3::Response> {
    Ok(ctx.profiles.profile(&call.user_id, None).await?.into_iter().collect())
}

/// `GET /_matrix/client/v3/profile/{userId}/{keyName}`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3profileuseridkeyname>
pub async fn get_profile_field(
    ctx: Ctx,
    call: Ruma<get_profile_field::v3::Request>,
) -> Result<Json> {
    let profile = ctx.profiles.profile(&call.user_id, Some(call.field.as_str())).await?;
    Ok(Json(Value::Object(profile).to_string().into()))
}

/// `PUT /_matrix/client/v3/profile/{userId}/{keyName}`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3profileuseridkeyname>
pub async fn set_profile_field(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let caller = AccessToken::caller(&ctx, &call.http, &mut call.body).await?;
    let body = call.body.read().await?;
    check_depth(&body)?;
    let [user_id, field] = call.decoded()?;
    let user_id = ruma::UserId::parse(user_id)
        .map_err(|error| Error::invalid_param(format!("The user id is not valid: {error}")))?;
    own(&caller, &user_id)?;
    let mut body: Map<String, Value> = serde_json::from_slice(&body).map_err(|error| {
        let kind = if error.is_data() { ErrorKind::BadJson } else { ErrorKind::NotJson };
        Error::matrix(http::StatusCode::BAD_REQUEST, kind, error.to_string())
    })?;
    let Some(value) = body.remove(&field) else {
        let message = "The body does not have the field";
        return Err(Error::matrix(http::StatusCode::BAD_REQUEST, ErrorKind::MissingParam, message));
    };
    ctx.profiles.set(&caller, field, Some(value)).await?;
    Json("{}".into()).into_response()
}

/// `DELETE /_matrix/client/v3/profile/{userId}/{keyName}`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3profileuseridkeyname>
pub async fn delete_profile_field(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<delete_profile_field::v3::Request>,
) -> Result<delete_profile_field::v3::Response> {
    own(&caller, &request.user_id)?;
    ctx.profiles.set(&caller, request.field.to_string(), None).await?;
    Ok(delete_profile_field::v3::Response::new())
}
