//! Content of this server for others, as `multipart/mixed`: JSON that says nothing yet, then the content.

use std::time::Duration;

use actix_web::{HttpResponse, body::SizedStream, http::header};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use rand::RngExt as _;
use ruma::api::federation::authentication::ServerSignatures;

use crate::{
    error::{Error, Result},
    http::{
        auth::Scheme as _,
        client::media::{number, wanted},
        content,
        ruma::{Call, Ctx},
    },
    service::media::{Content, Pieces},
};

pub const CONTENT: &str = "/_matrix/federation/v1/media/download/{media_id}";
pub const THUMBNAIL: &str = "/_matrix/federation/v1/media/thumbnail/{media_id}";

/// `GET /_matrix/federation/v1/media/download/{mediaId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1mediadownloadmediaid>
pub async fn get_content(ctx: Ctx, call: Call) -> Result<HttpResponse> {
    let content = requested(&ctx, call).await?;
    let pieces = ctx.media.read(&content.hash, 0..content.size).await?;
    let (kind, name) = (content.content_type.as_deref(), content.filename.as_deref());
    multipart(kind, name, content.size, pieces)
}

/// `GET /_matrix/federation/v1/media/thumbnail/{mediaId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1mediathumbnailmediaid>
pub async fn get_content_thumbnail(ctx: Ctx, call: Call) -> Result<HttpResponse> {
    let wanted = wanted(&call)?;
    let content = requested(&ctx, call).await?;
    let thumbnail = ctx.media.thumbnail(&content, wanted).await?;
    let size = thumbnail.bytes.len() as u64;
    let pieces: Pieces = Box::pin(stream::iter([Ok(thumbnail.bytes)]));
    multipart(Some(thumbnail.content_type), None, size, pieces)
}

/// The content that another server asks for.
async fn requested(ctx: &Ctx, mut call: Call) -> Result<Content> {
    ServerSignatures::caller(ctx, &call.http, &mut call.body).await?;
    let arguments = call.arguments.decode(call.http.uri().path());
    let arguments = arguments.map_err(|_| Error::invalid_param("The path is not UTF-8"))?;
    let media_id = arguments.first().map(|id| id.to_string()).unwrap_or_default();
    let wait = number(&call, "timeout_ms")?.map(Duration::from_millis);
    ctx.media.own_content(&media_id, wait).await
}

fn multipart(
    kind: Option<&str>,
    name: Option<&str>,
    size: u64,
    pieces: Pieces,
) -> Result<HttpResponse> {
    let boundary = format!("{:032x}", rand::rng().random::<u128>());
    let mut head =
        format!("--{boundary}\r\nContent-Type: application/json\r\n\r\n{{}}\r\n--{boundary}\r\n")
            .into_bytes();
    for (header, value) in [
        ("Content-Type", content::content_type(kind)),
        ("Content-Disposition", content::disposition(kind, name)),
    ] {
        head.extend_from_slice(header.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    let tail = format!("\r\n--{boundary}--\r\n").into_bytes();
    let length = head.len() as u64 + size + tail.len() as u64;
    let whole = stream::iter([Ok(Bytes::from(head))])
        .chain(pieces)
        .chain(stream::iter([Ok(Bytes::from(tail))]));
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, format!("multipart/mixed; boundary={boundary}")))
        .body(SizedStream::new(length, whole)))
}
