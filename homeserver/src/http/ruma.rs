//! The seam between actix and ruma: actix speaks `http` 0.2, ruma `http` 1. Nothing else converts.
//!
//! A request runs through [`call`]: who is calling ([`Scheme`]), the bounded body, the ruma request type, the
//! handler, the ruma response type.

use std::{
    net::IpAddr,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    body::BoxBody,
    http::{
        StatusCode as ActixStatus,
        header::{self, HeaderName, HeaderValue},
    },
    web,
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use ruma::api::{IncomingRequest, OutgoingResponse, OutgoingResponseExt as _};
use serde::Serialize;
use serde_json::{Value, json};
use smallvec::SmallVec;
use tokio::time::timeout;

use super::{
    app::App,
    auth::Scheme,
    error::malformed,
    limits::{self, check_depth},
    router::Arguments,
};
use crate::error::{Error, Result};

/// What a handler works with: the services, and where the request comes from. Cheap to clone.
#[derive(Clone)]
pub struct Ctx {
    app: web::Data<App>,
    /// The caller's address, seen through trusted proxies.
    pub address: Option<IpAddr>,
}

impl Ctx {
    pub fn new(app: web::Data<App>, address: Option<IpAddr>) -> Self {
        Self { app, address }
    }

    /// Whom a rate limit counts for.
    pub fn rate_limited_caller(&self) -> String {
        limits::caller(self.address)
    }
}

impl Deref for Ctx {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

/// A request of a ruma type, with the one who sent it as its authentication scheme tells.
pub struct Ruma<R>
where
    R: IncomingRequest<Authentication: Scheme>,
{
    pub request: R,
    pub caller: <R::Authentication as Scheme>::Caller,
}

impl<R> Deref for Ruma<R>
where
    R: IncomingRequest<Authentication: Scheme>,
{
    type Target = R;

    fn deref(&self) -> &R {
        &self.request
    }
}

/// One request on its way to a handler.
pub struct Call {
    pub http: HttpRequest,
    pub body: Body,
    pub arguments: Arguments,
}

impl Call {
    /// The arguments in the path, decoded, of a route that has so many.
    pub fn decoded<const N: usize>(&self) -> Result<[String; N]> {
        let malformed = |what| Error::invalid_param(format!("The path {what}"));
        let decoded =
            self.arguments.decode(self.http.uri().path()).map_err(|_| malformed("is not UTF-8"))?;
        if decoded.iter().any(|argument| argument.contains('\0')) {
            return Err(malformed("contains a NUL character"));
        }
        let owned: Vec<String> =
            decoded.into_iter().map(|argument| argument.into_owned()).collect();
        owned.try_into().map_err(|_| Error::internal("a route has other arguments"))
    }
}

/// The body of a request, read once and up to a limit.
pub struct Body {
    payload: Option<web::Payload>,
    limit: usize,
    bytes: Bytes,
}

impl Body {
    pub fn new(payload: web::Payload, limit: usize) -> Self {
        Self { payload: Some(payload), limit, bytes: Bytes::new() }
    }

    /// All of it; 413 `M_TOO_LARGE` above the limit.
    pub async fn read(&mut self) -> Result<Bytes> {
        let Some(payload) = self.payload.take() else { return Ok(self.bytes.clone()) };
        let bytes = timeout(limits::BODY_WITHIN, read(payload, self.limit))
            .await
            .unwrap_or_else(|_| Err(Error::bad_json("The request's body came too slowly")))?;
        self.bytes = bytes.clone();
        Ok(bytes)
    }

    /// As it comes, for a handler that bounds it itself.
    pub fn stream(&mut self) -> impl Stream<Item = Result<Bytes>> + Unpin + use<> {
        stream::iter(self.payload.take())
            .flatten()
            .map(|chunk| chunk.map_err(|_| Error::bad_json("The request's body ended early")))
    }
}

async fn read(mut payload: web::Payload, limit: usize) -> Result<Bytes> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Error::bad_json("The request's body ended early"))?;
        if first.len() + rest.len() + chunk.len() > limit {
            return Err(limits::too_large());
        }
        if first.is_empty() {
            first = chunk;
        } else {
            rest.extend_from_slice(&chunk);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut all = BytesMut::with_capacity(first.len() + rest.len());
    all.extend_from_slice(&first);
    all.extend_from_slice(&rest);
    Ok(all.freeze())
}

/// What a handler may answer: a ruma response, or bytes that are already JSON.
pub trait Answer {
    fn into_response(self) -> Result<HttpResponse>;
}

impl<R: OutgoingResponse> Answer for R {
    fn into_response(self) -> Result<HttpResponse> {
        self.try_into_http_response::<Vec<u8>>()
            .map(into_actix)
            .map_err(|error| Error::internal(format!("response: {error}")))
    }
}

/// A body of JSON, serialised before.
pub struct Json(pub Bytes);

impl Json {
    /// Of what has no ruma type.
    pub fn of(answer: &impl Serialize) -> Result<Self> {
        let json = serde_json::to_vec(answer)
            .map_err(|error| Error::internal(format!("response: {error}")))?;
        Ok(Self(json.into()))
    }
}

impl Answer for Json {
    fn into_response(self) -> Result<HttpResponse> {
        Ok(HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, HeaderValue::from_static(JSON)))
            .body(self.0))
    }
}

