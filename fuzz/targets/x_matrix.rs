//! The `Authorization` header of a request.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ruma::server_name;
use sealpost_federation::request_auth::claim;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = http::HeaderValue::from_bytes(bytes) else { return };
    let request = http::Request::builder()
        .uri("/_matrix/federation/v1/version")
        .header(http::header::AUTHORIZATION, value)
        .body(())
        .expect("a request");
    if let Ok(claim) = claim(&request, server_name!("own.test")) {
        assert_ne!(claim.origin, "own.test");
        assert!(claim.destination.is_none_or(|destination| destination == "own.test"));
    }
});
