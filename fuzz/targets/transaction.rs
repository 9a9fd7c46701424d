//! A transaction and what is in it, as far as it is read before a room is known.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ruma::api::{
    IncomingRequest,
    federation::transactions::{edu::Edu, send_transaction_message::v1::Request},
};
use sealpost_federation::transaction::check_limits;

fuzz_target!(|bytes: &[u8]| {
    let request = http::Request::put("/").body(bytes).expect("a request");
    let Ok(request) = Request::try_from_http_request_inner(request, &["1"]) else { return };
    if check_limits(request.pdus.len(), request.edus.len()).is_ok() {
        assert!(request.pdus.len() <= 50 && request.edus.len() <= 100);
    }
    for edu in &request.edus {
        let _: Result<Edu, _> = edu.deserialize();
    }
});
