//! The content repository. Bodies are streams in both directions and no ruma types, which hold all of them.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    body::SizedStream,
    http::{Method, StatusCode, header},
};
use percent_encoding::percent_decode_str;
use ruma::api::auth_scheme::AccessToken;
use serde_json::json;

use crate::{
    error::{Error, Result},
    http::{
        auth::Scheme as _,
        content::{self, Part},
        routes::Routes,
        ruma::{Call, Ctx},
    },
    service::{
        media::{Animation, Content, Described, Method as Resizing, Reach, Wanted},
        sessions::Session,
    },
};

// Some clients end the path with a slash when they name no file.
macro_rules! old {
    ($rest:literal, slash) => {
        &[
            concat!("/_matrix/media/r0/", $rest, "/"),
            concat!("/_matrix/media/v1/", $rest, "/"),
            concat!("/_matrix/media/v3/", $rest, "/"),
            concat!("/_matrix/media/v3/", $rest),
        ]
    };
    ($rest:literal) => {
        &[
            concat!("/_matrix/media/r0/", $rest),
            concat!("/_matrix/media/v1/", $rest),
            concat!("/_matrix/media/v3/", $rest),
        ]
    };
}

macro_rules! authenticated {
    ($rest:literal, slash) => {
        &[
            concat!("/_matrix/client/unstable/org.matrix.msc3916/media/", $rest, "/"),
            concat!("/_matrix/client/v1/media/", $rest, "/"),
            concat!("/_matrix/client/v1/media/", $rest),
        ]
    };
    ($rest:literal) => {
        &[
            concat!("/_matrix/client/unstable/org.matrix.msc3916/media/", $rest),
            concat!("/_matrix/client/v1/media/", $rest),
        ]
    };
}

pub fn add_routes(routes: &mut Routes) {
    let (get, post, put) = (Method::GET, Method::POST, Method::PUT);
    routes.add_raw_at(post.clone(), old!("upload"), create_content);
    routes.add_raw_at(put, old!("upload/{server_name}/{media_id}"), create_content_async);
    routes.add_raw(post, "/_matrix/media/v1/create", create_mxc_uri);

    routes.add_raw_at(get.clone(), authenticated!("config"), config);
    let content = authenticated!("download/{server_name}/{media_id}", slash);
    routes.add_raw_at(get.clone(), content, get_content);
    let named = authenticated!("download/{server_name}/{media_id}/{filename}");
    routes.add_raw_at(get.clone(), named, get_content);
    let thumbnail = authenticated!("thumbnail/{server_name}/{media_id}");
    routes.add_raw_at(get.clone(), thumbnail, get_content_thumbnail);

    routes.add_raw_at(get.clone(), old!("config"), old_config);
    let content = old!("download/{server_name}/{media_id}", slash);
    routes.add_raw_at(get.clone(), content, old_content);
    let named = old!("download/{server_name}/{media_id}/{filename}");
    routes.add_raw_at(get.clone(), named, old_content);
    let thumbnail = old!("thumbnail/{server_name}/{media_id}");
    routes.add_raw_at(get, thumbnail, old_content_thumbnail);
}

/// `POST /_matrix/media/v3/upload`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#post_matrixmediav3upload>
async fn create_content(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let caller = caller(&ctx, &mut call).await?;
    let described = described(&call)?;
    let content_uri = ctx.media.upload(&caller, described, call.body.stream()).await?;
    Ok(HttpResponse::Ok().json(json!({ "content_uri": content_uri })))
}

/// `PUT /_matrix/media/v3/upload/{serverName}/{mediaId}`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#put_matrixmediav3uploadservernamemediaid>
async fn create_content_async(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let caller = caller(&ctx, &mut call).await?;
    let (described, address) = (described(&call)?, Address::of(&call)?);
    ctx.media.upload_to(&caller, address.id(), described, call.body.stream()).await?;
    Ok(HttpResponse::Ok().json(json!({})))
}

