//! `/.well-known/matrix/{client,server,support}`.
//!
//! <https://spec.matrix.org/v1.16/client-server-api/#well-known-uris>

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::ruma::{Call, Ctx};
use crate::error::{Error, Result};

/// `GET /.well-known/matrix/client`: where clients reach the server, and for the page at `/` which one it is.
pub async fn client(ctx: Ctx, _: Call) -> Result<HttpResponse> {
    let url = match &ctx.config.well_known.client {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => ctx.config.public_base_url(),
    };
    let name = &ctx.config.server.server_name;
    Ok(json_body(&json!({
        "m.homeserver": { "base_url": url },
        "org.sealpost.server": { "name": name, "version": env!("CARGO_PKG_VERSION") },
    })))
}

/// `GET /.well-known/matrix/server`: where other servers reach it.
pub async fn server(ctx: Ctx, _: Call) -> Result<HttpResponse> {
    match &ctx.config.well_known.server {
        Some(server) => Ok(json_body(&json!({ "m.server": server }))),
        None => Err(Error::not_found("This server is not delegated")),
    }
}

/// `GET /.well-known/matrix/support`: who administers it.
pub async fn support(ctx: Ctx, _: Call) -> Result<HttpResponse> {
    let known = &ctx.config.well_known;
    let mut answer = serde_json::Map::new();
    if known.support_email.is_some() || known.support_matrix_id.is_some() {
        let mut contact = json!({ "role": "m.role.admin" });
        for (key, value) in
            [("email_address", &known.support_email), ("matrix_id", &known.support_matrix_id)]
        {
            if let (Some(value), Value::Object(contact)) = (value, &mut contact) {
                contact.insert(key.to_owned(), Value::from(value.as_str()));
            }
        }
        answer.insert("contacts".to_owned(), json!([contact]));
    }
    if let Some(page) = &known.support_page {
        answer.insert("support_page".to_owned(), Value::from(page.as_str()));
    }
    if answer.is_empty() {
        return Err(Error::not_found("No contact is configured"));
    }
    Ok(json_body(&Value::Object(answer)))
}

fn json_body(body: &Value) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(body.to_string())
}
