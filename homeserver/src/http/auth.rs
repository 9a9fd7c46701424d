//! Who is calling: an implementation of [`Scheme`] for each authentication scheme of ruma.

use std::{future::Future, sync::Arc};

use actix_web::{HttpMessage as _, HttpRequest, http::header};
use percent_encoding::percent_decode_str;
use ruma::{
    OwnedServerName,
    api::{
        auth_scheme::{
            AccessToken, AccessTokenOptional, AppserviceTokenOptional, AuthScheme, NoAccessToken,
            NoAuthentication,
        },
        error::ErrorKind,
        federation::authentication::ServerSignatures,
    },
};

use super::{
    limits::check_depth,
    restrictions,
    ruma::{Body, Ctx},
};
use crate::{
    error::{Error, Result},
    service::sessions::Session,
};

/// How a scheme finds the caller. The body is there to be read for schemes that sign it.
pub trait Scheme: AuthScheme {
    type Caller: 'static;

    fn caller(
        ctx: &Ctx,
        request: &HttpRequest,
        body: &mut Body,
    ) -> impl Future<Output = Result<Self::Caller>>;
}

macro_rules! without_caller {
    ($($scheme:ty),+) => {$(
        impl Scheme for $scheme {
            type Caller = ();

            async fn caller(_: &Ctx, _: &HttpRequest, _: &mut Body) -> Result<()> {
                Ok(())
            }
        }
    )+};
}
// Application services are not there yet: nobody can hold one of their tokens.
without_caller!(NoAuthentication, NoAccessToken, AppserviceTokenOptional);

impl Scheme for AccessToken {
    type Caller = Arc<Session>;

    async fn caller(ctx: &Ctx, request: &HttpRequest, _: &mut Body) -> Result<Arc<Session>> {
        let Some(token) = token(request)? else {
            return Err(missing_token("Missing access token"));
        };
        let session = ctx.sessions.authenticate(&token).await?;
        restrictions::check(ctx, &session, request)?;
        ctx.sessions.seen(&session, ctx.address);
        Ok(session)
    }
}

impl Scheme for AccessTokenOptional {
    type Caller = Option<Arc<Session>>;

    async fn caller(
        ctx: &Ctx,
        request: &HttpRequest,
        _: &mut Body,
    ) -> Result<Option<Arc<Session>>> {
        match token(request)? {
            Some(token) => {
                let session = ctx.sessions.authenticate(&token).await?;
                restrictions::check(ctx, &session, request)?;
                ctx.sessions.seen(&session, ctx.address);
                Ok(Some(session))
            }
            None => Ok(None),
        }
    }
}

/// A server, by its signature over the request.
impl Scheme for ServerSignatures {
    type Caller = OwnedServerName;

    async fn caller(ctx: &Ctx, request: &HttpRequest, body: &mut Body) -> Result<OwnedServerName> {
        let mut signed = http::Request::builder()
            .method(request.method().as_str())
            .uri(request.uri().path_and_query().map_or("/", |path| path.as_str()));
        for value in request.headers().get_all(header::AUTHORIZATION) {
            signed = signed.header(http::header::AUTHORIZATION, value.as_bytes());
        }
        let signed = signed
            .body(())
            .map_err(|error| Error::invalid_param(format!("The request is malformed: {error}")))?;
        // Nothing is read of somebody who says nothing, or who is not talked to.
        let claim = ctx.remote.claim(&signed)?;
        let address = ctx.rate_limited_caller();
        ctx.rate_limits.unproven(&address)?;
        let body = body.read().await?;
        check_depth(&body)?;
        let origin = ctx.remote.authenticate(&signed.map(|()| body), claim).await?;
        ctx.rate_limits.proven(&address);
        // Held until the request is answered.
        let permit = ctx.rate_limits.origin(&origin).await?;
        request.extensions_mut().insert(permit);
        Ok(origin)
    }
}

/// The token of the `Authorization` header or, as the specification still allows, of the query.
fn token(request: &HttpRequest) -> Result<Option<String>> {
    if let Some(value) = request.headers().get(header::AUTHORIZATION) {
        let token = value
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        return match token {
            Some(token) => Ok(Some(token.to_owned())),
            None => Err(missing_token("The Authorization header holds no bearer token")),
        };
    }
    Ok(request.uri().query().and_then(token_in_query))
}

fn token_in_query(query: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("access_token="))?;
    percent_decode_str(value).decode_utf8().ok().map(|token| token.into_owned())
}

/// The caller of an endpoint that takes a token or something that is not offered here.
pub fn required(caller: Option<Arc<Session>>) -> Result<Arc<Session>> {
    caller.ok_or_else(|| missing_token("Missing access token"))
}

pub fn missing_token(message: &'static str) -> Error {
    Error::matrix(http::StatusCode::UNAUTHORIZED, ErrorKind::MissingToken, message)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_token_comes_from_the_header_or_the_query() {
        let request = TestRequest::get().insert_header(("Authorization", "bearer abc"));
        assert_eq!(token(&request.to_http_request()).unwrap().as_deref(), Some("abc"));
        let request = TestRequest::get().uri("/sync?timeout=0&access_token=a%2Bc");
        assert_eq!(token(&request.to_http_request()).unwrap().as_deref(), Some("a+c"));
        assert_eq!(token(&TestRequest::get().to_http_request()).unwrap(), None);
        let request = TestRequest::get().insert_header(("Authorization", "Basic abc"));
        assert!(token(&request.to_http_request()).is_err());
    }
}