/// `POST /_matrix/media/v1/create`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#post_matrixmediav1create>
async fn create_mxc_uri(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let caller = caller(&ctx, &mut call).await?;
    let pending = ctx.media.create(&caller).await?;
    let answer = json!({ "content_uri": pending.uri, "unused_expires_at": pending.expires_at });
    Ok(HttpResponse::Ok().json(answer))
}

/// `GET /_matrix/client/v1/media/config`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv1mediaconfig>
async fn config(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    caller(&ctx, &mut call).await?;
    Ok(HttpResponse::Ok().json(json!({ "m.upload.size": ctx.media.largest() })))
}

/// `GET /_matrix/client/v1/media/download/{serverName}/{mediaId}`, and with `/{fileName}`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv1mediadownloadservernamemediaid>
async fn get_content(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    caller(&ctx, &mut call).await?;
    send_content(&ctx, &call).await
}

/// `GET /_matrix/client/v1/media/thumbnail/{serverName}/{mediaId}`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv1mediathumbnailservernamemediaid>
async fn get_content_thumbnail(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    caller(&ctx, &mut call).await?;
    send_thumbnail(&ctx, &call).await
}

/// The paths without an access token: `GET /_matrix/media/v3/config`
async fn old_config(ctx: Ctx, call: Call) -> Result<HttpResponse> {
    check_old_paths(&ctx)?;
    config(ctx, call).await
}

/// `GET /_matrix/media/v3/download/{serverName}/{mediaId}`, and with `/{fileName}`
async fn old_content(ctx: Ctx, call: Call) -> Result<HttpResponse> {
    check_old_paths(&ctx)?;
    send_content(&ctx, &call).await
}

/// `GET /_matrix/media/v3/thumbnail/{serverName}/{mediaId}`
async fn old_content_thumbnail(ctx: Ctx, call: Call) -> Result<HttpResponse> {
    check_old_paths(&ctx)?;
    send_thumbnail(&ctx, &call).await
}

fn check_old_paths(ctx: &Ctx) -> Result<()> {
    if ctx.config.media.allow_unauthenticated {
        return Ok(());
    }
    Err(Error::not_found("Content is at /_matrix/client/v1/media, with an access token"))
}

async fn caller(ctx: &Ctx, call: &mut Call) -> Result<Arc<Session>> {
    AccessToken::caller(ctx, &call.http, &mut call.body).await
}

/// What path and query of a request name.
struct Address {
    server_name: String,
    media_id: String,
    filename: Option<String>,
    wait: Option<Duration>,
    reach: Reach,
}

impl Address {
    fn of(call: &Call) -> Result<Self> {
        let arguments = call
            .arguments
            .decode(call.http.uri().path())
            .map_err(|_| Error::invalid_param("The path is not UTF-8"))?;
        let mut arguments = arguments.into_iter().map(|argument| argument.into_owned());
        let server_name = arguments.next().unwrap_or_default();
        let media_id = arguments.next().unwrap_or_default();
        let wait = number(call, "timeout_ms")?.map(Duration::from_millis);
        // Only the old paths know it, by which servers asked one another.
        let reach = match in_query(call, "allow_remote")?.as_deref() {
            Some("false") => Reach::Here,
            _ => Reach::Everywhere,
        };
        Ok(Self { server_name, media_id, filename: arguments.next(), wait, reach })
    }

    fn id(&self) -> (&str, &str) {
        (&self.server_name, &self.media_id)
    }
}

fn described(call: &Call) -> Result<Described> {
    let header = |name| call.http.headers().get(name).and_then(|value| value.to_str().ok());
    Ok(Described {
        content_type: header(header::CONTENT_TYPE).map(str::to_owned),
        filename: in_query(call, "filename")?.filter(|name| !name.contains('\0')),
        length: header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
    })
}

async fn send_content(ctx: &Ctx, call: &Call) -> Result<HttpResponse> {
    let address = Address::of(call)?;
    let mut content = ctx.media.content(address.id(), address.wait, address.reach).await?;
    if address.filename.is_some() {
        content.filename = address.filename;
    }
    send(ctx, call, &content).await
}