const JSON: &str = "application/json";

/// Runs one request through a handler.
pub async fn call<R, A, F>(
    ctx: Ctx,
    mut call: Call,
    handler: impl FnOnce(Ctx, Ruma<R>) -> F,
) -> Result<HttpResponse>
where
    R: IncomingRequest<Authentication: Scheme>,
    A: Answer,
    F: Future<Output = Result<A>>,
{
    let caller = <R::Authentication as Scheme>::caller(&ctx, &call.http, &mut call.body).await?;
    let body = call.body.read().await?;
    check_depth(&body)?;
    let request = match convert::<R>(&call.http, &call.arguments, &body) {
        Ok(request) => request,
        Err(error) => match with_identifier(&body) {
            Some(body) => convert::<R>(&call.http, &call.arguments, &body)?,
            None => return Err(error),
        },
    };
    handler(ctx, Ruma { request, caller }).await?.into_response()
}

/// A body whose `auth` names the user of a password in the way of before r0.4, in that of today.
fn with_identifier(body: &[u8]) -> Option<Vec<u8>> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let auth = body.get_mut("auth")?.as_object_mut()?;
    if auth.contains_key("identifier") || auth.get("type")? != "m.login.password" {
        return None;
    }
    let user = auth.remove("user")?;
    auth.insert("identifier".to_owned(), json!({ "type": "m.id.user", "user": user }));
    serde_json::to_vec(&body).ok()
}

fn convert<R: IncomingRequest>(
    from: &HttpRequest,
    arguments: &Arguments,
    body: &[u8],
) -> Result<R> {
    let body = if body.is_empty() && is_json(from) { b"{}" } else { body };
    let mut request = http::Request::new(body);
    if let Some(query) = from.uri().query() {
        let mut uri = BytesMut::with_capacity(query.len() + 2);
        uri.extend_from_slice(b"/?");
        uri.extend_from_slice(query.as_bytes());
        *request.uri_mut() = http::Uri::from_maybe_shared(uri.freeze())
            .map_err(|_| Error::invalid_param("The query is malformed"))?;
    }
    for name in [header::CONTENT_TYPE, header::ACCEPT_LANGUAGE] {
        if let Some(value) = from.headers().get(&name)
            && let Ok(value) = http::HeaderValue::from_bytes(value.as_bytes())
            && let Ok(name) = http::HeaderName::from_bytes(name.as_str().as_bytes())
        {
            request.headers_mut().insert(name, value);
        }
    }
    let decoded = arguments
        .decode(from.uri().path())
        .map_err(|_| Error::invalid_param("The path is not UTF-8"))?;
    if decoded.iter().any(|argument| argument.contains('\0')) {
        return Err(Error::invalid_param("The path contains a NUL character"));
    }
    let decoded: SmallVec<[&str; 4]> = decoded.iter().map(|argument| &**argument).collect();
    // Where ruma panics, as 0.25 does at a login without a type, it is a request that it does not take.
    catch_unwind(AssertUnwindSafe(|| R::try_from_http_request_inner(request, &decoded)))
        .map_err(|_| Error::bad_json("The request is malformed"))?
        .map_err(|error| malformed(&error))
}

/// Whether a body, if there were one, would be JSON: clients leave out one without members, as matrix-nio does
/// when it joins a room.
fn is_json(request: &HttpRequest) -> bool {
    let is_json = |kind: &HeaderValue| kind.as_bytes().starts_with(JSON.as_bytes());
    !request.method().is_safe() && request.headers().get(header::CONTENT_TYPE).is_none_or(is_json)
}

/// A response of `http` 1 as one of actix.
pub fn into_actix(response: http::Response<Vec<u8>>) -> HttpResponse<BoxBody> {
    let (parts, body) = response.into_parts();
    let status =
        ActixStatus::from_u16(parts.status.as_u16()).unwrap_or(ActixStatus::INTERNAL_SERVER_ERROR);
    let mut builder = HttpResponseBuilder::new(status);
    for (name, value) in &parts.headers {
        if *name == http::header::CONTENT_TYPE && value.as_bytes() == JSON.as_bytes() {
            builder.insert_header((header::CONTENT_TYPE, HeaderValue::from_static(JSON)));
        } else if let Ok(name) = HeaderName::from_bytes(name.as_str().as_bytes())
            && let Ok(value) = HeaderValue::from_bytes(value.as_bytes())
        {
            builder.append_header((name, value));
        }
    }
    builder.body(body)
}
