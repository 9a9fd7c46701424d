//! Whose an OpenID token is.

use actix_web::HttpResponse;
use ruma::api::federation::openid::get_openid_userinfo::v1::{Request, Response};

use crate::{
    error::Result,
    http::{
        auth,
        ruma::{Call, Ctx, Ruma, call},
    },
};

pub const USERINFO: &str = "/_matrix/federation/v1/openid/userinfo";

/// `GET /_matrix/federation/v1/openid/userinfo`
/// ([spec](https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1openiduserinfo))
pub async fn get_openid_userinfo(ctx: Ctx, request: Call) -> Result<HttpResponse> {
    let query = request.http.query_string();
    if !query.split('&').any(|pair| pair.starts_with("access_token=")) {
        return Err(auth::missing_token("There is no access_token in the query"));
    }
    call(ctx, request, async |ctx, ruma: Ruma<Request>| {
        Ok(Response::new(ctx.accounts.openid_user(&ruma.access_token).await?))
    })
    .await
}
