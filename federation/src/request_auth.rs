//! `X-Matrix`: a request between servers proves who sent it. ([Request authentication][1])
//!
//! Requests we send are signed and those that come in are checked here, and not with ruma's functions: these
//! refuse a body with an event of an old room version that has other numbers in it than integers.
//!
//! [1]: https://spec.matrix.org/v1.19/server-server-api/#request-authentication

use std::collections::BTreeSet;

use http::{HeaderValue, header};
use ruma::{
    CanonicalJsonObject, OwnedServerName, ServerName, SigningKeyAlgorithm,
    api::federation::authentication::XMatrix,
    serde::Base64,
    signatures::{KeyPair, verify_canonical_json_bytes},
};

use crate::{Error, Keyring, SigningKey, canonical};

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
/// Refused are: a body that is no JSON, an unknown or no longer valid key, a wrong signature.
pub async fn authenticate(
    request: &http::Request<impl AsRef<[u8]> + Sync>,
    claim: XMatrix,
    own_name: &ServerName,
    keyring: &Keyring,
    now: i64,
) -> Result<OwnedServerName, Error> {
    let unauthenticated = |reason: String| Error::Unauthenticated(reason);
    let id = claim.key.to_string();
    let form = signed_form(request, &claim.origin, own_name)
        .map_err(|error| Error::Body(error.to_string()))?;
    let keys = keyring.keys(&claim.origin, &BTreeSet::from([id.clone()]), now, now).await?;
    let key = keys.get(&id).ok_or_else(|| unauthenticated(format!("no key {id}")))?;
    let (key, signature) = (key.as_bytes(), claim.sig.as_bytes());
    verify_canonical_json_bytes(&SigningKeyAlgorithm::Ed25519, key, signature, form.as_bytes())
        .map_err(|error| unauthenticated(error.to_string()))?;
    Ok(claim.origin)
}

/// Adds the header that proves that `origin`, which has this key, sends `request` to `destination`.
pub(crate) fn sign(
    request: &mut http::Request<impl AsRef<[u8]>>,
    origin: &ServerName,
    destination: &ServerName,
    key: &SigningKey,
) -> Result<(), Error> {
    let form = signed_form(request, origin, destination)
        .map_err(|error| Error::Request(error.to_string()))?;
    let (_, signature) = key.sign(form.as_bytes()).into_parts();
    let (origin, destination) = (origin.to_owned(), destination.to_owned());
    let proof = XMatrix::new(origin, destination, key.id().clone(), Base64::new(signature));
    request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from(&proof));
    Ok(())
}

fn signed_form(
    request: &http::Request<impl AsRef<[u8]>>,
    origin: &ServerName,
    destination: &ServerName,
) -> Result<String, serde_json::Error> {
    let uri = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let members = [
        ("destination", destination.as_str()),
        ("method", request.method().as_str()),
        ("origin", origin.as_str()),
        ("uri", uri),
    ];
    let members = members.map(|(name, value)| (name.to_owned(), value.into()));
    canonical::request_form(CanonicalJsonObject::from(members), request.body().as_ref())
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use ruma::{
        api::federation::authentication::XMatrixSigningInput, owned_server_name, server_name,
    };

    use super::*;
    use crate::keyring::tests::{NOW, keyring_with};

    fn signed(uri: &str, body: &str, destination: OwnedServerName) -> http::Request<Vec<u8>> {
        let key = SigningKey::from_seed("1", &[1; 32]).unwrap();
        let mut request = http::Request::put(uri).body(body.as_bytes().to_vec()).unwrap();
        sign(&mut request, server_name!("a.test"), &destination, &key).unwrap();
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

    #[test]
    fn it_is_signed_as_ruma_signs() {
        let uri = "/_matrix/federation/v1/send/1?x=%20y";
        let body = r#"{"b":{"d":"\u0000n1","c":["\u00e9",9007199254740991]},"a":-1}"#;
        let ours = signed(uri, body, owned_server_name!("b.test"));
        let key = SigningKey::from_seed("1", &[1; 32]).unwrap();
        let (origin, to) = (owned_server_name!("a.test"), owned_server_name!("b.test"));
        let input = XMatrixSigningInput::new(origin, to, key.pair());
        let theirs = HeaderValue::from(&XMatrix::sign_http_request(&ours, input).unwrap());
        assert_eq!(ours.headers()[AUTHORIZATION], theirs);
    }

    #[tokio::test]
    async fn events_of_old_room_versions_may_have_any_number() {
        let written = |number: &str| format!(r#"{{"pdus":[{{"content":{{"x":{number}}}}}]}}"#);
        for (number, same) in [("1.5", "15e-1"), ("1e300", "1e+300"), ("9007199254740993", "")] {
            let mut request = signed("/x", &written(number), owned_server_name!("b.test"));
            assert_eq!(check(&request).await.unwrap(), "a.test", "{number}");
            if !same.is_empty() {
                *request.body_mut() = written(same).into_bytes();
                assert!(check(&request).await.is_ok(), "{same}");
            }
            *request.body_mut() = written("2.5").into_bytes();
            assert!(check(&request).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_body_that_is_no_json_is_told_from_a_wrong_signature() {
        let mut request = signed("/x", "{}", owned_server_name!("b.test"));
        *request.body_mut() = b"{]".to_vec();
        assert!(matches!(check(&request).await, Err(Error::Body(_))));
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