async fn send(ctx: &Ctx, call: &Call, content: &Content) -> Result<HttpResponse> {
    let etag = format!("\"{}\"", content.hash_text());
    let headers = call.http.headers();
    let mut response = response(HttpResponse::Ok(), &etag);
    if content::is_known(headers, &etag) {
        return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
    }
    let (kind, name) = (content.content_type.as_deref(), content.filename.as_deref());
    response
        .insert_header((header::CONTENT_TYPE, content::content_type(kind)))
        .insert_header((header::CONTENT_DISPOSITION, content::disposition(kind, name)))
        .insert_header((header::ACCEPT_RANGES, "bytes"));
    let size = content.size;
    let range = match content::part(headers, size, &etag) {
        Part::Whole => 0..size,
        Part::Of(range) => {
            let told = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            response.status(StatusCode::PARTIAL_CONTENT);
            response.insert_header((header::CONTENT_RANGE, told));
            range
        }
        Part::Unsatisfiable => {
            response.status(StatusCode::RANGE_NOT_SATISFIABLE);
            return Ok(response
                .insert_header((header::CONTENT_RANGE, format!("bytes */{size}")))
                .finish());
        }
    };
    let length = range.end - range.start;
    let pieces = ctx.media.read(&content.hash, range).await?;
    Ok(response.body(SizedStream::new(length, pieces)))
}

async fn send_thumbnail(ctx: &Ctx, call: &Call) -> Result<HttpResponse> {
    let address = Address::of(call)?;
    let wanted = wanted(call)?;
    let content = ctx.media.content(address.id(), address.wait, address.reach).await?;
    let thumbnail = ctx.media.thumbnail(&content, wanted).await?;
    let etag = format!("\"{}-{}\"", content.hash_text(), wanted.text());
    let mut response = response(HttpResponse::Ok(), &etag);
    if content::is_known(call.http.headers(), &etag) {
        return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
    }
    let extension = thumbnail.content_type.strip_prefix("image/").unwrap_or_default();
    let name = format!("thumbnail.{extension}");
    let disposition = content::disposition(Some(thumbnail.content_type), Some(&name));
    Ok(response
        .insert_header((header::CONTENT_TYPE, thumbnail.content_type))
        .insert_header((header::CONTENT_DISPOSITION, disposition))
        .body(thumbnail.bytes))
}

fn response(mut response: HttpResponseBuilder, etag: &str) -> HttpResponseBuilder {
    for header in content::HEADERS {
        response.insert_header(header);
    }
    response.insert_header((header::ETAG, etag));
    response
}

pub(in crate::http) fn wanted(call: &Call) -> Result<Wanted> {
    let side = |name: &'static str| -> Result<u32> {
        let side = number(call, name)?.filter(|side| *side > 0);
        let side = side.ok_or_else(|| Error::invalid_param(format!("`{name}` is missing or 0")))?;
        Ok(u32::try_from(side).unwrap_or(u32::MAX))
    };
    let method = match in_query(call, "method")?.as_deref() {
        None | Some("scale") => Resizing::Scale,
        Some("crop") => Resizing::Crop,
        Some(_) => return Err(Error::invalid_param("`method` is neither `crop` nor `scale`")),
    };
    let animation = match in_query(call, "animated")?.as_deref() {
        Some("true") => Animation::Moving,
        None | Some("false") => Animation::Still,
        Some(_) => return Err(Error::invalid_param("`animated` is neither `true` nor `false`")),
    };
    Ok(Wanted::new(side("width")?, side("height")?, method, animation))
}

pub(in crate::http) fn number(call: &Call, name: &'static str) -> Result<Option<u64>> {
    let number = in_query(call, name)?.map(|text| text.parse());
    number.transpose().map_err(|_| Error::invalid_param(format!("`{name}` is not a number")))
}

/// A parameter of the query, decoded.
pub(in crate::http) fn in_query(call: &Call, name: &str) -> Result<Option<String>> {
    let query = call.http.uri().query().unwrap_or_default();
    let raw = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let Some(raw) = raw else { return Ok(None) };
    let spaced = raw.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    let decoded = decoded.map_err(|_| Error::invalid_param("The query is not UTF-8"))?;
    Ok(Some(decoded.into_owned()))
}
