//! `X-Matrix`: a request between servers proves who sent it. ([Request authentication][1])
//!
//! Requests we send are signed by [`crate::Client`]; this module checks those that come in.
//!
//! [1]: https://spec.matrix.org/v1.19/server-server-api/#request-authentication

use std::collections::{BTreeMap, BTreeSet};

use ruma::{OwnedServerName, ServerName, api::federation::authentication::XMatrix};

use crate::{Error, Keyring};

/// What the `Authorization` header of `request` claims. Nothing is proven yet.
///
/// Refused are: no or another kind of header, another destination than `own_name`, a request that claims
/// to come from ourselves.
pub fn claim<B>(request: &http::Request<B>, own_name: &ServerName) -> Result<XMatrix, Error> {
    let unauthenticated = |reason: String| Error::Unauthenticated(reason);
    if request.uri().path_and_query().is_none() {
        return Err(unauthenticated("the request has no path".to_owned()));
    }
    let claim = XMatrix::extract_from_http_headers(request.headers())
        .map_err(|error| unauthenticated(error.to_string()))?;
    if claim.destination.as_deref().is_some_and(|destination| destination != own_name) {
        return Err(unauthenticated("the request is for another server".to_owned()));
    }
    if claim.origin == own_name {
        return Err(unauthenticated("the request claims to come from this server".to_owned()));
    }
    Ok(claim)
}

/// Checks the [claim] of `request` (whose body is the bytes as received) and tells which server sent it. `now`
/// in milliseconds since the Unix epoch.
///
/// Refused are: an unknown or no longer valid key, a wrong signature.
pub async fn authenticate(
    request: &http::Request<impl AsRef<[u8]> + Sync>,
    claim: XMatrix,
    own_name: &ServerName,
    keyring: &Keyring,
    now: i64,
) -> Result<OwnedServerName, Error> {
    let unauthenticated = |reason: String| Error::Unauthenticated(reason);
    let wanted = BTreeSet::from([claim.key.to_string()]);
    let keys = keyring.keys(&claim.origin, &wanted, now, now).await?;
    let keys = BTreeMap::from([(claim.origin.to_string(), keys)]);
    claim
        .verify_http_request(request, own_name, &keys)
        .map_err(|error| unauthenticated(error.to_string()))?;
    Ok(claim.origin)
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use ruma::{
        api::{
            auth_scheme::AuthScheme,
            federation::authentication::{ServerSignatures, XMatrixSigningInput},
        },
        owned_server_name, server_name,
    };

    use super::*;
    use crate::{
        SigningKey,
        keyring::tests::{NOW, keyring_with},
    };

    fn signed(uri: &str, body: &str, destination: OwnedServerName) -> http::Request<Vec<u8>> {
        let key = SigningKey::from_seed("1", &[1; 32]).unwrap();
        let mut request = http::Request::put(uri).body(body.as_bytes().to_vec()).unwrap();
        let input = XMatrixSigningInput::new(owned_server_name!("a.test"), destination, key.pair());
        ServerSignatures::add_authentication(&mut request, input).unwrap();
        request
    }

    async fn check(request: &http::Request<Vec<u8>>) -> Result<OwnedServerName, Error> {
        let keyring =
            keyring_with(server_name!("a.test"), &SigningKey::from_seed("1", &[1; 32]).unwrap());
        let own_name = server_name!("b.test");
        authenticate(request, claim(request, own_name)?, own_name, &keyring, NOW).await
    }

    #[tokio::test]
    async fn a_signed_request_tells_its_origin() {
        let request = signed(
            "/_matrix/federation/v1/send/1?x=%20y",
            r#"{"pdus":[]}"#,
            owned_server_name!("b.test"),
        );
        assert_eq!(check(&request).await.unwrap(), "a.test");
        let bare = signed("/_matrix/federation/v1/version", "", owned_server_name!("b.test"));
        assert_eq!(check(&bare).await.unwrap(), "a.test");
    }

    #[tokio::test]
    async fn a_request_for_another_server_is_refused() {
        let request = signed("/x", "{}", owned_server_name!("c.test"));
        assert!(check(&request).await.is_err());
    }

    #[tokio::test]
    async fn a_changed_request_is_refused() {
        let request = signed("/x", r#"{"a":1}"#, owned_server_name!("b.test"));
        assert!(check(&request).await.is_ok());

        let mut body = request.clone();
        *body.body_mut() = br#"{"a":2}"#.to_vec();
        assert!(check(&body).await.is_err());

        let mut uri = request.clone();
        *uri.uri_mut() = "/y".parse().unwrap();
        assert!(check(&uri).await.is_err());

        let mut method = request.clone();
        *method.method_mut() = http::Method::POST;
        assert!(check(&method).await.is_err());
    }

    #[tokio::test]
    async fn an_unsigned_request_is_refused() {
        let mut request = signed("/x", "{}", owned_server_name!("b.test"));
        request.headers_mut().remove(AUTHORIZATION);
        assert!(check(&request).await.is_err());
        request.headers_mut().insert(AUTHORIZATION, "Bearer abc".parse().unwrap());
        assert!(check(&request).await.is_err());
    }

    #[tokio::test]
    async fn a_request_in_our_own_name_is_refused() {
        let request = signed("/x", "{}", owned_server_name!("b.test"));
        assert!(claim(&request, server_name!("a.test")).is_err());
    }
}
