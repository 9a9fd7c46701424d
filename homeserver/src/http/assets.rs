//! The web client, embedded in the binary from `web/dist` when it was built before the server.
//!
//! The build has compressed what is worth it: `name.br` beside `name`.

use std::borrow::Cow;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, HeaderName},
    },
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
<pre>cargo xtask web &amp;&amp; cargo build --release -p sealpost-homeserver</pre>
<p>Any Matrix client can use this server meanwhile.</p>
</html>
";

/// What the client may do in a browser: run its own scripts and the encryption module, and talk to homeservers.
/// Text becomes markup in two places alone: the framework's templates and the sanitiser.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
    img-src 'self' blob:; media-src 'self' blob:; connect-src 'self' https:; worker-src 'self'; manifest-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types svelte-trusted-html dompurify sealpost";

/// A file of the client; its page at `/`.
pub fn respond(request: &HttpRequest) -> HttpResponse {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return error::unknown_path();
    }
    let path = request.uri().path();
    let name = match path {
        "/" => "index.html",
        _ => path.trim_start_matches('/'),
    };
    let compressed = takes_brotli(request).then(|| Client::get(&format!("{name}.br"))).flatten();
    let encoding = compressed.is_some().then_some("br");
    match compressed.or_else(|| Client::get(name)) {
        Some(file) => {
            // Names under `assets/` hold a hash of what is in them.
            let caching = match name.starts_with("assets/") {
                true => "public, max-age=31536000, immutable",
                false => "no-cache",
            };
            let mut response = HttpResponse::Ok();
            if let Some(encoding) = encoding {
                response.insert_header((header::CONTENT_ENCODING, encoding));
            }
            response
                .content_type(content_type(name))
                .insert_header((header::CACHE_CONTROL, caching))
                .insert_header((header::VARY, "accept-encoding"))
                .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
                .insert_header((header::REFERRER_POLICY, "no-referrer"))
                // A homeserver's own page, which the client opens, tells it when it is done.
                .insert_header((OPENER_POLICY, "same-origin-allow-popups"))
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

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

fn takes_brotli(request: &HttpRequest) -> bool {
    let accepted = request.headers().get_all(header::ACCEPT_ENCODING);
    accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(names_brotli)
}

/// Whether a coding of `accept-encoding` is brotli, and wanted: a weight of 0 says that it is not.
fn names_brotli(coding: &str) -> bool {
    let mut parts = coding.split(';').map(str::trim);
    let weight = |part: &str| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f32>().unwrap_or(0.0))
    };
    parts.next().is_some_and(|name| name.eq_ignore_ascii_case("br"))
        && parts.find_map(weight).is_none_or(|weight| weight > 0.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brotli_is_sent_to_those_who_want_it() {
        for wanted in ["br", "gzip, br", "BR;q=0.1", "gzip;q=1.0, br ; Q=1", "br;level=3"] {
            assert!(wanted.split(',').any(names_brotli), "{wanted}");
        }
        for refused in ["", "gzip", "br;q=0", "br; q=0.000, gzip", "br;q=x", "brr", "*"] {
            assert!(!refused.split(',').any(names_brotli), "{refused}");
        }
    }
}
