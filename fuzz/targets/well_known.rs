//! A well-known file, with the header that says how long it is good for.

#![no_main]

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::fuzz_target;
use sealpost_federation::discovery::well_known::delegation;

fuzz_target!(|bytes: &[u8]| {
    // The first line is the header, the rest the file.
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (control, body) = bytes.split_at(end);
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(control) {
        headers.insert(header::CACHE_CONTROL, value);
    }
    if let Some((server, age)) = delegation(&headers, body) {
        assert!(age >= Duration::from_secs(3600) && age <= Duration::from_secs(48 * 3600));
        // Where it leads is read next.
        let _ = (server.host(), server.port(), server.is_ip_literal());
    }
});
