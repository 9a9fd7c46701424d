//! Whose an OpenID token is.

use ruma::api::federation::openid::get_openid_userinfo::v1::{Request, Response};

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `GET /_matrix/federation/v1/openid/userinfo`
/// ([spec](https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1openiduserinfo))
pub async fn get_openid_userinfo(ctx: Ctx, call: Ruma<Request>) -> Result<Response> {
    Ok(Response::new(ctx.accounts.openid_user(&call.access_token).await?))
}
