//! `/_synapse/admin/v1/register`: the field's de-facto way to make accounts from scripts that know a shared
//! secret.
//!
//! <https://element-hq.github.io/synapse/latest/admin_api/register_api.html>

use actix_web::HttpResponse;
use serde_json::json;

use super::{
    limits::check_depth,
    ruma::{Call, Ctx},
};
use crate::{
    error::{Error, Result},
    service::{accounts::NewAccount, registration::SharedSecretRequest, sessions::NewDevice},
};

pub const REGISTER: &str = "/_synapse/admin/v1/register";

/// `GET /_synapse/admin/v1/register`
pub async fn nonce(ctx: Ctx, _: Call) -> Result<HttpResponse> {
    let nonce = ctx.registration.nonce()?;
    Ok(json_body(&json!({ "nonce": nonce })))
}

/// `POST /_synapse/admin/v1/register`
pub async fn register(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let body = call.body.read().await?;
    check_depth(&body)?;
    let request: SharedSecretRequest =
        serde_json::from_slice(&body).map_err(|e| Error::bad_json(e.to_string()))?;
    ctx.registration.check_shared_secret(&request)?;
    let new = NewAccount {
        localpart: Some(request.username),
        password: Some(request.password),
        displayname: request.displayname,
        is_admin: request.admin,
        device: Some(NewDevice::default()),
        ..NewAccount::default()
    };
    let (user_id, session) = ctx.accounts.create(new).await?;
    let session = session.ok_or_else(|| Error::internal("a login that was asked for is absent"))?;
    Ok(json_body(&json!({
        "user_id": user_id,
        "home_server": user_id.server_name(),
        "access_token": session.access_token,
        "device_id": session.device_id,
    })))
}

fn json_body(body: &serde_json::Value) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(body.to_string())
}
