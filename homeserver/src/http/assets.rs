//! The web client, embedded in the binary from `web/dist` when it was built before the server.

use std::borrow::Cow;

use actix_web::{
    HttpResponse,
    http::{Method, header},
};
use bytes::Bytes;
use rust_embed::RustEmbed;

use super::error;

#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Client;

const NOT_BUILT: &str = "<!doctype html>
<html lang=\"en\"><meta charset=\"utf-8\"><title>Sealpost</title>
<h1>Sealpost is running</h1>
<p>This binary was built without the web client. To build both:</p>
<pre>cd web &amp;&amp; npm ci &amp;&amp; npm run build &amp;&amp; cd .. &amp;&amp; cargo build --release -p sealpost-homeserver</pre>
<p>Any Matrix client can use this server meanwhile.</p>
</html>
";

/// A file of the client; its page at `/`.
pub fn respond(method: &Method, path: &str) -> HttpResponse {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return error::unknown_path();
    }
    let name = match path {
        "/" => "index.html",
        _ => path.trim_start_matches('/'),
    };
    match Client::get(name) {
        Some(file) => {
            // Names under `assets/` hold a hash of what is in them.
            let caching = match name.starts_with("assets/") {
                true => "public, max-age=31536000, immutable",
                false => "no-cache",
            };
            HttpResponse::Ok()
                .content_type(content_type(name))
                .insert_header((header::CACHE_CONTROL, caching))
                .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
                .insert_header((header::X_FRAME_OPTIONS, "DENY"))
                .body(match file.data {
                    Cow::Borrowed(embedded) => Bytes::from_static(embedded),
                    Cow::Owned(read) => Bytes::from(read),
                })
        }
        None if path == "/" => {
            HttpResponse::Ok().content_type("text/html; charset=utf-8").body(NOT_BUILT)
        }
        None => error::unknown_path(),
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}
